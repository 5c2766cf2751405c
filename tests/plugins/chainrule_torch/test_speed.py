"""Test what the adapter does once, and what anew at every step, by counting."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import chainrule
from chainrule.optimizers import adam
from chainrule.updates.watching import is_elementwise
from chainrule_torch import optim
from chainrule_torch.adapter import group_rule, group_settings
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer


def with_gradients(*shapes: Any) -> list[torch.nn.Parameter]:
    parameters = [torch.nn.Parameter(torch.linspace(-1, 1, torch.Size(shape).numel()).view(shape)) for shape in shapes]
    for i, each in enumerate(parameters):
        each.grad = torch.full_like(each, i + 1.0)
    return parameters


def test_other_numbers_do_not_have_the_rule_watched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = []
    monkeypatch.setattr(group_rule, "is_elementwise", lambda rule: watched.append(rule) or is_elementwise(rule))
    stepper = optim.sgd(with_gradients((3,)), lr=0.1, momentum=0.9, nesterov=True)
    (group,) = stepper.param_groups
    for t in range(1, 6):
        group["lr"], group["momentum"] = 0.1 / t, 0.9 - 0.1 * t
        stepper.step()
    assert len(watched) == 1
    group["nesterov"], group["weight_decay"] = False, 0.1
    stepper.step()
    assert len(watched) == 2


def test_only_settings_that_have_changed_are_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stepper, checked, names = optim.ema(with_gradients((3,)), inner=adam(), decay=0.5), group_settings.checked, []
    monkeypatch.setattr(
        group_settings, "checked", lambda *args, **each: names.append(args[1].name) or checked(*args, **each)
    )
    (group,) = stepper.param_groups
    for lr, beta in ((0.1, 0.9), (0.1, 0.8), (0.2, 0.8)):
        group["lr"], group["betas"] = lr, (beta, 0.99)
        stepper.step()
    assert names == ["lr", "betas", "betas", "lr"]
    group["betas"] = (1.5, 0.99)
    with pytest.raises(chainrule.HyperparameterError, match=r"adam: betas must be below 1, got 1\.5"):
        stepper.step()


class Operations(TorchDispatchMode):
    """Counts what torch is asked to do."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_step_of_many_small_parameters_is_no_more_operations_than_of_few() -> None:
    counts = []
    for many in (3, 60):
        stepper = optim.adamw(with_gradients(*[(4, 5)] * many))
        stepper.step()
        with Operations() as counted:  # type: ignore[no-untyped-call]
            stepper.step()
        counts.append(counted.count)
    assert counts[0] == counts[1] < 25


@pytest.mark.parametrize(("make", "gathers"), [(optim.adamw, 0), (optim.schedule_free_adamw, 1)])
def test_parameters_are_gathered_for_a_state_that_depends_on_them_alone(make: Any, gathers: int) -> None:
    class Gathers(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += func.overloadpacket is torch.ops.aten.cat
            return func(*args, **(kwargs or {}))

    make(with_gradients((2, 3)))  # the rule is watched once
    with Gathers() as counted:  # type: ignore[no-untyped-call]
        make(with_gradients((4, 5), (3,))).state  # noqa: B018 - which is made when it is read
    assert counted.count == gathers


def after_a_change(change: Any) -> list[torch.Tensor]:
    """Return the parameters after two steps, a change, and two more."""
    parameters = with_gradients((3, 2), (4,), (2, 2))
    stepper = optim.sgd(parameters, lr=0.1, momentum=0.9)
    for steps in (2, 2):
        for _ in range(steps):
            stepper.step()
        change(stepper, parameters)
        change = lambda *_: None  # noqa: E731
    return [each.detach() for each in parameters]


def replace_an_entry(stepper: Any, parameters: Any) -> None:
    stepper.state[parameters[1]]["b"] = torch.zeros(4)


def replace_a_state(stepper: Any, parameters: Any) -> None:
    stepper.state[parameters[1]] = {**stepper.state[parameters[1]], "b": torch.zeros(4)}


def replace_the_data_of_an_entry(stepper: Any, parameters: Any) -> None:
    stepper.state[parameters[1]]["b"].data = torch.zeros(4)


def change_an_entry_in_place(stepper: Any, parameters: Any) -> None:
    stepper.state[parameters[1]]["b"].zero_()


def load_a_state(stepper: Any, parameters: Any) -> None:
    saved = copy.deepcopy(stepper.state_dict())
    saved["state"][1]["b"].zero_()
    stepper.load_state_dict(saved)


@pytest.mark.parametrize(
    "change", [replace_an_entry, replace_the_data_of_an_entry, replace_a_state, change_an_entry_in_place, load_a_state]
)
def test_another_entry_in_the_place_of_one_is_stepped_with(change: Any) -> None:
    first, second, third = after_a_change(change)
    alone = after_a_change(lambda *_: None)
    assert torch.equal(first, alone[0])
    assert torch.equal(third, alone[2])
    start, momentum = torch.linspace(-1, 1, 4), 0.0
    for t in range(4):
        momentum = 0.9 * (0.0 if t == 2 else momentum) + 2
        start = start - 0.1 * momentum
    torch.testing.assert_close(second, start)


def test_other_data_of_a_parameter_is_stepped() -> None:
    def replace(stepper: Any, parameters: Any) -> None:
        parameters[1].data = torch.full((4,), 7.0)

    _, second, _ = after_a_change(replace)
    torch.testing.assert_close(second, torch.full((4,), 7 - 0.1 * 2 * (2.71 + 3.439)))


@pytest.mark.parametrize(("kind", "entry", "value"), [(optim.sgd, "b", 1.0), (optim.muon, "m", 0.05)])
def test_a_cleared_state_begins_anew(kind: Any, entry: str, value: float) -> None:
    (parameter,) = with_gradients((3, 2))
    stepper = kind([parameter], momentum=0.95)
    key = stepper.state[parameter]["random_key"]
    stepper.step()
    stepper.state.clear()
    stepper.step()
    state = stepper.state[parameter]
    assert float(state["step"]) == 1
    assert torch.equal(state["random_key"], key)
    torch.testing.assert_close(state[entry], torch.full((3, 2), value))


def test_a_setting_that_needs_state_of_its_own_gets_it() -> None:
    stepper = optim.sgd(with_gradients((3,), (2,)), lr=0.1)
    stepper.step()
    stepper.param_groups[0]["momentum"] = 0.9
    for _ in range(2):
        stepper.step()
    first, second = (state["b"] for state in stepper.state.values())
    torch.testing.assert_close((first, second), (torch.full((3,), 1.9), torch.full((2,), 3.8)))


def test_counts_are_those_of_each_parameter() -> None:
    parameters = with_gradients((3,), (2, 2), (5,))
    together, alone = optim.adam(parameters), [with_gradients((3,), (2, 2), (5,))[i] for i in range(3)]
    each = [optim.adam([one]) for one in alone]
    for t in range(7):
        for i in range(3):
            has_gradient = t % (i + 1) == 0
            parameters[i].grad = alone[i].grad = torch.full_like(alone[i], t + 1.0) if has_gradient else None
        together.step()
        for one in each:
            one.step()
    assert [float(together.state[p]["step"]) for p in parameters] == [7, 4, 3]
    assert all(torch.equal(*pair) for pair in zip(parameters, alone, strict=True))


def test_parameters_lie_in_memory_as_they_like() -> None:
    parameters = [
        torch.nn.Parameter(torch.arange(24.0).view(4, 6).mT),
        torch.nn.Parameter(torch.arange(24.0).view(4, 6)[:, ::2]),
        torch.nn.Parameter(torch.randn(130, 140).mT),
        torch.nn.Parameter(torch.randn(2, 64, 12, 12).to(memory_format=torch.channels_last)),
    ]
    before = [each.detach().clone() for each in parameters]
    for each in parameters:
        each.grad = torch.randn(each.shape)
    optim.sgd(parameters, lr=0.5).step()
    for each, start in zip(parameters, before, strict=True):
        assert torch.equal(each.detach(), start.sub(each.grad, alpha=0.5))  # type: ignore[arg-type]


def compiled_counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which every compilation adds one."""
    from chainrule_torch.adapter import compiling, step_functions

    counted, compile_graph = list[int](), compiling._compile
    monkeypatch.setattr(compiling, "_functions", {})
    monkeypatch.setattr(step_functions, "_by_form", {})
    monkeypatch.setattr(compiling, "_compile", lambda graph: counted.append(1) or compile_graph(graph))
    return counted


def test_no_number_has_a_rule_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, ends = compiled_counts(monkeypatch), []
    for compiles in (False, True):
        parameters = with_gradients((3,), (4, 5), (2**14 + 7,), (1,))
        stepper = optim.adamw(parameters, compile=compiles, maximize=True)
        for t in range(50):
            group = stepper.param_groups[0]
            group["lr"], group["betas"], group["weight_decay"] = 0.1 / (t + 1), (0.9 - 0.01 * t, 0.9 + 0.001 * t), 0.1
            stepper.step()
        ends.append([each.detach() for each in parameters])
    torch.testing.assert_close(*ends)
    assert len(counted) == 1


def test_a_rule_with_a_shape_is_compiled_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, ends = compiled_counts(monkeypatch), []
    for compiles in (False, True):
        parameters = with_gradients((3, 4), (3, 4), (4, 5))
        stepper = optim.lamb(parameters, compile=compiles, maximize=True)
        for t in range(4):
            stepper.param_groups[0]["lr"] = 0.1 / (t + 1)
            stepper.step()
        ends.append([each.detach() for each in parameters])
    torch.testing.assert_close(*ends)
    assert len(counted) == 2


def test_what_is_not_compiled_says_so_once_and_runs_eagerly() -> None:
    class Peeking(chainrule.Optimizer):
        elementwise = True

        def update(self, parameter: Any, grad: Any, state: Any, step: Any) -> Any:
            return grad * float(grad[0] > 0)

    parameters = with_gradients((3,), (2**14,))
    stepper = type("Made", (RuleOptimizer,), {"factory": Peeking})(parameters, lr=1.0, compile=True)
    with pytest.warns(chainrule.errors.CompileWarning, match=r"peeking: cannot be compiled .*\. It runs eagerly\."):
        stepper.step()
    stepper.step()
    assert torch.equal(parameters[0].detach(), torch.linspace(-1, 1, 3) - 2)


def test_compiling_needs_a_compiler_and_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        chainrule.ChainruleError, match=r"adam: compile=True must step parameters together, got release"
    ):
        optim.adam(with_gradients((3,)), compile=True, release=True)
    monkeypatch.setenv("CXX", "no-compiler")
    with pytest.raises(
        chainrule.ChainruleError, match=r"compile=True needs a C\+\+ compiler; no-compiler was not found"
    ):
        optim.adam(with_gradients((3,)), compile=True)


def test_a_compiled_step_is_one_that_autograd_knows_of() -> None:
    (parameter,) = with_gradients((2**14,))
    loss = (parameter * parameter).sum()
    optim.sgd([parameter], compile=True).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
