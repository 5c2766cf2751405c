"""A parameter that was frozen goes on, or begins, as if the steps that it missed had not been taken."""

import copy

import pytest
import torch

import chainrule
from chainrule import StateError
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import accumulate, adam, prodigy, schedule_free_adamw, sgd, soap
from chainrule.testing.optimizers.trials import weights
from tests.built_ins import built_in_rules

SHAPES = {"a": (3, 2), "b": (2, 2)}
RULES = [kind.examples()[-1] for kind in built_in_rules()]


def stepped(updater, gradients):
    """Step along the gradients of these numbers, alike for every member, and return the updater."""
    for t in gradients:
        for name, parameter in updater.network.named_parameters():
            generator = torch.Generator().manual_seed(t)
            gradient = torch.randn(SHAPES[name], generator=generator, dtype=torch.float64)
            parameter.grad.copy_(gradient.expand_as(parameter.grad))
        updater.step()
    return updater


def values(updater, name="a"):
    with updater.evaluating():
        return dict(updater.network.named_parameters())[name].data.clone()


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_what_was_frozen_from_the_start_begins_as_a_run_of_its_own(rule, seeds):
    network = weights(rule, SHAPES, seeds=seeds).freeze("a")
    updater = stepped(rule.attach(network), range(7))
    alone = copy.deepcopy(network)
    network.unfreeze("a")
    alone.unfreeze("a").freeze("b")
    for steps in (1, 7):
        found = stepped(copy.deepcopy(updater), range(steps))
        expected = stepped(rule.attach(copy.deepcopy(alone)), range(steps))
        torch.testing.assert_close(values(found), values(expected), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", [adam(), soap(), prodigy(d0=0.1), accumulate(inner=adam(), k=2)], ids=repr)
def test_what_was_frozen_in_between_goes_on_where_it_was(rule):
    network = weights(rule, SHAPES)
    alone = weights(rule, SHAPES)
    updater, expected = stepped(rule.attach(network), range(3)), stepped(rule.attach(alone), range(3))
    network.freeze("a")
    stepped(updater, range(20, 27))
    network.unfreeze("a")
    alone.freeze("b")
    torch.testing.assert_close(
        values(stepped(updater, range(3, 8))), values(stepped(expected, range(3, 8))), rtol=1e-12, atol=1e-14
    )


def test_the_schedule_counts_every_step():
    network = weights(sgd(), SHAPES).freeze("a")
    updater = stepped(sgd(lr=0.5, schedule=lambda t: t).attach(network), range(3))
    network.unfreeze("a")
    before = values(updater)
    stepped(updater, [3])
    torch.testing.assert_close(values(updater), before - 0.5 * 4 * dict(network.named_parameters())["a"].grad)


@pytest.mark.parametrize("saved_at", [2, 4, 6])
@pytest.mark.parametrize("rule", [adam(), soap(), schedule_free_adamw(), prodigy(d0=0.1)], ids=repr)
def test_a_resumed_run_goes_on_to_the_bit(rule, saved_at):
    network = weights(rule, SHAPES).freeze("a")
    updater = rule.attach(network)
    for t in range(9):
        if t == saved_at:
            values_then, saved, frozen = network.flat.data.clone(), updater.state_dict(), network.frozen
        if t == 3:
            network.unfreeze("a")
        if t == 5:
            network.freeze("b")
        if t == 7:
            network.unfreeze("b")
        stepped(updater, [t])
    again = weights(rule, SHAPES)
    again.frozen = frozen
    resumed = rule.attach(again)
    again.flat.data.copy_(values_then)
    resumed.load_state_dict(saved)
    for t in range(saved_at, 9):
        if t == 3:
            again.unfreeze("a")
        if t == 5:
            again.freeze("b")
        if t == 7:
            again.unfreeze("b")
        stepped(resumed, [t])
    for name in SHAPES:
        assert torch.equal(values(resumed, name), values(updater, name))


@pytest.mark.usefixtures("traced")
def test_a_compiled_step_follows_a_state_of_other_counts():
    x = torch.linspace(-1, 1, 8).unsqueeze(1)
    networks = [sequential(linear(1, 2), linear(2, 1)).build(seed=0) for _ in range(2)]
    steps = [chainrule.training_step(one, mse(), adam(lr=0.1), compile=one is networks[1]) for one in networks]
    for network, step in zip(networks, steps, strict=True):
        for _ in range(3):
            step(x, x)
        before = step.updater.state_dict()
        network.freeze("0.*")
        step(x, x)
        network.unfreeze("0.*")
        step(x, x)
        step.updater.load_state_dict(before)
        step(x, x)
    torch.testing.assert_close(networks[0].flat.data, networks[1].flat.data)


@pytest.mark.parametrize("missed", [3, {"a": 9}, {"a": -1}, {"a": 0.5}])
def test_counts_that_cannot_be_are_refused(missed):
    updater = stepped(sgd().attach(weights(sgd(), SHAPES)), range(3))
    with pytest.raises(StateError, match=r"^updater: the steps that parameters missed must be up to 3 by name, got "):
        updater.load_state_dict({**updater.state_dict(), "missed": missed})
