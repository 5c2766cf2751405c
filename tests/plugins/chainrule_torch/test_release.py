"""Test steps during backward that free each gradient."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

import chainrule
from chainrule.optimizers import sgd
from chainrule.updates.chain import Chain
from chainrule_torch import optim
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

NAMES = [each.name for each in chainrule.components("optimizers") if not each.foreign]


class Net(torch.nn.Module):
    """Three matrices, one of which is used twice."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = ((4, width), (width, width), (width, 2))
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*size, bias=False) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        first, shared, last = self.layers
        x = shared(first(x).tanh()).tanh()
        found: Tensor = last(shared(x).tanh())
        return found


def loss_at(net: torch.nn.Module, t: int) -> Tensor:
    x = torch.sin(torch.arange(20.0) + t).view(5, 4).to(next(net.parameters()).dtype)
    value: Tensor = net(x).float().square().sum()
    return value


def train(net: torch.nn.Module, stepper: Any, steps: int = 5, first: int = 0, after: Any = lambda: None) -> None:
    for t in range(first, first + steps):
        stepper.zero_grad()
        loss_at(net, t).backward()
        stepper.step()
        after()


def expect_equal(one: torch.nn.Module, other: torch.nn.Module) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def of_rule(rule: chainrule.Optimizer, parameters: Any, **options: Any) -> RuleOptimizer:
    made = type("Made", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})
    torch.manual_seed(0)
    return made(parameters, **options)


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_the_same_to_the_bit(name: str) -> None:
    rule = chainrule.get("optimizers", name).examples()[0]
    if Chain(rule).has_sums:
        with pytest.raises(chainrule.ChainruleError, match=f"{name}: release=True must step each parameter alone, got"):
            of_rule(rule, Net().parameters(), release=True)
        return
    nets = Net(), Net()
    for net, release in zip(nets, (False, True), strict=True):
        stepper = of_rule(rule, net.parameters(), release=release)
        train(net, stepper)
        assert all((each.grad is None) == release for each in net.parameters())
    expect_equal(*nets)


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (torch.float32, {"weight_decay": 0.1, "maximize": True}),
        (torch.bfloat16, {"rounding": "stochastic"}),
        (torch.bfloat16, {"rounding": "kahan", "state_dtype": torch.bfloat16}),
    ],
)
def test_groups_schedules_and_large_parameters_step_alike(dtype: torch.dtype, options: dict[str, Any]) -> None:
    nets = Net(400).to(dtype), Net(400).to(dtype)
    for net, release in zip(nets, (False, True), strict=True):
        torch.manual_seed(0)
        first, shared, last = net.layers
        stepper = optim.adam([{"params": first.parameters(), "lr": 0.1}], lr=0.01, release=release, **options)
        stepper.add_param_group({"params": shared.parameters(), "betas": (0.5, 0.9)})
        stepper.add_param_group({"params": last.parameters()})
        schedule = torch.optim.lr_scheduler.OneCycleLR(stepper, 0.1, total_steps=8)
        train(net, stepper, 4, after=schedule.step)
    expect_equal(*nets)


@pytest.mark.parametrize("release", [False, True])
def test_one_gradient_lives_at_a_time(release: bool) -> None:
    net, living, peaks = Net(50), dict[Any, int](), list[int]()

    def look(parameter: Tensor) -> None:
        assert parameter.grad is not None
        storage = parameter.grad.untyped_storage()
        living[StorageWeakRef(storage)] = storage.nbytes()
        peaks.append(sum(size for each, size in living.items() if not each.expired()))

    for each in net.parameters():
        each.register_post_accumulate_grad_hook(look)
    train(net, optim.adam(net.parameters(), release=release), 3)
    sizes = [4 * each.numel() for each in net.parameters()]
    assert max(peaks) == (max(sizes) if release else sum(sizes))


def test_a_shared_parameter_is_stepped_once() -> None:
    net = Net()
    stepper = optim.adam(net.parameters(), release=True)
    loss_at(net, 0).backward()
    assert [float(stepper.state[each]["step"]) for each in net.parameters()] == [1, 1, 1]


def test_a_second_backward_before_the_step_is_refused_before_it_moves_anything() -> None:
    net = Net()
    stepper = optim.adam(net.parameters(), release=True)
    loss_at(net, 0).backward()
    before = copy.deepcopy(net)
    with pytest.raises(chainrule.ChainruleError, match="adam: release=True must step at each gradient, got a second"):
        loss_at(net, 1).backward()
    expect_equal(net, before)
    stepper.zero_grad()
    stepper.step()
    expect_equal(net, before)
    loss_at(net, 1).backward()
    assert not torch.equal(next(net.parameters()), next(before.parameters()))


def test_the_wrapper_accumulate_takes_the_place_of_several_backwards() -> None:
    nets = Net(), Net()
    for net, release in zip(nets, (False, True), strict=True):
        train(net, optim.accumulate(net.parameters(), inner=sgd(lr=0.1), k=2, release=release), 4)
    expect_equal(*nets)


def test_a_gradient_that_is_there_at_the_step_is_stepped_then() -> None:
    given, frozen = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    frozen.requires_grad_(False)
    stepper = optim.sgd([given, frozen], lr=1.0, release=True)
    frozen.requires_grad_()
    given.grad = torch.ones(2)
    frozen.sum().backward()
    assert torch.equal(frozen.detach(), torch.ones(2))
    stepper.step()
    assert torch.equal(given.detach(), torch.zeros(2))
    assert torch.equal(frozen.detach(), torch.zeros(2))


def test_training_goes_on_from_the_trained_parameters() -> None:
    nets = Net(), Net()
    for net, release in zip(nets, (False, True), strict=True):
        stepper = optim.ema(net.parameters(), inner=sgd(lr=0.1), decay=0.5, release=release)
        for t in range(3):
            train(net, stepper, 1, t)
            stepper.eval()
            stepper.train()
    expect_equal(*nets)


def test_backward_refuses_gradients_of_the_evaluation_parameters() -> None:
    net = Net()
    stepper = optim.ema(net.parameters(), inner=sgd(lr=0.1), decay=0.5, release=True)
    train(net, stepper, 1)
    stepper.eval()
    before = copy.deepcopy(net)
    with pytest.raises(chainrule.ChainruleError, match="ema: step must find the parameters that are trained"):
        loss_at(net, 1).backward()
    expect_equal(net, before)


def test_a_saved_run_goes_on() -> None:
    net = Net()
    stepper = optim.adam(net.parameters(), release=True)
    train(net, stepper, 2)
    other = copy.deepcopy(net)
    resumed = optim.adam(other.parameters(), release=True)
    resumed.load_state_dict(copy.deepcopy(stepper.state_dict()))
    train(net, stepper, 2, 2)
    train(other, resumed, 2, 2)
    expect_equal(net, other)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # noqa: S301
def test_copies_step_their_own_parameters(copied: Any) -> None:
    net = Net()
    stepper = optim.adam(net.parameters(), release=True)
    train(net, stepper, 2)
    other, theirs = copied((net, stepper))
    before = copy.deepcopy(net)
    train(other, theirs, 2, 2)
    assert all(each.grad is None for each in other.parameters())
    expect_equal(net, before)
    train(net, stepper, 2, 2)
    expect_equal(net, other)


def test_a_dropped_optimizer_steps_no_more() -> None:
    net = Net()
    before, stepper = copy.deepcopy(net), optim.adam(net.parameters(), release=True)
    torch.optim.lr_scheduler.LinearLR(stepper)  # which ties the optimizer to itself
    del stepper
    gc.collect()
    loss_at(net, 0).backward()
    expect_equal(net, before)
    assert all(each.grad is not None for each in net.parameters())


def test_hooks_keep_nothing_alive() -> None:
    net = Net()
    train(net, optim.adam(net.parameters(), release=True), 1)
    kept = weakref.ref(next(net.parameters()))
    del net
    gc.collect()
    assert kept() is None


def test_the_optimizer_made_last_takes_over() -> None:
    nets = Net(), Net()
    first = optim.adam(nets[0].parameters(), release=True)
    train(nets[0], optim.sgd(nets[0].parameters(), lr=0.1, release=True))
    train(nets[1], optim.sgd(nets[1].parameters(), lr=0.1))
    expect_equal(*nets)
    assert all(float(state["step"]) == 0 for state in first.state.values())


def test_a_parameter_taken_out_of_its_group_is_left_alone() -> None:
    net = Net()
    stepper = optim.sgd([{"params": [each]} for each in net.parameters()], release=True)
    del stepper.param_groups[0]
    before = copy.deepcopy(net)
    train(net, stepper, 1)
    (first, *rest), (same, *others) = net.parameters(), before.parameters()
    assert torch.equal(first, same)
    assert not any(torch.equal(*pair) for pair in zip(rest, others, strict=True))


def test_a_sparse_gradient_is_refused() -> None:
    table = torch.nn.Embedding(4, 2, sparse=True)
    stepper = optim.adam(table.parameters(), release=True)
    with pytest.raises(chainrule.ChainruleError, match="adam: a gradient must be dense, got"):
        table(torch.tensor([1])).sum().backward()
    assert float(stepper.state[table.weight]["step"]) == 0


def scaled(net: torch.nn.Module, stepper: RuleOptimizer) -> None:
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(loss_at(net, 0)).backward()
    scaler.step(stepper)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            lambda net, stepper: stepper.step(lambda: 0.0),
            "adam: release=True must step during backward, got a closure.",
        ),
        (scaled, "adam: release=True must step with true gradients, got a GradScaler"),
        (lambda net, _: optim.adam(net.parameters(), release=1), "adam: release must be True or False, got 1."),
    ],
)
def test_mistakes_are_answered_in_one_line(refused: Any, message: str) -> None:
    net = Net()
    with pytest.raises(chainrule.ChainruleError) as caught:
        refused(net, optim.adam(net.parameters(), release=True))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_gradients_that_are_averaged_later_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(
        chainrule.ChainruleError, match="adam: release=True must step with the gradients of one process"
    ):
        optim.adam(Net().parameters(), release=True)
