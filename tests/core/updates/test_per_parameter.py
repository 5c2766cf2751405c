"""Rules that are not elementwise: each parameter of one member in its own shape, and sums over a whole network."""

import dataclasses
import random

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from chainrule import ContractError, Optimizer, StateError, Wrapper, hyperparameter
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adafactor
from chainrule.testing.optimizers.trials import draw_gradients, weights
from chainrule.updates.moment import TensorMoment
from chainrule.updates.watching import is_elementwise
from tests.built_ins import built_in_rules
from tests.forms import first_of_each_form

X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
RATES, DECAYS = torch.tensor([0.01, 0.02, 0.05]), torch.tensor([0.0, 0.1, 0.3])


class Normalized(Optimizer):
    """A step as long as the parameter, in the way of LAMB."""

    elementwise = False
    decay: float = hyperparameter(default=0.1, at_least=0, per_member=True)

    def init(self, parameter):
        return {"m": torch.zeros_like(parameter), "longest": parameter.new_zeros(())}

    def scalars(self, t):
        return {"bias": 1 - 0.9**t}

    def update(self, parameter, grad, state, step):
        assert parameter.dim() in (1, 2)  # one member's, in its own shape
        m = state["m"].mul_(0.9).add_(grad, alpha=0.1) / step["bias"] + self.decay * parameter
        state["longest"].copy_(torch.maximum(state["longest"], m.norm()))
        return m * parameter.norm() / (state["longest"] + 1e-3)


class Looped(Normalized):
    vmappable = False


class Applied(Normalized):
    def apply(self, parameter, grad, state, step):
        parameter.sub_(step.lr * self.update(parameter, grad, state, step))


class GlobalNorm(Optimizer):
    """A step of length 1 over the whole network."""

    def reduce(self, parameter, grad, state, step):
        return {"square": grad.square().sum(), "elements": torch.ones_like(grad).sum()}

    def update(self, parameter, grad, state, step):
        return grad / step["square"].sqrt() * step["elements"].sqrt()


class LoopedGlobalNorm(GlobalNorm):
    elementwise = False
    vmappable = False


class Distance(Optimizer):
    """A step the shorter, the further the network has gone: one number of the whole network in every state."""

    elementwise = False

    def init(self, parameter):
        return {"start": parameter.clone(), "calls": parameter.new_zeros(()), "longest": parameter.new_zeros(())}

    def reduce(self, parameter, grad, state, step):
        return {"calls": state["calls"].add_(1), "distance": (parameter - state["start"]).abs().sum()}

    def update(self, parameter, grad, state, step):
        longest = state["longest"].copy_(torch.maximum(state["longest"], step["distance"]))
        return grad / (step["calls"] + longest)


class LoopedDistance(Distance):
    vmappable = False


def train(rule, **settings):
    network = sequential(linear(3, 5), tanh(), linear(5, 3)).build(dtype=torch.float64, **settings)
    updater, loss = rule.attach(network), mse(members=network.is_ensemble)
    for _ in range(20):
        loss(network(X), Y)
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()
    return network, updater


def of_member(rule, i):
    fields = {name: value[i].item() for name, value in vars(rule).items() if isinstance(value, Tensor)}
    return type(rule)(**fields)


@pytest.mark.parametrize("cls", [Normalized, Looped, Applied, GlobalNorm, LoopedGlobalNorm, Distance, LoopedDistance])
@pytest.mark.parametrize("per_member", [False, True])
def test_members_move_as_single_networks_do(cls, per_member):
    fields = {"lr": RATES, "decay": DECAYS} if issubclass(cls, Normalized) else {"lr": RATES}
    rule = cls(**fields) if per_member else cls(lr=0.01)
    ensemble, _ = train(rule, seeds=[4, 5, 6])
    for i, seed in enumerate([4, 5, 6]):
        single, _ = train(of_member(rule, i) if per_member else rule, seed=seed)
        for name, values in single.state_dict().items():
            assert_close(ensemble.state_dict()[name][i], values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", [rule.examples()[0] for rule in built_in_rules() if not issubclass(rule, Wrapper)])
def test_a_single_network_of_float32_takes_a_rate_of_one_member(rule):
    moved = []
    for lr in (0.1, torch.tensor([0.1])):
        network = linear(2, 2, bias=False).build()
        updater = dataclasses.replace(rule, lr=lr).attach(network)
        network.flat.grad.fill_(0.5)
        updater.step()
        moved.append(network.state_dict()["weight"])
    assert_close(*moved)


def test_mapping_over_members_equals_a_loop():
    mapped, looped = (train(cls(lr=RATES, decay=DECAYS), seeds=[4, 5, 6])[1] for cls in (Normalized, Looped))
    states = (mapped.state_dict()["state"], looped.state_dict()["state"])
    for found, expected in ((mapped.network.state_dict(), looped.network.state_dict()), states):
        assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_rule_can_use_sums_over_each_members_parameters():
    network = sequential(linear(3, 2), linear(2, 1)).build(seeds=[0, 1], dtype=torch.float64)
    for i, parameter in enumerate(network.parameters()):
        parameter.grad[0] = i + 1.0
        parameter.grad[1] = 10.0
    before = network.state_dict()
    GlobalNorm(lr=0.5).attach(network).step()  # the sum of squares is 6 · 1 + 2 · 4 + 2 · 9 + 1 · 16 = 48
    lengths = (48**0.5, 1100**0.5)
    for name, parameter in network.named_parameters():
        each = [p - 0.5 * g / n * 11**0.5 for p, g, n in zip(before[name], parameter.grad, lengths, strict=True)]
        assert_close(parameter.data, torch.stack(each))


@pytest.mark.parametrize("cls", [Distance, LoopedDistance])
@pytest.mark.parametrize("members", [1, 2])
def test_sums_are_taken_once_a_step_before_any_parameter_moves(cls, members):
    network = sequential(linear(3, 2), linear(2, 1)).build(seeds=range(members), dtype=torch.float64)
    updater = cls(lr=0.5).attach(network)
    network.flat.grad.fill_(1.0)
    updater.step()  # four calls, distance 0: each of 11 elements moves by 0.5 / 4
    before = network.flat.data.clone()
    updater.step()
    states = updater.state_dict()["state"].values()
    assert all(torch.equal(state["calls"], torch.full((members,), 2.0, dtype=torch.float64)) for state in states)
    for state in states:
        assert_close(state["longest"], torch.full((members,), 11 * 0.5 / 4, dtype=torch.float64))
    assert_close(network.flat.data, before - 0.5 / (8 + 11 * 0.5 / 4))


def test_a_state_has_members_in_front_of_whatever_shape():
    _, updater = train(Normalized(), seeds=[4, 5, 6])
    shapes = {name: entry.shape for name, entry in updater.state_dict()["state"]["0.weight"].items()}
    assert shapes == {"m": (3, 5, 3), "longest": (3,)}


@pytest.mark.parametrize("elementwise", [True, False])
@pytest.mark.parametrize(
    "rebind",
    [
        lambda state, grad: state.__setitem__("m", state["m"] + grad),
        lambda state, grad: state.update(m=state["m"] + grad),
        lambda state, grad: state.__ior__({"m": state["m"] + grad}),
    ],
)
def test_a_state_can_not_be_exchanged(rebind, elementwise):
    class Rebinding(Normalized):
        def init(self, parameter):
            return {"m": torch.zeros_like(parameter)}

        def update(self, parameter, grad, state, step):
            rebind(state, grad)
            return grad

    Rebinding.elementwise = elementwise
    with pytest.raises(StateError, match="must change in place"):
        train(Rebinding())


def test_a_state_of_another_shape_needs_a_rule_that_is_not_elementwise():
    class PerTensor(Optimizer):
        elementwise = True

        def init(self, parameter):
            return {"norm": parameter.new_zeros(())}

    with pytest.raises(
        ContractError, match=r"^per_tensor: state 'norm' of an elementwise rule must .* got \(\)\. Set "
    ):
        train(PerTensor())


@pytest.mark.parametrize("members", [1, 3])
def test_what_is_attached_in_inference_mode_works_outside_it(members):
    network = linear(3, 2).build(seeds=range(members))
    with torch.inference_mode():
        updater = Normalized().attach(network)
    updater.step()


def test_a_batch_is_recorded_once_for_all_attachments(monkeypatch):
    from chainrule.updates import batched_rule, recording

    recorded, record = [], recording.record
    monkeypatch.setattr(recording, "record", lambda *given: recorded.append(1) or record(*given))
    monkeypatch.setattr(batched_rule, "_recorded", {})
    ends = []
    for rates in (RATES, RATES * 2, RATES):
        network = linear(3, 2).build(seeds=[0, 1, 2], dtype=torch.float64)
        network.flat.grad.fill_(1.0)
        updater = Normalized(lr=rates.double(), decay=DECAYS).attach(network)
        updater.step()
        updater.step()
        ends.append(network.flat.data)
    assert len(recorded) == 1
    assert torch.equal(ends[0], ends[2])
    assert not torch.equal(ends[0], ends[1])
    Normalized(decay=0.2).attach(linear(3, 2).build(seeds=[0, 1, 2], dtype=torch.float64)).step()
    Normalized(decay=0.2).attach(linear(3, 2).build(seeds=[0, 1], dtype=torch.float64)).step()
    assert len(recorded) == 3


BATCHED = [rule for rule in built_in_rules() if rule.vmappable and not is_elementwise(rule.examples()[0])]
OF_EACH_FORM = first_of_each_form(BATCHED)


@pytest.mark.parametrize(
    ("rule", "seeds"),
    [
        pytest.param(
            rule,
            seeds,
            marks=pytest.mark.slow if len(seeds) > 1 and rule not in OF_EACH_FORM else (),
            id=f"{rule.__name__}-{len(seeds)}",
        )
        for rule in BATCHED
        for seeds in ([0], [0, 1])
    ],
)
def test_a_step_whose_numbers_are_tensors_of_float64_is_that_of_numbers(rule, seeds):
    for example in rule.examples():
        ends = []
        for form in (lambda moment: moment, lambda moment: TensorMoment().fill(moment)):
            network = weights(example, seeds=seeds, dtype=torch.float32)
            updater = example.attach(network)
            for t in range(1, 4):
                draw_gradients(network, t)
                updater.apply([form(moment) for moment in updater.advance()])
            ends.append((network.flat.data, updater.state_dict()["state"]))
        assert_close(*ends, rtol=1e-4, atol=1e-6)


def test_what_can_not_be_recorded_runs_all_the_same(monkeypatch):

    class Early(Normalized):
        def update(self, parameter, grad, state, step):
            return grad if step.t == 1 else grad / grad.norm()

    ends = []
    for kind in (Early, type("Late", (Early,), {"vmappable": False})):
        network = linear(3, 2).build(seeds=[0, 1, 2], dtype=torch.float64)
        updater = kind(lr=0.1).attach(network)
        for t in range(3):
            network.flat.grad.copy_(torch.arange(24.0) + t)
            updater.step()
        ends.append(network.flat.data)
    assert_close(*ends, rtol=0, atol=1e-12)


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_numbers_of_a_shared_generator_are_drawn_anew_at_each_step(draw):
    class Draws(Optimizer):
        elementwise = False

        def update(self, parameter, grad, state, step):
            return grad * draw()

    network = linear(3, 2).build(seeds=[0, 1, 2], dtype=torch.float64)
    updater = Draws(lr=0.1).attach(network)
    steps = set()
    for _ in range(4):
        before = network.flat.data[0].item()
        network.flat.grad.copy_(torch.arange(24.0) + 1)
        updater.step()
        steps.add(round(network.flat.data[0].item() - before, 9))
    assert len(steps) == 4


def test_scalars_and_rates_may_change_their_form_and_back():
    class Later(Optimizer):
        def scalars(self, t):
            return {"late": 2.0} if t > 2 else {}

        def update(self, parameter, grad, state, step):
            return grad / grad.norm() * step.values.get("late", 1.0)

    ends = []
    for seeds in ([0, 1, 2], [0], [1], [2]):
        network = linear(3, 2).build(seeds=seeds, dtype=torch.float64)
        updater = Later(lr=0.1).attach(network)
        for t in range(6):
            network.flat.grad.fill_(1.0 + t)
            if t == 3:
                updater.set_lr(torch.tensor([0.1, 0.2, 0.3])[seeds])
            if t == 5:
                updater.set_lr(0.1)
            updater.step()
        ends.append(network)
    for i, single in enumerate(ends[1:]):
        assert_close(ends[0].member(i).flat.data, single.flat.data, rtol=0, atol=1e-12)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize(
    "remove",
    [
        lambda state: state.pop("m"),
        lambda state: state.popitem(),
        lambda state: state.clear(),
        lambda state: state.__delitem__("m"),
    ],
)
def test_a_state_can_not_be_removed(remove, members):
    class Removing(Normalized):
        def init(self, parameter):
            return {"m": torch.zeros_like(parameter)}

        def update(self, parameter, grad, state, step):
            remove(state)
            return grad

    network = linear(3, 2).build(members=members)
    with pytest.raises(StateError, match="must keep the tensors that init returned"):
        Removing().attach(network).step()


@pytest.mark.parametrize("elementwise", [True, False])
@pytest.mark.parametrize("vmappable", [True, False])
def test_state_may_be_changed_in_place_by_an_assignment(elementwise, vmappable):
    class Sum(Optimizer):
        def init(self, parameter):
            return {"m": torch.zeros_like(parameter)}

        def update(self, parameter, grad, state, step):
            state["m"] += grad
            state["m"] *= 0.5
            return state["m"].clone()

    Sum.elementwise, Sum.vmappable = elementwise, vmappable
    network = linear(3, 2).build(seeds=[0, 1], dtype=torch.float64)
    expected = network.flat.data - 0.1 * (0.5 + 0.75)
    updater = Sum(lr=0.1).attach(network)
    for _ in range(2):
        network.flat.grad.fill_(1.0)
        updater.step()
    assert_close(network.flat.data, expected, rtol=0, atol=1e-12)


class LoopedAdafactor(adafactor):
    vmappable = False


@pytest.mark.parametrize("kind", [adafactor, LoopedAdafactor])
def test_a_term_that_some_members_leave_out_is_that_of_each_alone(kind):
    momenta = [0.0, 0.9]
    together = weights(kind(), seeds=[0, 0])
    updater = kind(momentum=torch.tensor(momenta, dtype=torch.float64)).attach(together)
    alone = [weights(kind(), seeds=[0]) for _ in momenta]
    updaters = [updater, *(kind(momentum=one).attach(network) for one, network in zip(momenta, alone, strict=True))]
    for t in range(1, 5):
        for one in updaters:
            draw_gradients(one.network, t)
            one.step()
    for i, network in enumerate(alone):
        for name, parameter in network.named_parameters():
            assert_close(dict(together.named_parameters())[name].data[i], parameter.data[0])
