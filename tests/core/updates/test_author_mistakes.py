"""What the author of a rule gets wrong is told at attach or at the first step, in one line that names the rule."""

import math
import re

import pytest
import torch

from chainrule import (
    ChainruleError,
    ContractError,
    HyperparameterError,
    Optimizer,
    UnknownAttributeError,
    Wrapper,
    hyperparameter,
)
from chainrule.layers import linear
from chainrule.optimizers import sgd
from chainrule.testing import checks_of, run_all, subject


class Rule(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad


class Nothing(Rule):
    def update(self, parameter, grad, state, step):
        grad * 2


class Sum(Rule):
    def update(self, parameter, grad, state, step):
        return grad.sum()


class Transposed(Rule):
    def update(self, parameter, grad, state, step):
        return grad.mT if grad.dim() == 2 else grad


class Single(Rule):
    def update(self, parameter, grad, state, step):
        return grad.float()


class ListState(Rule):
    def init(self, parameter):
        return [torch.zeros_like(parameter)]


class NumberState(Rule):
    def init(self, parameter):
        return {"count": 0.0}


class NumberedState(Rule):
    def init(self, parameter):
        return {0: torch.zeros_like(parameter)}


class NoState(Rule):
    def init(self, parameter):
        pass


class Unknown(Rule):
    def scalars(self, t):
        return {"bias": 1.0}

    def update(self, parameter, grad, state, step):
        return grad * step["bais"]


class WordScalar(Rule):
    def scalars(self, t):
        return {"bias": "one"}


class NumberedScalar(Rule):
    def scalars(self, t):
        return {0: 1.0}


class NoScalars(Rule):
    def scalars(self, t):
        pass


class VectorSum(Rule):
    def reduce(self, parameter, grad, state, step):
        return {"square": grad.square()}


class NumberSum(Rule):
    def reduce(self, parameter, grad, state, step):
        return {"square": 1.0}


class NumberedSum(Rule):
    def reduce(self, parameter, grad, state, step):
        return {0: grad.sum()}


class Unwritten(Optimizer):
    pass


class Flattened(Wrapper):
    def change_gradient(self, parameter, grad, state, step):
        return grad.reshape(-1)


class Halved(Wrapper):
    def change_direction(self, parameter, grad, direction, state, step):
        return (direction / 2).float()


class Mean(Wrapper):
    def evaluation_parameter(self, parameter, state):
        return parameter.mean()


@pytest.mark.parametrize("seeds", [None, [0, 1]])
@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Nothing(), "nothing: update must return a direction of the parameter's shape (2, 3) and .*, got None."),
        (Nothing(), "nothing: .* got None. Return d of θ ← θ − lr d, and leave the step to the core."),
        (Sum(), "sum: update must return a direction .* got shape () and torch.float64."),
        (Transposed(), "transposed: update must return a direction .* (2, 3) .* got shape (3, 2) and torch.float64."),
        (Single(), "single: update must return .* and torch.float64, got shape .* and torch.float32."),
        (ListState(), "list_state: init must return a dict of tensors by name, got a list."),
        (NumberState(), "number_state: init must return a dict of tensors by name, got {'count': a float}."),
        (NumberedState(), "numbered_state: init must return a dict of tensors by name, got {0: shape (2, 3)"),
        (NoState(), "no_state: init must return a dict of tensors by name, got None."),
        (Unknown(), 'unknown: step["bais"] must be a name that scalars or reduce returns, got one of neither.'),
        (WordScalar(), "word_scalar: scalars must return a dict of numbers by name, got {'bias': a str}."),
        (NumberedScalar(), "numbered_scalar: scalars must return a dict of numbers by name, got {0: a float}."),
        (NoScalars(), "no_scalars: scalars must return a dict of numbers by name, got None."),
        (VectorSum(), "vector_sum: reduce must return a dict of 0-dim tensors by name, got {'square': shape (2, 3)"),
        (NumberSum(), "number_sum: reduce must return a dict of 0-dim tensors by name, got {'square': a float}."),
        (NumberedSum(), "numbered_sum: reduce must return a dict of 0-dim tensors by name, got {0: shape ()"),
        (Unwritten(), "unwritten: a rule needs an update, got none."),
        (Flattened(inner=sgd()), "flattened: change_gradient must return a gradient .* got shape (6,) and"),
        (
            Halved(inner=sgd()),
            "halved: change_direction must return a .* got shape .* and torch.float32.",
        ),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Optimizer) else "",
)
def test_it_is_one_line_that_names_the_rule(rule, message, seeds):
    network = linear(3, 2, bias=False).build(seeds=seeds, dtype=torch.float64)
    network.flat.grad.fill_(1.0)
    with pytest.raises(ContractError, match="^" + re.escape(message).replace(r"\.\*", ".*")) as caught:
        rule.attach(network).step()
    assert "\n" not in str(caught.value)


class Dotted(Unknown):
    def update(self, parameter, grad, state, step):
        return grad * step.bias


class Misspelt(Rule):
    def update(self, parameter, grad, state, step):
        return grad * step.randm.normal(grad.shape)


class OfTensor(Rule):
    def update(self, parameter, grad, state, step):
        return grad.sqare()


class MisspeltState(Rule):
    def init(self, parameter):
        return {"momentum": torch.zeros_like(parameter)}

    def update(self, parameter, grad, state, step):
        return state["m"].mul_(0.9).add_(grad)


class LateState(Rule):
    def update(self, parameter, grad, state, step):
        if "m" not in state:
            state["m"] = torch.zeros_like(parameter)
        return state["m"].lerp_(grad, 0.1)


class DefaultState(Rule):
    def update(self, parameter, grad, state, step):
        return state.setdefault("m", torch.zeros_like(parameter)).lerp_(grad, 0.1)


class NoState(Rule):
    def update(self, parameter, grad, state, step):
        return state["m"].lerp_(grad, 0.1)


@pytest.mark.parametrize("rule", [LateState(), DefaultState(), NoState()], ids=lambda rule: type(rule).__name__)
def test_state_is_made_by_init(rule):
    network = linear(3, 2, bias=False).build()
    made = 'Return it from init: def init(self, parameter): return {"m": torch.zeros_like(parameter)}.'
    with pytest.raises(ChainruleError, match=rf'^state\["m"\] must be a .* that init returns, .* {re.escape(made)}$'):
        rule.attach(network).step()


def test_state_that_init_returns_twice_is_two_tensors():
    class Twice(Optimizer):
        elementwise = True

        def init(self, parameter):
            zeros = torch.zeros_like(parameter)
            return {"m": zeros, "v": zeros}

        def update(self, parameter, grad, state, step):
            state["v"].add_(2 * grad)
            return state["m"].add_(grad)

    network = linear(3, 1, bias=False).build()
    network.flat.grad.fill_(1.0)
    updater = Twice().attach(network)
    updater.step()
    ((_, state),) = updater.applied_rules[0].states().items()
    assert {name: entry.unique().item() for name, entry in state.items()} == {"m": 1.0, "v": 2.0}


def test_a_default_for_state_that_init_returns_is_not_used():
    class Both(DefaultState):
        def init(self, parameter):
            return {"m": torch.ones_like(parameter)}

    network = linear(3, 2, bias=False).build()
    before = network.flat.data.clone()
    Both().attach(network).step()
    assert not torch.equal(network.flat.data, before)


@pytest.mark.parametrize("seeds", [None, [0, 1]])
@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (Dotted(), UnknownAttributeError, r'^dotted: step has no "bias"\. Write step\["bias"\]\.$'),
        (
            MisspeltState(),
            ContractError,
            r'^state\["m"\] must be a name that init returns, got another\. Known: momentum\.$',
        ),
        (Misspelt(), UnknownAttributeError, r'^step: has no "randm"\. Did you mean "random"\?$'),
        (OfTensor(), AttributeError, "^'Tensor' object has no attribute 'sqare'"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Optimizer) else "",
)
def test_a_name_that_step_or_state_lacks_is_answered_with_what_to_write(rule, error, message, seeds):
    network = linear(3, 2, bias=False).build(seeds=seeds)
    network.flat.grad.fill_(1.0)
    with pytest.raises(error, match=message):
        rule.attach(network).step()


def test_evaluation_parameters_have_the_parameters_shape():
    network = linear(3, 2, bias=False).build()
    with (
        pytest.raises(ContractError, match=r"^mean: evaluation_parameter must return .* got shape \(\) and"),
        Mean(inner=sgd()).attach(network).evaluating(),
    ):
        pass


@pytest.mark.parametrize("factor", [None, math.nan, math.inf, -0.5, "half", torch.tensor([1.0, 2.0, 3.0])])
def test_a_schedule_gives_factors(factor):
    updater = sgd(schedule=lambda t: factor).attach(linear(3, 2).build(seeds=[0, 1]))
    with pytest.raises(
        HyperparameterError, match=r"^sgd: schedule\(1\) must be a finite number of at least 0 or 2 of "
    ):
        updater.step()


def test_a_factor_too_large_for_a_number_is_one_line():
    updater = sgd(schedule=lambda t: 10.0 ** (400 * t)).attach(linear(3, 2).build())
    with pytest.raises(HyperparameterError, match=r"^sgd: schedule\(1\) must be a finite number .*, got inf\."):
        updater.step()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"element_wise": True}, 'wrong: element_wise is not part of the contract. Did you mean "elementwise"?'),
        ({"evaluation_params": lambda self, p, s: p}, 'evaluation_params .* Did you mean "evaluation_parameter"?'),
        ({"scalar": lambda self, t: {}}, 'scalar is not part of the contract. Did you mean "scalars"?'),
        (
            {"decay_kind": "decoupeld"},
            "decay_kind must be one of 'none', 'coupled', 'decoupled', 'other', got 'deco",
        ),
        ({"elementwise": "yes"}, "elementwise must be True or False or None, got 'yes'."),
        ({"ranks": 2}, "ranks must be a tuple of integers, got 2."),
        ({"gradient_range": (1.0,)}, "gradient_range must be a tuple of 2 numbers, got (1.0,)."),
        (
            {"elementwise": True, "__annotations__": {"elementwise": "bool"}},
            "elementwise must be a class attribute, got a field. Write elementwise = True without a type.",
        ),
    ],
)
def test_class_attributes_are_those_of_the_contract(attributes, message):
    with pytest.raises(ContractError, match=re.escape(message).replace(r"\.\*", ".*")):
        type("Wrong", (Rule,), attributes)


def test_fields_and_names_of_ones_own_are_free():
    class Fine(Rule):
        rank: int = hyperparameter(default=4, at_least=1)
        scale_of_this = 2.0

        def _scalar(self):
            return 1.0

    assert Fine().rank == 4


@pytest.mark.parametrize("name", ["update", "apply", "lr", "schedule"])
def test_a_wrapper_leaves_to_the_inner_rule_what_is_its(name):
    with pytest.raises(ContractError, match=f"^wrong: a wrapper must leave {name} to the inner rule"):
        type("Wrong", (Wrapper,), {name: None})


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        (sgd, "the class Sgd. Did you forget to call it?"),
        ("adam", '\'adam\'. Write chainrule.create("optimizer", "adam").'),
        ("some words", "'some words'. Pass one of chainrule.optimizers, such as adam(lr=0.001)."),
        (None, "None. Pass one"),
        (0.1, "0.1. Pass one"),
    ],
)
def test_the_inner_rule_is_an_optimizer(inner, shown):
    class Around(Wrapper):
        pass

    with pytest.raises(HyperparameterError, match=re.escape(f"around: inner must be an optimizer, got {shown}")):
        Around(inner=inner)


@pytest.mark.parametrize("kind", [Nothing, Sum, NoState, Unknown, VectorSum])
def test_the_kit_stops_with_one_failure(kind):
    *passed, last = run_all(subject(kind), checks_of("optimizers"))
    assert isinstance(last.error, ContractError)
    assert [result.outcome for result in passed].count("failed") == 0


class Branches(Rule):
    def update(self, parameter, grad, state, step):
        norm = grad.norm()
        return grad / norm if norm > 1 else grad


class Items(Rule):
    def update(self, parameter, grad, state, step):
        return grad / max(grad.norm().item(), 1.0)


class Noise(Rule):
    def update(self, parameter, grad, state, step):
        return grad + torch.rand_like(grad)


class InPlace(Rule):
    def update(self, parameter, grad, state, step):
        return torch.zeros(grad.shape, dtype=grad.dtype).copy_(grad)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Noise,
            "noise: a rule on several members must draw from step.random, got a random operation of torch. "
            "Write step.random.normal(parameter.shape).",
        ),
        (InPlace, "in_place: a rule on several members must act as torch.vmap can batch it, got: inplace arithmetic"),
    ],
)
def test_what_cannot_be_batched_over_members_is_told_as_what_it_is(kind, message):
    network = linear(3, 2).build(seeds=[0, 1])
    network.flat.grad.fill_(1.0)
    with pytest.raises(ContractError, match=f"^{re.escape(message)}"):
        kind().attach(network).step()


class Masks(Rule):
    def update(self, parameter, grad, state, step):
        return grad * grad[grad > 0].sum()


@pytest.mark.parametrize("kind", [Branches, Items, Masks])
def test_a_branch_on_a_value_is_told_where_it_fails(kind):
    network = linear(3, 2).build(seeds=[0, 1])
    network.flat.grad.fill_(1.0)
    message = r"members must not depend on a tensor's value, as by if, \.item\(\) or a mask\. Use torch\.where, or set"
    with pytest.raises(ContractError, match=message):
        kind().attach(network).step()
    looped = type("Looped", (kind,), {"vmappable": False})
    looped().attach(network).step()
