"""Rules that draw random numbers: `step.random`."""

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import ContractError, Optimizer, Wrapper, hyperparameter
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import ema

X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Noisy(Optimizer):
    """Descend along noise alone."""

    noise: float = hyperparameter(default=1.0, at_least=0)

    def update(self, parameter, grad, state, step):
        return self.noise * step.random.normal(parameter.shape) + grad


class Looped(Noisy):
    vmappable = False


class Several(Optimizer):
    """Draw in reduce and in update, several times, of each kind."""

    def reduce(self, parameter, grad, state, step):
        return {"sum": step.random.uniform(parameter.shape).sum()}

    def update(self, parameter, grad, state, step):
        kept = step.random.bernoulli(0.5, parameter.shape)
        return kept * step.random.uniform(parameter.shape) + step["sum"] + 0.1 * step.random.uniform(())


def build(seeds=None):
    return sequential(linear(4, 4), tanh(), linear(4, 4)).build(seeds=seeds, dtype=torch.float64)


def steps_of(rule, network, steps=3, updater=None):
    """Return what each step takes away, by parameter, (M, …)."""
    updater, moves = updater or rule.attach(network), []
    for _ in range(steps):
        before = {name: parameter.data.clone() for name, parameter in network.named_parameters()}
        network.zero_grad()
        updater.step()
        moves.append({name: before[name] - p.data for name, p in network.named_parameters()})
    return moves


def test_noise_differs_by_layer_member_and_step():
    moves = steps_of(Noisy(lr=1.0), build([0, 1, 2]))
    drawn = [move[name][member] for move in moves for name in ("0.weight", "2.weight") for member in range(3)]
    for i, one in enumerate(drawn):
        for other in drawn[:i]:
            assert not torch.isclose(one, other).any()
    numbers = torch.cat([move[name].flatten() for move in moves for name in move])
    assert abs(numbers.mean()) < 5 / len(numbers) ** 0.5
    assert abs(numbers.std() - 1) < 5 / (2 * len(numbers)) ** 0.5


@pytest.mark.parametrize("kind", [Noisy, Looped, Several])
def test_a_member_draws_what_the_single_network_draws(kind):
    together = steps_of(kind(lr=1.0), build([5, 6, 7]))
    for i, seed in enumerate([5, 6, 7]):
        for ours, theirs in zip(together, steps_of(kind(lr=1.0), build([seed])), strict=True):
            for name, move in theirs.items():
                assert_close(ours[name][i], move[0], rtol=0, atol=1e-12)


def test_a_loop_draws_what_the_batch_draws():
    for ours, theirs in zip(*(steps_of(kind(), build([0, 1])) for kind in (Noisy, Looped)), strict=True):
        assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", [Noisy(), Several(), ema(inner=Noisy())], ids=repr)
def test_a_second_run_and_a_resumed_one_draw_the_same(rule):
    first, second = build([0, 1]), build([0, 1])
    steps_of(rule, first, 6)
    state = torch.get_rng_state()
    updater = rule.attach(second)
    steps_of(rule, second, 3, updater)
    resumed = build([0, 1])
    resumed.load_state_dict(second.state_dict())
    going_on = rule.attach(resumed)
    going_on.load_state_dict(updater.state_dict())
    steps_of(rule, resumed, 3, going_on)
    steps_of(rule, second, 3, updater)
    assert torch.equal(second.flat.data, first.flat.data)
    assert torch.equal(resumed.flat.data, first.flat.data)
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_of_one_step_differ():
    class Twice(Optimizer):
        def update(self, parameter, grad, state, step):
            return step.random.uniform(parameter.shape) - step.random.uniform(parameter.shape)

    (move,) = steps_of(Twice(lr=1.0), build(), 1)
    assert (move["0.weight"] != 0).all()


class AroundNoise(Wrapper):
    def change_gradient(self, parameter, grad, state, step):
        return grad - step.random.normal(parameter.shape)


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_wrapper_has_numbers_of_its_own(seeds):
    network = build(seeds)
    for move in steps_of(AroundNoise(inner=Noisy(lr=1.0)), network):
        for moved in move.values():
            assert (moved.abs() > 1e-6).all()  # it would be 0 if both drew the same


def test_drawing_ahead_gives_what_drawing_step_by_step_gives():
    network = build()
    rule = Several(lr=1.0)
    ahead = steps_of(rule, network, 5)
    for t in range(5):
        alone = build()
        updater = rule.attach(alone)
        updater.t = t
        (move,) = steps_of(rule, alone, 1, updater)
        for name, moved in move.items():
            assert_close(moved, ahead[t][name], rtol=0, atol=1e-12)


def test_a_state_of_an_earlier_step_draws_that_steps_numbers_again():
    network = build()
    rule = Noisy(lr=1.0)
    updater = rule.attach(network)
    steps_of(rule, network, 2, updater)
    saved = updater.state_dict()
    first = steps_of(rule, network, 3, updater)
    updater.load_state_dict(saved)
    for one, other in zip(first, steps_of(rule, network, 3, updater), strict=True):
        assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("traced")
def test_a_traced_fit_with_noise_follows_the_eager_one():
    ends = []
    for compile in (False, True):
        network = sequential(linear(3, 4), tanh(), linear(4, 3)).build(seeds=[0, 1], dtype=torch.float64)
        chainrule.fit(network, mse(), Noisy(lr=0.01), train=(X, Y), batch_size=10, epochs=2, compile=compile)
        ends.append(network.flat.data)
    assert_close(*ends, rtol=1e-10, atol=1e-12)


def test_an_elementwise_rule_has_no_noise():
    class Declared(Noisy):
        elementwise = True

    network = build()
    with pytest.raises(ContractError, match=r"^declared: random numbers need one parameter of a network, got a slice"):
        Declared().attach(network).step()
