"""What a network consists of, and what passes through each module: shapes, and gradients in one backward."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from chainrule.base.generators import random_numbers_kept
from chainrule.base.module import Module, Shape, named_modules
from chainrule.base.protocols import ModuleLike
from chainrule.errors import ChainruleError, ContractError, ShapeError, label
from chainrule.ops import shape_after

if TYPE_CHECKING:
    from chainrule.network import Network

ROWS = 4
"""The rows of the drawn batch."""

LARGEST = 10**7
"""The parameters of all members up to which a network is copied just to be shown."""


@dataclass
class Passage:
    """What one module took and gave in its last pass.

    Attributes:
        order: its place among the calls of forward.
        x: the tensor (M, N, …) that it took, and y the one that it gave.
        grad_output: the norm of dL/dy over the batch, None if backward did not reach it; grad_input that of dL/dx.
    """

    order: int
    x: Tensor
    y: Tensor
    grad_output: float | None = None
    grad_input: float | None = None


def input_shape_of(network: Network) -> tuple[int, ...] | None:
    """Return the shape of one input: of the first call, or the one axis that the first parameter suggests, or None."""
    for shape, _ in network.known_inputs:
        return tuple(shape)
    first = next(iter(network.parameters()), None)
    if first is None or not hasattr(network.module, "output_shape"):
        return None
    for size in reversed(first.shape):
        try:
            network.module.output_shape((size,))
        except ChainruleError:
            continue
        return (size,)
    return None


def passages(network: Network, input_shape: tuple[int, ...]) -> dict[str, Passage]:
    """Run one forward and backward on a copy of the first member, and return what passed through each module by name.

    The inputs are drawn normally, or 0 and 1 for integers, and dL/dy normally with the norm 1.
    """
    copied = network.member(0) if network.is_ensemble else copy.deepcopy(network)
    generator = torch.Generator("cpu").manual_seed(0)
    if getattr(copied.module, "integer_inputs", False):
        x = (torch.arange(ROWS * math.prod(input_shape), device=copied.device) % 2).view(ROWS, *input_shape)
    else:
        x = torch.randn(ROWS, *input_shape, generator=generator, dtype=torch.float32, device="cpu").to(
            copied.device, copied.dtype
        )
    found: dict[str, Passage] = {}
    for name, module in named_modules(copied.module):
        _watch(name, module, found)
    try:
        y = copied(x)
    except ChainruleError:  # of an embedding with one row
        y = copied(torch.zeros_like(x))
    grad_output = torch.randn(y.shape, generator=generator, dtype=torch.float32, device="cpu").to(y.device, y.dtype)
    copied.backward(grad_output / grad_output.norm(), input_grad=True)
    return found


def _watch(name: str, module: ModuleLike, found: dict[str, Passage]) -> None:
    forward, backward = module.forward, module.backward

    def watched_forward(x: Tensor) -> Tensor:
        y = forward(x)
        found[name] = Passage(len(found), x, y)
        return y

    def watched_backward(grad_output: Tensor) -> Tensor | None:
        grad_input = backward(grad_output)
        found[name].grad_output = float(grad_output.norm())
        found[name].grad_input = None if grad_input is None else float(grad_input.norm())
        return grad_input

    vars(module).update(training=True, forward=watched_forward, backward=watched_backward)


def output_shapes(network: Network, input_shape: Shape = (...,)) -> dict[str, Shape]:
    """Return the shape of one output of each module that takes part in the network's own rule about shapes.

    Raises:
        ShapeError: if the input does not fit.
    """
    found: dict[str, Shape] = {}
    with _watched_rules(network, found):
        if hasattr(network.module, "output_shape"):
            network.module.output_shape(input_shape)
    return found


@contextmanager
def _watched_rules(network: Network, found: dict[str, Shape]) -> Iterator[None]:
    watched = [(name, module) for name, module in named_modules(network.module) if hasattr(module, "output_shape")]
    try:
        for name, module in watched:
            _watch_rule(name, module, found)
        yield
    finally:
        for _, module in watched:
            vars(module).pop("output_shape", None)


def _watch_rule(name: str, module: Any, found: dict[str, Shape]) -> None:
    rule = module.output_shape

    def watched(input_shape: Shape) -> Shape:
        found[name] = rule(input_shape)
        return found[name]

    vars(module)["output_shape"] = watched


class Undeclared(NamedTuple):
    """An output unlike what was declared.

    Attributes:
        y: the output.
        message: what says so.
        is_wrong: whether it is a mistake as the network's output, not only where the next module does not take it.
    """

    y: Tensor
    message: str
    is_wrong: bool


def expect_declared_shapes(module: ModuleLike, x: Tensor, error: Exception) -> None:
    """Explain an error of forward for x (M, N, …) by a module inside that refuses a shape which no rule had foretold.

    So for an error of the loss, by a module that gives the network's output, with other rows than its x or in another
    shape than its own rule declares.

    A copy runs again, so that what passes costs nothing; none of a large network, or where memory is short.

    Raises:
        ContractError: if that is the output of a module that changes the first two axes of its x, or whose output_shape
            declares another.
        ShapeError: if that comes from a module without a rule about shapes.
    """
    count = sum(one.shape.numel() for _, each in named_modules(module) for _, one in each.own_parameters())
    if isinstance(error, torch.OutOfMemoryError) or count * len(x) > 10 * LARGEST:
        return
    undeclared: list[Undeclared] = []
    try:
        with random_numbers_kept(), torch.random.fork_rng(devices=[]):
            copied = copy.deepcopy(module)
            for _, one in named_modules(copied):
                _hold_to_rule(one, undeclared)
            y = copied.forward(x)
        for output, message, is_wrong in undeclared:
            if (output is y and is_wrong) or output.shape[:2] == y.shape[:2] != x.shape[:2]:
                raise ContractError(message)
    except (ContractError, ShapeError) as found:
        if str(found) != str(error):
            raise found from error
    except Exception:  # noqa: BLE001 - the error that is to be explained, which the caller raises
        return


def _hold_to_rule(module: ModuleLike, undeclared: list[Undeclared]) -> None:
    """Let forward note an output of another shape than declared, and name it where the module that takes it fails."""
    for name in ("forward", "backward"):  # of a first pass, which watches the original
        vars(module).pop(name, None)
    forward = module.forward

    def held(x: Tensor) -> Tensor:
        shape = tuple(x.shape[2:])
        try:
            y = forward(x)
        except ContractError:
            raise
        except Exception:
            try:
                shape_after(module, shape)
            except ShapeError as error:
                if found := [message for output, message, _ in undeclared if output is x]:
                    raise ContractError(found[0]) from error
                raise
            raise
        if y.shape[:2] != x.shape[:2]:
            undeclared.append(Undeclared(y, of_other_rows(module, x, y), is_wrong=False))
            return y
        with suppress(ShapeError):  # of a rule that is stricter than forward
            declared, given = shape_after(module, shape), tuple(y.shape[2:])
            if not _agree(declared, given):
                message = (
                    f"{label(module)}: output_shape must return the shape of one output, {shown_shape(given)} for x "
                    f"{shown_shape(shape)}, got {shown_shape(declared)}. Define output_shape(input_shape)."
                )
                # The rule of a container follows from those inside, which may be undeclared.
                is_own = getattr(type(module), "output_shape", None) is not Module.output_shape
                undeclared.append(Undeclared(y, message, is_wrong=is_own and not list(module.named_children())))
        return y

    vars(module)["forward"] = held


def of_other_rows(module: ModuleLike, x: Tensor, y: Tensor) -> str:
    """Return what is wrong where the first two axes of x and of the module's output are not the same."""
    return (
        f"{label(module)}: forward must return y (M, N, …) with the members and rows of its x {tuple(x.shape)}, "
        f"got {tuple(y.shape)}. Leave the first two axes as they are; a Random takes x.shape[1:]."
    )


def _agree(declared: Shape, shape: Shape) -> bool:
    """Return whether sizes are those declared, where these are known."""
    if ... in declared:
        return True
    return len(declared) == len(shape) and all(a in (b, None) for a, b in zip(declared, shape, strict=True))


def shapes_seen(passed: Mapping[str, Passage]) -> dict[str, Shape]:
    """Return the shape of one output of each module."""
    return {name: tuple(passage.y.shape[2:]) for name, passage in passed.items()}


def shown_shape(shape: Shape | None) -> str:
    """Return the shape of a batch, such as ``(N, 3)``; with ? for a size, or ... for axes, that are not known."""
    if shape is None:
        return "?"
    sizes = ["…" if isinstance(size, EllipsisType) else "?" if size is None else str(size) for size in shape]
    return f"(N, {', '.join(sizes)})" if sizes else "(N,)"


def is_small(network: Network) -> bool:
    """Return whether the network may be copied just to be shown."""
    return network.flat.data.numel() <= LARGEST


def own_count(module: ModuleLike) -> int:
    """Return the number of values, for each member, of the parameters directly inside."""
    return sum(parameter.shape.numel() for _, parameter in module.own_parameters())


def summary(network: Network, input_shape: tuple[int, ...] | None = None) -> str:
    """Return a table of the modules, as text; see `Network.summary`."""
    shape = input_shape_of(network) if input_shape is None else input_shape
    is_certain = input_shape is not None or bool(network.known_inputs)
    if not is_certain and getattr(network.module, "integer_inputs", False):
        shape = None  # any number of indices fits
    shapes = output_shapes(network, (...,) if shape is None else shape)
    if shape is not None and is_certain and is_small(network) and len(shapes) < len(network.modules()):
        shapes = shapes_seen(passages(network, shape))
    rows = [("module", "layer", "output", "parameters", "")]
    for name, module in named_modules(network.module):
        own = [f"{key} {tuple(parameter.shape)}" for key, parameter in module.own_parameters()]
        count = f"{own_count(module):,}" if own else ""
        if name or not list(module.named_children()):
            rows.append((name, label(module), shown_shape(shapes.get(name)), count, ", ".join(own)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'>' if i == 3 else '<'}{width}}}" for i, width in enumerate(widths))
    return "\n".join([*[form.format(*row).rstrip() for row in rows], total(network)])


def total(network: Network) -> str:
    """Return the number of parameters, with dtype and device."""
    count = sum(parameter.shape.numel() for parameter in network.parameters())
    ensemble = f" in each of {network.members} members" if network.is_ensemble else ""
    return f"{count:,} parameters{ensemble}, {network.dtype}, {network.device}"
