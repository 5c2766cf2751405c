"""Checks on optimizers: agreement of flat, per-parameter, batched, fused and grouped updates."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.random_streams import random_stream
from chainrule.base.wrapper import Wrapper, layers_of
from chainrule.errors import ChainruleError, HyperparameterError
from chainrule.network import Network
from chainrule.testing.check import CheckFailed, NotApplicable, check
from chainrule.testing.compare import expect, expect_close
from chainrule.testing.optimizers.trials import (
    SHAPES,
    Alone,
    Weights,
    changed,
    expect_same,
    moved,
    shapes_for,
    take,
    weights,
)
from chainrule.updates.chain import Chain
from chainrule.updates.elementwise import SLICE
from chainrule.updates.param_groups import param_groups
from chainrule.updates.watching import is_elementwise

LARGE = SLICE + 3
"""The size of a vector that the core splits into two slices."""

OF_WIDTH_3 = ((), (3,), (3, 2), (2, 2, 3))
"""Shapes, most of them with an axis as long as three members are many."""


@check("optimizers", cause="elementwise = True on a rule with a norm, mean, sort or shape; leave the declaration out.")
def elementwise_is_as_declared(rule: Optimizer) -> None:
    """An elementwise rule updates 2¹⁷ + 3 elements the same in slices, whole, permuted and as a matrix, to 1e-12.

    The same holds for the values that it evaluates with. The core runs elementwise rules over slices of one flat
    vector, whichever are fastest. A rule that declares elementwise = False loses that speed, so its elements must
    depend on each other.
    """
    if Chain(rule).has_sums:
        raise NotApplicable("the rule sums over parameters, so the core does not slice it")
    if not is_elementwise(rule):
        if all(layer.elementwise is None for layer in layers_of(rule)):
            raise NotApplicable("the rule does not declare whether it is elementwise, and is found not to be")
        _expect_not_elementwise(rule)
        return
    large = Weights({"w0": (LARGE - 12,), "w1": (12,)}).build(dtype=torch.float64)
    start = large.flat.data.clone()
    gradients = torch.randn(3, LARGE, generator=random_stream(0, "gradient"), dtype=torch.float64)
    updater = rule.attach(large)
    for grad in gradients:
        large.flat.grad.copy_(grad)
        updater.step()
    whole = _applied(rule, start, gradients)
    sliced = [large.flat.data.clone()]
    with updater.evaluating():
        sliced.append(large.flat.data)
        expect_close("the vector updated in slices, as whole,", torch.stack(sliced), whole, tolerance=1e-12)
    order = torch.randperm(LARGE, generator=random_stream(0, "order"))
    reordered = _applied(rule, start[order], gradients[:, order])
    expect_close("the permuted vector, as in its original order,", reordered, whole[:, order], tolerance=1e-12)
    matrix = _applied(rule, start[:12].view(3, 4), gradients[:, :12].view(3, 3, 4))
    expect_close("twelve elements updated as a matrix", matrix.flatten(1), whole[:, :12], tolerance=1e-12)


def _applied(rule: Optimizer, start: Tensor, gradients: Tensor) -> Tensor:
    """Return the tensor after one step per gradient, with the rule called directly, and its evaluation, (2, …)."""
    alone = Alone(rule, start.clone())
    for t, grad in enumerate(gradients, start=1):
        alone.step(grad, t)
    return torch.stack([alone.parameter, alone.chain.evaluation_parameter(alone.parameter, alone.states)])


def _expect_not_elementwise(rule: Optimizer) -> None:
    (shape,) = shapes_for(rule, [(4, 3) if 2 in rule.ranks else (12,)]).values()
    drawn = torch.randn(4, 12, generator=random_stream(0, "gradient"), dtype=torch.float64)
    order = torch.randperm(12, generator=random_stream(0, "order"))
    results = []
    for tensors in (drawn, drawn[:, order], torch.cat([drawn[:, :6], 3 * drawn[:, 6:]], dim=1)):
        each = tensors.view(4, *shape)
        if any(entry.shape != shape for entry in Chain(rule).init(each[0].clone()).values()):
            return  # the core could not slice such a state
        results.append(_applied(rule, each[0], each[1:]).flatten(1))
    alike = torch.allclose(results[0][:, order], results[1], rtol=0, atol=1e-12)
    apart = torch.allclose(results[0][:, :6], results[2][:, :6], rtol=0, atol=1e-12)
    expect(
        not (alike and apart),
        "a rule that declares elementwise = False must have elements that depend on each other, got 12 independent "
        "ones. Remove the declaration: elementwise rules are faster.",
    )


@check(
    "optimizers",
    cause="a Python if on a tensor, float(tensor), .item(), or a loop; or a wrong declaration of vmappable.",
)
def vmappable_is_as_declared(rule: Optimizer) -> None:
    """A rule that is not elementwise gives the same result under torch.vmap over three members as in a loop, to 1e-12.

    A rule that declares vmappable = False loses that speed, so it must fail under torch.vmap.
    """
    if is_elementwise(rule):
        raise NotApplicable("elementwise rules need no vmap")
    mapped, looped = _vmappable(rule, True), _vmappable(rule, False)
    seeds = [0, 1, 2]
    expected = moved(looped, weights(rule, seeds=seeds)).state_dict()
    if Chain(rule).vmappable:
        got = moved(mapped, weights(rule, seeds=seeds)).state_dict()
        expect_same("under vmap, as in a loop,", got, expected, tolerance=1e-12)
        return
    try:
        got = moved(mapped, weights(rule, seeds=seeds)).state_dict()
        same = all(torch.allclose(got[name], values, rtol=0, atol=1e-12) for name, values in expected.items())
    except Exception:  # noqa: BLE001 - any failure is as declared
        same = False
    expect(not same, "a rule that declares vmappable = False must fail under torch.vmap, got the result of a loop.")


def _vmappable(rule: Optimizer, vmappable: bool) -> Optimizer:
    """Return a copy all layers of which declare so."""
    other = copy.copy(rule)
    for name, value in (("vmappable", vmappable), ("elementwise", False)):
        object.__setattr__(other, name, value)  # the dataclass is frozen; only this copy changes
    if isinstance(rule, Wrapper):
        object.__setattr__(other, "inner", _vmappable(rule.inner, vmappable))
    return other


@check(
    "optimizers",
    limit=1,
    compiles=True,
    cause="a Python if on step.t or a tensor, .item(), or a tensor where a number is expected.",
)
def compiled_equals_eager(rule: Optimizer) -> None:
    """An elementwise rule compiles to one kernel that updates 2¹⁷ + 3 elements like the eager rule.

    The first elementwise example takes three steps in float64, which agree to 1e-12, and the kernel must run. A rule is
    written once and gets fused speed.
    """
    if not is_elementwise(rule):
        raise NotApplicable("the rule is not elementwise")
    compiled, eager = (Weights({"w0": (LARGE,)}).build(dtype=torch.float64) for _ in range(2))
    try:
        updater = rule.attach(compiled, compile=True)
    except ChainruleError as error:
        raise NotApplicable(str(error)) from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        take(updater, 3)
    warned = "; ".join(str(warning.message) for warning in caught)
    expect(updater.compiled == 1, f"1 compiled kernel must run, got {updater.compiled}. {warned}")
    moved(rule, eager, 3)
    expect_same("compiled, as eager,", compiled.state_dict(), eager.state_dict(), tolerance=1e-12)


@check("optimizers", cause="a step that uses another member's elements, or a state shared by members.")
def members_move_as_single_networks(rule: Optimizer) -> None:
    """Each of three members follows the single network with its seed, to 1e-12.

    The members of an ensemble are separate runs.
    """
    ensemble = moved(rule, weights(rule, seeds=[4, 5, 6]))
    for i, seed in enumerate(ensemble.seeds):
        single = moved(rule, weights(rule, seeds=[seed]))
        expect_same(f"of member {i}, as alone,", _member(ensemble, i), _member(single, 0), tolerance=1e-12)


@check(
    "optimizers",
    cause="float(field), alpha=field, value=field or an if on a field; use algebra and present(field).",
)
def values_per_member_count_for_each(rule: Optimizer) -> None:
    """Every number of a rule may be a tensor (M,): member i is then updated like with its i-th value alone, to 1e-12.

    This holds for each float field and each number of a tuple, also where M is the width of a layer, for which wrong
    broadcasting goes unseen otherwise. A grid of hyperparameters is then one ensemble.
    """
    tried = [name for name in _numbers(rule) if _values(rule, name) is not None]
    if not tried:
        raise NotApplicable("no number of the rule may differ from member to member")
    try:
        _expect_own_values(rule, tried)  # all at once, since each of them takes a while
    except (CheckFailed, HyperparameterError):
        for name in tried:
            _expect_own_values(rule, [name])
        if len(tried) > 1:
            raise


def _expect_own_values(rule: Optimizer, names: Sequence[str]) -> None:
    """Raise CheckFailed unless members with their own values of these numbers move as alone."""
    values = {name: _values(rule, name) or [] for name in names}
    each = rule
    for name, own in values.items():
        each = with_number(each, name, torch.tensor(own, dtype=torch.float64))
    ensemble = moved(each, weights(rule, OF_WIDTH_3, seeds=range(4, 7)))
    for i, seed in enumerate(ensemble.seeds):
        alone = rule
        for name, own in values.items():
            alone = with_number(alone, name, own[i])
        single = moved(alone, weights(rule, OF_WIDTH_3, seeds=[seed]))
        named = ", ".join(f"{name}={own[i]:g}" for name, own in values.items())
        expect_same(
            f"of member {i} with its own {named}, as alone,", _member(ensemble, i), _member(single, 0), tolerance=1e-12
        )


def _numbers(rule: Optimizer) -> dict[str, float]:
    """Return the numbers of a rule and of its inner rule that may be given per member, by name."""
    found: dict[str, float] = {}
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, Optimizer):
            found |= {f"{field.name}.{name}": number for name, number in _numbers(value).items()}
        elif field.metadata.get("per_member") is not False:
            items = {field.name: value}
            if isinstance(value, tuple):
                items = {f"{field.name}.{i}": item for i, item in enumerate(value)}
            found |= {name: item for name, item in items.items() if isinstance(item, float)}
    return found


def _values(rule: Optimizer, name: str) -> list[float] | None:
    """Return a value for each of three members, near the rule's own, that the rule allows; None if it allows only one.

    A number that is 0 switches a term off, so that it takes values with which the term is there.
    """
    number = _numbers(rule)[name]
    candidates = [number * factor for factor in (1.0, 0.5, 0.25, 0.75, 1.5, 2.0)] if number else [0.05, 0.1, 0.025, 0.2]
    allowed = []
    for value in candidates:
        try:
            with_number(rule, name, torch.tensor([value], dtype=torch.float64))
            with_number(rule, name, value)
            allowed.append(value)
        except HyperparameterError:
            continue
    return allowed[:3] if len(allowed) >= 3 else None


def with_number(rule: Optimizer, name: str, value: float | Tensor) -> Optimizer:
    """Return the rule with one of its numbers replaced, and checked."""
    field, _, rest = name.partition(".")
    before = getattr(rule, field)
    if isinstance(before, Optimizer):
        after: Any = with_number(before, rest, value)
    elif rest:
        after = tuple(value if str(i) == rest else item for i, item in enumerate(before))
    else:
        after = value
    return dataclasses.replace(rule, **{field: after})


@check("optimizers", cause="state kept outside the dict that init returns, or shared by all parameters of one shape.")
def groups_move_as_separate_optimizers(rule: Optimizer) -> None:
    """In param_groups, a rule updates its parameters as in a network of those parameters alone, to 1e-12.

    The other group has the same rule at half the learning rate.
    """
    shapes = {f"w{i}": shape for i, shape in enumerate(list(shapes_for(rule).values()) * 2)}
    first, slower = "w0", changed(rule, lr=rule.lr * 0.5)
    together = moved(param_groups({first: rule, "*": slower}), weights(rule, shapes)).state_dict()
    alone = moved(rule, weights(rule, {first: shapes[first]})).state_dict()
    rest = {name: shape for name, shape in shapes.items() if name != first}
    alone |= moved(slower, weights(rule, rest)).state_dict()
    expect_same("in two groups, as in two networks,", together, alone, tolerance=1e-12)


@check("optimizers", cause="a dictionary on the class or the rule that holds state for several parameters.")
def parameters_do_not_influence_each_other(rule: Optimizer) -> None:
    """A parameter is updated the same beside others of its shape as alone, to 1e-12.

    Only a rule that sums over parameters, through reduce, may couple them.
    """
    if Chain(rule).has_sums:
        raise NotApplicable("the rule sums over parameters")
    shapes = {f"w{i}": shape for i, shape in enumerate(list(shapes_for(rule, SHAPES[:4]).values()) * 2)}
    together = moved(rule, weights(rule, shapes)).state_dict()
    for name, shape in shapes.items():
        alone = moved(rule, weights(rule, {name: shape})).state_dict()
        expect_same("beside others, as alone,", together, alone, tolerance=1e-12)


def _member(network: Network, i: int) -> dict[str, Tensor]:
    return {name: parameter.data[i] for name, parameter in network.named_parameters()}
