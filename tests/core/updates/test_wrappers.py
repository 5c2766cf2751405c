"""Wrappers around every rule, and around each other.

The normal suite tries them around the first example of the first rule of each form, as said in tests/forms.py, and
every third of these in an ensemble too; the slow suite tries all.
"""

import itertools

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import Wrapper, hyperparameter, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import (
    accumulate,
    adadelta,
    adam,
    adaptive_clipping,
    cautious,
    ema,
    gradient_centralization,
    grokfast,
    lookahead,
    sgd,
    swa,
    trust_ratio,
)
from chainrule.registry import load
from tests.built_ins import BUILT_IN, built_in_rules
from tests.contracts.correct_rules import RULES
from tests.core.updates.wrappers_by_hand import path_by_hand
from tests.forms import first_of_each_form

X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
STEPS = 8

KINDS = [kind for kind in (*built_in_rules(), *RULES) if not issubclass(kind, Wrapper) and 2 in kind.ranks]
OF_EACH_FORM = first_of_each_form(KINDS)
FIRST = [kind.examples()[0] for kind in KINDS if kind in OF_EACH_FORM]
INNER = [example for kind in KINDS for example in kind.examples()]
DIRECTED = [rule for rule in INNER if type(rule).apply is chainrule.Optimizer.apply]


def slow_unless_first(rule):
    """Return the marks of a test of the rule."""
    return () if rule in FIRST else pytest.mark.slow


def build(seeds=None):
    return sequential(linear(3, 5, bias=False), tanh(), linear(5, 3, bias=False)).build(
        seeds=seeds, dtype=torch.float64
    )


def differentiate(network, t=1):
    rows = slice(t % 3, None, 3)  # other ones at each step
    network.zero_grad()
    loss = mse(members=network.is_ensemble)
    loss(network(X[rows]), Y[rows])
    network.backward(loss.backward())


def path(rule, network, steps=STEPS, updater=None):
    """Return the parameters after each step, and those that are evaluated."""
    updater, passed = updater or rule.attach(network), []
    for _ in range(steps):
        differentiate(network, updater.t + 1)
        updater.step()
        with updater.evaluating():
            evaluated = network.flat.data.clone()
        passed.append((network.flat.data.clone(), evaluated))
    return passed


WRAPPERS = {
    "accumulate": lambda inner: accumulate(inner=inner, k=2),
    "adaptive_clipping": lambda inner: adaptive_clipping(inner=inner, clipping=0.1),
    "cautious": lambda inner: cautious(inner=inner),
    "ema": lambda inner: ema(inner=inner, decay=0.8),
    "gradient_centralization": lambda inner: gradient_centralization(inner=inner),
    "grokfast": lambda inner: grokfast(inner=inner, alpha=0.8, lamb=0.5),
    "lookahead": lambda inner: lookahead(inner=inner, k=3, alpha=0.4),
    "swa": lambda inner: swa(inner=inner, start=2, k=3),
    "trust_ratio": lambda inner: trust_ratio(inner=inner, trust_coefficient=0.1),
}
DIRECTING = {"cautious", "trust_ratio"}


def slow_unless_tried(name, inner, seeds):
    """Return the marks of a test of a wrapper around the rule, of which ensembles try a third."""
    if seeds and inner in FIRST and (list(WRAPPERS).index(name) + FIRST.index(inner)) % 3:
        return pytest.mark.slow
    return slow_unless_first(inner)


EACH = [
    pytest.param(name, inner, seeds, marks=slow_unless_tried(name, inner, seeds))
    for name in WRAPPERS
    for inner in (DIRECTED if name in DIRECTING else INNER)
    for seeds in (None, [0, 1, 2])
]
PAIRS = list(itertools.product(WRAPPERS, repeat=2))


def assert_is_done_by_hand(rule, seeds, steps=STEPS):
    ours, theirs = path(rule, build(seeds), steps), path_by_hand(rule, build(seeds), steps, differentiate)
    assert_close(ours, list(theirs), rtol=1e-10, atol=1e-10)


def test_every_built_in_wrapper_is_tried():
    assert {
        record.name for record in BUILT_IN if record.kind == "optimizers" and issubclass(load(record), Wrapper)
    } == {*WRAPPERS}


@pytest.mark.parametrize(("name", "inner", "seeds"), EACH, ids=repr)
def test_a_wrapper_does_around_any_rule_what_its_formula_does_by_hand(name, inner, seeds):
    assert_is_done_by_hand(WRAPPERS[name](inner), seeds)


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_two_wrappers_do_what_each_does(outer, inner):
    assert_is_done_by_hand(WRAPPERS[outer](WRAPPERS[inner](adadelta(lr=0.5, weight_decay=0.01))), [0, 1], 20)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        *((name, lookahead(inner=ema(inner=adadelta(), decay=0.5), k=2)) for name in WRAPPERS),
        *(
            pytest.param(name, inner, marks=slow_unless_tried(name, inner, [0, 1]))
            for name in WRAPPERS
            for inner in DIRECTED
        ),
    ],
    ids=repr,
)
def test_it_resumes_to_the_bit_at_every_step(outer, inner):
    rule = WRAPPERS[outer](inner)
    whole = path(rule, build([0, 1]))
    network = build([0, 1])
    updater = rule.attach(network)
    for step in range(STEPS):
        resumed = build([5, 6])
        going_on = rule.attach(resumed)
        resumed.load_state_dict(network.state_dict())
        going_on.load_state_dict(updater.state_dict())
        assert all(map(torch.equal, path(rule, resumed, 1, going_on)[0], whole[step])), step
        path(rule, network, 1, updater)


def test_the_inner_rules_numbers_and_schedule_are_its_own():
    rule = lookahead(inner=ema(inner=sgd(lr=0.3, schedule=lambda t: 1 / t)))
    assert rule.lr == 0.3
    assert rule.schedule(2) == 0.5
    with pytest.raises(TypeError, match="lr"):
        lookahead(inner=sgd(), lr=0.1)
    network = build()
    updater = rule.attach(network)
    updater.set_lr(0.7)
    assert updater.groups["*"].lr == 0.7
    before = network.flat.data.clone()
    network.flat.grad.fill_(1.0)
    updater.step()
    updater.step()
    assert_close(before - network.flat.data, torch.full_like(before, 0.7 * 1.5))


def test_every_number_may_be_per_member():
    decays, rates = torch.tensor([0.5, 0.9]), torch.tensor([0.1, 0.2])
    together = path(ema(inner=lookahead(inner=adam(lr=rates), alpha=decays), decay=decays), build([0, 1]))
    for i, (decay, lr) in enumerate(zip(decays.tolist(), rates.tolist(), strict=True)):
        alone = path(ema(inner=lookahead(inner=adam(lr=lr), alpha=decay), decay=decay), build([i]))
        for ours, theirs in zip(together, alone, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                sizes = [2 * parameter.shape.numel() for parameter in build().parameters()]
                member = torch.cat([part.view(2, -1)[i] for part in one.split(sizes)])
                assert_close(member, other, rtol=0, atol=1e-12)


def test_ranks_are_those_of_both():
    (muon,) = [kind for kind in RULES if kind.__name__ == "Muon"]
    network = linear(3, 2).build()
    with pytest.raises(chainrule.ShapeError, match=r"^lookahead: a parameter must have rank 2, got shape \(2,\)"):
        lookahead(inner=muon()).attach(network)
    param_groups({"matrices": lookahead(inner=muon()), "*": adam()}).attach(network).step()


class Clipped(Wrapper):
    """Scale the gradient of the whole network to a norm of at most 1, and count how often."""

    limit: float = hyperparameter(default=1.0, above=0)

    def init(self, parameter):
        return {"seen": torch.zeros_like(parameter)}

    def change_gradient(self, parameter, grad, state, step):
        state["seen"].add_(1)
        return grad * 2

    def reduce(self, parameter, grad, state, step):
        return {"square": grad.square().sum()}

    def change_direction(self, parameter, grad, direction, state, step):
        return direction * (self.limit / step["square"].sqrt()).clamp(max=1)


def test_gradients_change_once_before_sums():
    (by_norm,) = [kind for kind in RULES if kind.__name__ == "GlobalNorm"]
    network = build([0, 1])
    updater = Clipped(inner=Clipped(inner=sgd(lr=1.0))).attach(network)
    before, start = network.flat.data.clone(), network.state_dict()
    differentiate(network)
    updater.step()
    for name, parameter in network.named_parameters():
        for member in range(2):
            grads = [other.grad[member] for other in network.parameters()]
            norm = torch.cat([grad.flatten() for grad in grads]).norm()
            factor = 4 * min(1, 1 / (4 * norm)) ** 2
            expected = start[name][member] - factor * parameter.grad[member]
            assert_close(parameter.data[member], expected, rtol=1e-12, atol=1e-12)
    states = updater.state_dict()["state"]["0.weight"]
    assert (states["seen"] == 1).all()
    assert (states["inner.seen"] == 1).all()
    assert not torch.equal(before, network.flat.data)
    lengths = path(Clipped(inner=by_norm(lr=0.1)), build(), 2)
    assert len(lengths) == 2


def test_a_state_names_the_wrappers_too():
    network = build()
    saved = lookahead(inner=adam()).attach(network).state_dict()
    with pytest.raises(chainrule.StateError, match="must be that of ema of adam, got that of lookahead of adam"):
        ema(inner=adam()).attach(network).load_state_dict(saved)


def many_at_once():
    clipped = adaptive_clipping(inner=gradient_centralization(inner=grokfast(inner=adam(lr=0.05))), clipping=0.1)
    return ema(inner=cautious(inner=trust_ratio(inner=clipped)), decay=0.5)


def expect_the_same_curve_compiled(rule, make):
    ends = []
    for compile in (False, True):
        history = chainrule.fit(make(), mse(), rule, train=(X, Y), batch_size=10, epochs=4, compile=compile)
        ends.append(history["train_loss"])
    assert_close(*ends, rtol=1e-10, atol=1e-12)


def test_many_at_once_compile_into_a_fit():
    def one_matrix():
        return linear(3, 3, bias=False).build(seeds=[0, 1], dtype=torch.float64)

    expect_the_same_curve_compiled(many_at_once(), one_matrix)


def test_those_that_act_now_and_then_are_traced_once_for_each_way_that_a_step_takes(traced):
    rule = accumulate(inner=lookahead(inner=swa(inner=many_at_once(), start=2, k=2), k=2), k=2)
    expect_the_same_curve_compiled(rule, lambda: build([0, 1]))
    assert len(traced) == 3
