"""Test that compiled steps are the eager ones: with sums over parameters, and with parameters of 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import chainrule
from chainrule import Optimizer
from chainrule.optimizers import prodigy
from chainrule.updates.chain import Chain
from chainrule_torch import optim
from chainrule_torch.adapter import compiling, step_functions
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

NAMES = [each.name for each in chainrule.components("optimizers") if not each.foreign]
BFLOAT16 = torch.bfloat16
UNIT = {torch.float32: 2.0**-20, BFLOAT16: 2.0**-7, torch.float16: 2.0**-10}
"""How far apart two numbers of a dtype may be that were rounded from nearly the same one, relative to them."""


def stepped(
    make: Callable[..., RuleOptimizer], shapes: Any, dtype: torch.dtype = torch.float32, steps: int = 4, **options: Any
) -> list[Tensor]:
    """Return parameters and the floating-point entries of their state after some steps."""
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape).to(dtype)) for shape in shapes]
    stepper = make(parameters, **options)
    for t in range(steps):
        for i, one in enumerate(parameters):
            one.grad = None if t == 2 and i == 1 else torch.randn(one.shape).to(dtype)
        stepper.step()
    entries = [entry for one in parameters for entry in stepper.state[one].values() if entry.is_floating_point()]
    return [one.detach() for one in parameters] + entries


def expect_same_steps(make: Callable[..., RuleOptimizer], *shapes: Any, **options: Any) -> None:
    """Compiled, all numbers are the eager ones up to rounding, and all but few in a thousand as near as can be."""
    pairs = [stepped(make, shapes, compile=compile, **options) for compile in (False, True)]
    for eager, compiled in zip(*pairs, strict=True):
        apart = (compiled.double() - eager.double()).abs()
        near = apart <= UNIT[eager.dtype] * eager.double().abs() + 1e-6
        assert near.double().mean() >= 0.99


def of_rule(rule: Optimizer) -> Callable[..., RuleOptimizer]:
    return type("Made", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which every tracing adds one; what is traced is run, not compiled, since that takes seconds."""
    counted, compiled = list[int](), step_functions.Operations.compiled
    monkeypatch.setattr(compiling, "_functions", {})
    monkeypatch.setattr(compiling, "_compile", lambda graph: graph.forward)
    monkeypatch.setattr(step_functions, "_by_form", {})
    monkeypatch.setattr(
        step_functions.Operations, "compiled", lambda self, *args: counted.append(1) or compiled(self, *args)
    )
    return counted


def test_a_rule_with_sums_takes_the_same_steps(traced: list[int]) -> None:
    expect_same_steps(optim.prodigy, (3, 4), (3, 4), (5,), d0=0.1, weight_decay=0.1, maximize=True)
    assert len(traced) == 4  # what comes before the sums and after them, for each shape


def test_a_rule_with_sums_within_a_wrapper_has_the_gradient_that_it_makes(traced: list[int]) -> None:
    rule = chainrule.create("optimizers", "gradient_centralization", inner=prodigy(d0=0.1))
    expect_same_steps(of_rule(rule), (3, 4), (3, 4))
    assert len(traced) == 2


def test_rounding_draws_the_same_bits_for_parameters_together() -> None:
    options = {"momentum": 0.9, "lr": 2.0**-8, "maximize": True, "state_dtype": BFLOAT16}
    expect_same_steps(optim.sgd, (40,), (5, 6), (), dtype=BFLOAT16, **options)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_rounded_steps_are_along_or_against_the_gradient(traced: list[int], order: Any) -> None:
    ends = []
    for compile, sign in ((False, 1), (False, -1), (True, 1), (True, -1)):
        one = torch.nn.Parameter(torch.ones(2, 3, 4, 5, dtype=BFLOAT16).to(memory_format=order))
        one.grad = torch.linspace(-1, 1, 120).view(2, 3, 4, 5).bfloat16().to(memory_format=order) * sign
        torch.manual_seed(0)
        optim.sgd([one], lr=2.0**-8, compile=compile, maximize=sign < 0).step()
        ends.append(one.detach())
    assert traced
    assert all(torch.equal(end, ends[0]) for end in ends)


def test_compensation_is_what_rounding_leaves_out() -> None:
    expect_same_steps(optim.sgd, (40,), dtype=BFLOAT16, lr=2.0**-8, rounding="kahan")


def test_sums_are_over_the_parameters_whose_rule_acts(traced: list[int]) -> None:
    """One of them has had fewer gradients, so that its k-th is another."""
    rule = chainrule.create("optimizers", "accumulate", inner=prodigy(d0=0.1), k=2)
    expect_same_steps(of_rule(rule), (3, 4), (3, 4), steps=6)
    assert traced


def test_another_optimizer_of_a_known_rule_is_not_traced(traced: list[int]) -> None:
    for lr, momentum, size in ((0.1, 0.9, 3), (0.2, 0.8, 7), (0.1, 0.0, 3)):
        stepped(optim.sgd, [(size,)], lr=lr, momentum=momentum, steps=2, compile=True)
    assert len(traced) == 2  # the last has no momentum


class Clamps(Optimizer):
    """Descend by no more than a number that is the same for all members, along a unit vector where that is above 1.

    Update:   ``θ ← θ − lr min(g, c)``
    Variant:  none
    Source:   none
    """

    c: float = chainrule.hyperparameter(default=0.5, above=0, per_member=False)

    def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
        return grad / grad.norm().clamp_min(1e-9) if self.c > 1 else grad.clamp_max(self.c)


@pytest.mark.parametrize("compile", [False, True])
def test_a_number_of_the_group_that_is_no_members_own_may_change(traced: list[int], compile: bool) -> None:
    """A rule may ask more of it than whether it is 0."""
    ends = []
    for first, second in ((0.5, 2.0), (0.5, 0.25), (2.0, 2.0), (0.25, 0.25)):
        parameters = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
        stepper = of_rule(Clamps(c=first))(parameters, compile=compile)
        for t, c in enumerate((first, second)):
            stepper.param_groups[0]["c"] = c
            for one in parameters:
                one.grad = torch.tensor([3.0, 4.0, 0.0]) * t
            stepper.step()
        ends.append(parameters[0].detach())
    assert torch.equal(ends[0], ends[2])
    assert torch.equal(ends[1], ends[3])
    assert bool(traced) is compile


@pytest.mark.slow
def test_rounding_is_compiled_to_whole_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a vector is loaded and stored by a count of its elements; bits are reinterpreted in a buffer of numbers."""
    from torch._inductor.codegen import cpp
    from torch._inductor.cpu_vec_isa import pick_vec_isa
    from torch._inductor.utils import fresh_cache, run_and_get_cpp_code

    lanes = pick_vec_isa().nelements(BFLOAT16)
    if not lanes:
        pytest.skip("torch's compiler writes no vectors for this processor")
    monkeypatch.setattr(compiling, "_functions", {})
    monkeypatch.setattr(step_functions, "_by_form", {})
    before = cpp.get_loop_body_lowp_fp, cpp.CppVecOverrides.to_dtype_bitcast, cpp.CppVecKernel.arange
    with fresh_cache():
        _, code = run_and_get_cpp_code(lambda: stepped(optim.adamw, [(1000,)], BFLOAT16, compile=True))
    assert f"static_cast<int64_t>({lanes}L)" in code
    assert f"static_cast<int64_t>({lanes // 2})" not in code
    assert "tmpbuf" not in code
    assert before == (cpp.get_loop_body_lowp_fp, cpp.CppVecOverrides.to_dtype_bitcast, cpp.CppVecKernel.arange)


@pytest.mark.slow
def test_whole_vectors_have_keys_of_their_own_in_the_cache_on_disk() -> None:
    from torch.compiler import config

    with compiling.whole_vectors([torch.zeros(3, dtype=BFLOAT16)]):
        assert config.cache_key_tag
    with compiling.whole_vectors([torch.zeros(3)]):
        assert not config.cache_key_tag
    assert not config.cache_key_tag


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"state_dtype": BFLOAT16}, {"rounding": "kahan"}], ids=["stochastic", "kahan"])
@pytest.mark.parametrize("name", NAMES)
def test_every_rule_takes_the_same_steps_rounded(name: str, options: dict[str, Any]) -> None:
    rule = chainrule.get("optimizers", name).examples()[-1]
    shapes = [(4, 3), (3,)] if 1 in Chain(rule).ranks else [(4, 3)]
    expect_same_steps(of_rule(rule), *shapes, dtype=BFLOAT16, **options)


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["stochastic", "kahan", "nearest"])
@pytest.mark.parametrize("make", [optim.adamw, optim.lamb, optim.prodigy])
def test_half_precision_takes_the_same_steps(make: Any, rounding: str) -> None:
    expect_same_steps(make, (4, 3), (3,), dtype=torch.float16, rounding=rounding)


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", ["accumulate", "ema", "gradient_centralization", "lookahead"])
@pytest.mark.parametrize("name", ["dadapt_adam", "prodigy"])
def test_a_rule_with_sums_takes_the_same_steps_within_wrappers(name: str, wrapper: str) -> None:
    inner = chainrule.create("optimizers", name, d0=0.1)
    rule = chainrule.create("optimizers", wrapper, inner=inner, **({"k": 2} if wrapper == "accumulate" else {}))
    expect_same_steps(of_rule(rule), (3, 4), (5,), steps=8)
