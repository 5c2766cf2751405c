"""Optimizers of PyTorch as rules."""

import copy
import pickle
import re

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import ChainruleError
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule_torch import to_torch, wrap

GENERATOR = torch.Generator().manual_seed(0)
X, Y = (torch.randn(12, size, dtype=torch.float64, generator=GENERATOR) for size in (3, 2))
KINDS = [
    (torch.optim.Adam, {"lr": 0.02, "betas": (0.8, 0.9), "amsgrad": True}),
    (torch.optim.AdamW, {"lr": 0.02, "weight_decay": 0.1}),
    (torch.optim.Adagrad, {"lr": 0.02, "initial_accumulator_value": 0.1}),
    (torch.optim.ASGD, {"lr": 0.02}),
    (torch.optim.NAdam, {"lr": 0.02}),
    (torch.optim.Rprop, {"lr": 0.02}),
    (torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
]


def network(**members):
    return sequential(linear(3, 4), tanh(), linear(4, 2)).build(**members, dtype=torch.float64)


def trained_in_torch(single, kind, options, steps, rates=None):
    module = to_torch(single)
    optimizer = kind(module.parameters(), **options)
    for t in range(steps):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[t]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(module(X), Y).backward()
        optimizer.step()
    return module.state_dict()


def fitted(ours, rule, steps, **more):
    return chainrule.fit(ours, mse(), rule, train=(X, Y), epochs=steps, batch_size=12, **more)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_fit_takes_the_steps_of_torch(kind, options):
    ours = network(seed=0)
    expected = trained_in_torch(ours, kind, options, 8)
    fitted(ours, wrap(kind, **options), 8)
    assert_close(ours.state_dict(), dict(expected), rtol=0, atol=1e-12)


def test_wrapped_and_fitted_in_inference_mode_it_steps_alike():
    plain, inferred = network(seed=0), network(seed=0)
    fitted(plain, wrap(torch.optim.AdamW, lr=0.02), 3)
    with torch.inference_mode():
        fitted(inferred, wrap(torch.optim.AdamW, lr=0.02), 3)
    assert torch.equal(plain.flat.data, inferred.flat.data)


def test_members_take_the_steps_of_their_own_at_their_own_rates():
    ours, rates = network(seeds=[0, 1]), [0.01, 0.03]
    expected = [trained_in_torch(ours.member(i), torch.optim.Adam, {"lr": rates[i]}, 5) for i in range(2)]
    fitted(ours, wrap(torch.optim.Adam, lr=torch.tensor(rates, dtype=torch.float64)), 5)
    for i in range(2):
        assert_close(ours.member(i).state_dict(), dict(expected[i]), rtol=0, atol=1e-9)


def test_a_schedule_scales_the_rate():
    ours = network(seed=0)
    expected = trained_in_torch(ours, torch.optim.Adam, {"lr": 0.1}, 4, [0.1 / t for t in range(1, 5)])
    fitted(ours, wrap(torch.optim.Adam, lr=0.1, schedule=lambda t: 1 / t), 4)
    assert_close(ours.state_dict(), dict(expected), rtol=0, atol=1e-12)


def stepped(updater, steps):
    for _ in range(steps):
        loss = mse()
        loss(updater.network(X), Y)
        updater.network.zero_grad()
        updater.network.backward(loss.backward())
        updater.step()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_saved_state_goes_on_to_the_bit(kind, options):
    straight, rule = wrap(kind, **options).attach(network(seed=0)), wrap(kind, **options)
    stepped(straight, 6)
    first = rule.attach(network(seed=0))
    stepped(first, 3)
    second = rule.attach(copy.deepcopy(first.network))
    second.load_state_dict(first.state_dict())
    stepped(second, 3)
    assert torch.equal(second.network.flat.data, straight.network.flat.data)


def test_its_repr_shows_that_it_is_wrapped():
    rule = wrap(torch.optim.AdamW, lr=0.02, weight_decay=0.1)
    assert repr(rule) == "TorchAdamw(lr=0.02, weight_decay=0.1)"
    assert pickle.loads(pickle.dumps(rule)) == rule == copy.deepcopy(rule)  # noqa: S301
    assert wrap(torch.optim.AdamW).lr == 1e-3


class CountsAndAssigns(torch.optim.Optimizer):
    """Descends by lr / t and decay, counts in Python, changes the gradient in place and assigns to p.data."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["step"] = state.get("step", 0) + 1
                assert type(state["step"]) is int
                parameter.grad.add_(parameter.detach(), alpha=0.5)
                parameter.data = parameter.data - parameter.grad * (group["lr"] / state["step"])


def test_an_optimizer_may_count_in_python_change_its_gradient_and_assign_to_data():
    ours = network(seed=0)
    expected = trained_in_torch(ours, CountsAndAssigns, {"lr": 0.1}, 4)
    updater = wrap(CountsAndAssigns, lr=0.1).attach(ours)
    stepped(updater, 4)
    assert_close(ours.state_dict(), dict(expected), rtol=0, atol=1e-12)
    before = ours.flat.grad.clone()
    updater.step()
    assert torch.equal(ours.flat.grad, before)


class Joint(torch.optim.SGD):
    """Divides by the norm of all gradients."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 0.1)
        super().step()


class KeepsSet(torch.optim.SGD):
    def step(self, closure=None):
        super().step()
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["past"] = {1.0}


class Hidden(torch.optim.SGD):
    """Descends by lr / t, and counts where nobody looks."""

    taken = 0

    def step(self, closure=None):
        self.taken += 1
        for parameter in self.param_groups[0]["params"]:
            parameter.data.sub_(parameter.grad, alpha=self.param_groups[0]["lr"] / self.taken)


class OwnRate(torch.optim.SGD):
    """Lowers its rate by itself."""

    def step(self, closure=None):
        super().step()
        self.param_groups[0]["lr"] *= 0.9


REFUSED = [
    (
        torch.optim.LBFGS,
        {},
        "torch_lbfgs: LBFGS must step by dense gradients alone, got TypeError: LBFGS.step() missing",
    ),
    (torch.optim.SparseAdam, {}, "torch_sparseadam: SparseAdam must step by dense gradients alone, got RuntimeError"),
    (Joint, {}, "wrap: Joint must step each parameter by its own gradient, got other steps for two together."),
    (Hidden, {}, "wrap: Hidden must keep all that it remembers in its state and its groups, got other steps"),
    (OwnRate, {"lr": 0.1}, "tests_ownrate: OwnRate must leave lr to the rule, got 0.09"),
    (KeepsSet, {}, "tests_keepsset: the optimizer's state must hold tensors and numbers, got {1.0} as state.past."),
    (
        torch.optim.Adam,
        {"momentum": 0.9},
        'torch_adam: takes no argument "momentum".',
    ),
    (
        torch.optim.Adam,
        {"betas": (2.0, 0.9)},
        "torch_adam: settings must be those that Adam takes, got ValueError: Inv",
    ),
    (linear, {}, "wrap: kind must be a class of PyTorch optimizers, got the class Linear. Pass torch.optim.AdamW"),
    ("torch.optim.Adamw", {}, "wrap: no class torch.optim.Adamw: AttributeError"),
    ("no_such_package.Lion", {}, "wrap: no class no_such_package.Lion: ModuleNotFoundError"),
]


class CountsInItsGroup(torch.optim.SGD):
    """Descends by lr / t, where t stands in the group, and by a part of a list of past gradients."""

    def step(self, closure=None):
        (group,) = self.param_groups
        group["t"] = group.get("t", 0) + 1
        self.state.setdefault("all", torch.zeros(1)).add_(1)
        for parameter in group["params"]:
            past = self.state[parameter].setdefault("past", {0.5: [torch.zeros_like(parameter), "fixed"]})[0.5][0]
            past.mul_(0.5).add_(parameter.grad)
            parameter.data.sub_(past, alpha=group["lr"] / (group["t"] + float(self.state["all"])))


def test_what_is_kept_in_groups_lists_and_dicts_is_state_too():
    ours = network(seed=0)
    expected = trained_in_torch(ours, CountsInItsGroup, {"lr": 0.1}, 5)
    rule = wrap(CountsInItsGroup, lr=0.1)
    first = rule.attach(network(seed=0))
    stepped(first, 2)
    second = rule.attach(copy.deepcopy(first.network))
    second.load_state_dict(first.state_dict())
    stepped(second, 3)
    assert_close(second.network.state_dict(), dict(expected), rtol=0, atol=1e-12)


def test_a_class_is_found_by_its_path_too():
    assert wrap("torch.optim.AdamW", lr=0.1) == wrap(torch.optim.AdamW, lr=0.1)


@pytest.mark.parametrize(("kind", "options", "message"), REFUSED)
def test_what_cannot_be_wrapped_is_refused_in_one_line(kind, options, message):
    with pytest.raises(ChainruleError, match=f"^{re.escape(message)}") as got:
        wrap(kind, **options)
    assert "\n" not in str(got.value)


def test_a_compiled_fit_warns_and_steps_alike():
    plain, compiled = network(seed=0), network(seed=0)
    fitted(plain, wrap(torch.optim.Adam, lr=0.02), 4)
    with pytest.warns(chainrule.CompileWarning):
        fitted(compiled, wrap(torch.optim.Adam, lr=0.02), 4, compile=True)
    assert torch.equal(compiled.flat.data, plain.flat.data)
