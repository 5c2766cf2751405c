"""Wrappers around every rule, and around each other."""

import itertools

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import Wrapper, hyperparameter, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adadelta, adam, cautious, ema, lookahead, sgd
from tests.built_ins import built_in_rules
from tests.contracts.correct_rules import RULES

X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
STEPS = 20

INNER = [
    example
    for kind in (*built_in_rules(), *RULES)
    if not issubclass(kind, Wrapper) and 2 in kind.ranks
    for example in kind.examples()
]
DIRECTED = [rule for rule in INNER if type(rule).apply is chainrule.Optimizer.apply]


def build(seeds=None):
    return sequential(linear(3, 5, bias=False), tanh(), linear(5, 3, bias=False)).build(
        seeds=seeds, dtype=torch.float64
    )


def differentiate(network):
    network.zero_grad()
    loss = mse(members=network.is_ensemble)
    loss(network(X), Y)
    network.backward(loss.backward())


def path(rule, network, steps=STEPS, updater=None):
    """Return the parameters after each step, and those that are evaluated."""
    updater, passed = updater or rule.attach(network), []
    for _ in range(steps):
        differentiate(network)
        updater.step()
        with updater.evaluating():
            evaluated = network.flat.data.clone()
        passed.append((network.flat.data.clone(), evaluated))
    return passed


def ahead_by_hand(inner, network, k, alpha):
    updater, slow, passed = inner.attach(network), network.flat.data.clone(), []
    for t in range(1, STEPS + 1):
        differentiate(network)
        updater.step()
        if t % k == 0:
            slow = slow + alpha * (network.flat.data - slow)
            network.flat.data.copy_(slow)
        passed.append(network.flat.data.clone())
    return passed


def mean_by_hand(inner, network, decay):
    updater, mean, passed = inner.attach(network), network.flat.data.clone(), []
    for _ in range(STEPS):
        differentiate(network)
        updater.step()
        mean = decay * mean + (1 - decay) * network.flat.data
        passed.append((network.flat.data.clone(), mean.clone()))
    return passed


def cautious_by_hand(inner, network):
    updater, passed = inner.attach(network), []
    decay = inner.weight_decay if inner.decay_kind == "decoupled" else 0.0
    for _ in range(STEPS):
        differentiate(network)
        before = [parameter.data.clone() for parameter in network.parameters()]
        updater.step()
        for parameter, start in zip(network.parameters(), before, strict=True):
            rest = start * (1 - inner.lr * decay)
            for member in range(len(start)):
                move = rest[member] - parameter.data[member]
                agrees = (move * parameter.grad[member] > 0).double()
                parameter.data[member] = rest[member] - move * agrees / max(agrees.mean().item(), 1e-3)
        passed.append(network.flat.data.clone())
    return passed


@pytest.mark.parametrize("seeds", [None, [0, 1, 2]])
@pytest.mark.parametrize("inner", INNER, ids=repr)
def test_lookahead_is_the_rule_pulled_back_by_hand(inner, seeds):
    ours = [trained for trained, _ in path(lookahead(inner=inner, k=3, alpha=0.4), build(seeds))]
    assert_close(ours, ahead_by_hand(inner, build(seeds), 3, 0.4), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seeds", [None, [0, 1, 2]])
@pytest.mark.parametrize("inner", INNER, ids=repr)
def test_ema_evaluates_a_mean_taken_by_hand(inner, seeds):
    ours = path(ema(inner=inner, decay=0.8), build(seeds))
    assert_close(ours, mean_by_hand(inner, build(seeds), 0.8), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seeds", [None, [0, 1, 2]])
@pytest.mark.parametrize("inner", DIRECTED, ids=repr)
def test_cautious_masks_the_step_that_the_rule_takes(inner, seeds):
    ours = [trained for trained, _ in path(cautious(inner=inner), build(seeds))]
    assert_close(ours, cautious_by_hand(inner, build(seeds)), rtol=1e-10, atol=1e-10)


WRAPPERS = {
    "lookahead": lambda inner: lookahead(inner=inner, k=3),
    "ema": lambda inner: ema(inner=inner, decay=0.8),
    "cautious": lambda inner: cautious(inner=inner),
}
PAIRS = list(itertools.product(WRAPPERS, repeat=2))


@pytest.mark.parametrize(("outer", "inner"), PAIRS)
def test_two_wrappers_do_what_each_does(outer, inner):
    rule = adadelta(lr=0.5, weight_decay=0.01)
    ours = path(WRAPPERS[outer](WRAPPERS[inner](rule)), build([0, 1]))
    trained = [one for one, _ in ours]
    names = {outer, inner}
    if "lookahead" not in names:
        alone = WRAPPERS["cautious"](rule) if "cautious" in names else rule
        if outer == inner == "cautious":
            alone = cautious(inner=cautious(inner=rule))  # nothing is left to mask, but the mean is taken again
        assert_close(trained, [one for one, _ in path(alone, build([0, 1]))], rtol=1e-10, atol=1e-10)
    elif outer == inner:
        expected = ahead_by_hand(lookahead(inner=rule, k=3), build([0, 1]), 3, 0.5)
        assert_close(trained, expected, rtol=1e-10, atol=1e-10)
    else:
        (other,) = names - {"lookahead"}
        around = rule if other == "ema" else cautious(inner=rule)
        assert_close(trained, ahead_by_hand(around, build([0, 1]), 3, 0.5), rtol=1e-10, atol=1e-10)
    if outer == "ema":
        mean = build([0, 1]).flat.data.clone()
        for position, evaluated in ours:
            mean = 0.8 * mean + 0.2 * position
            assert_close(evaluated, mean, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("outer", WRAPPERS)
@pytest.mark.parametrize("inner", [*DIRECTED, lookahead(inner=ema(inner=adadelta(), decay=0.5), k=2)], ids=repr)
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


def test_it_compiles_into_a_fit():
    ends = []
    for compile in (False, True):
        network = build([0, 1])
        rule = lookahead(inner=ema(inner=cautious(inner=adam(lr=0.05)), decay=0.5), k=2)
        history = chainrule.fit(network, mse(), rule, train=(X, Y), batch_size=10, epochs=4, compile=compile)
        ends.append(history["train_loss"])
    assert_close(*ends, rtol=1e-10, atol=1e-12)
