"""The curves of activations with their derivatives, and of schedules, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule import Module, ShapeError

X_RANGE, Y_RANGE = (-5.0, 7.0), (-2.0, 6.5)
"""The window of every activation's plot, in the same unit on both axes."""

STEPS = 100
"""The number of steps over which schedules are drawn."""

_IN_VIEW = 0.6
"""The share of a curve that is enough to draw it."""

_POINTS = 481


@dataclass(frozen=True)
class Curve:
    """An activation's last output as a function of its last input, with its derivative.

    Attributes:
        module: the example that is drawn.
        x: the last input, float64 (n,).
        y: the last output.
        slope: its derivative, as `backward` returns it.
        inputs: the input where y depends on its other numbers, such as (1, t); else empty.
    """

    module: Any
    x: Tensor
    y: Tensor
    slope: Tensor
    inputs: str

    @property
    def share_in_view(self) -> float:
        """The share of the curve that is within the window."""
        return float(((self.y >= Y_RANGE[0]) & (self.y <= Y_RANGE[1])).double().mean())


def activation_curve(examples: Sequence[tuple[Any, Any]]) -> Curve:
    """Return the curve of an activation's first example of which enough is in view, else of the one most in view.

    Raises:
        ChainruleError: if it does not take the inputs.
    """
    drawn = [_curve(module, inputs) for module, inputs in examples]
    in_view = [curve for curve in drawn if curve.share_in_view >= _IN_VIEW]
    return in_view[0] if in_view else max(drawn, key=lambda curve: curve.share_in_view)


def _curve(module: Any, inputs: Any) -> Curve:
    shape = _input_shape(module, tuple(inputs.shape[1:]) if isinstance(inputs, Tensor) else tuple(inputs))
    network = module.build(seed=0, dtype=torch.float64)
    t = torch.linspace(*X_RANGE, _POINTS, dtype=torch.float64)
    alone = network(_inputs(shape, t, 0.0)).flatten(1)[:, -1].clone()
    y = network(_inputs(shape, t, 1.0))
    grad_output = torch.zeros_like(y)
    grad_output.flatten(1)[:, -1] = 1
    slope = network.backward(grad_output, input_grad=True).flatten(1)[:, -1]
    last = y.flatten(1)[:, -1]
    is_elementwise = y.shape[1:] == shape and torch.allclose(alone, last, equal_nan=True)
    shown = "(1, t)" if shape == (2,) else "(1, …, t)"
    return Curve(module, t, last, slope, "" if is_elementwise else shown)


def _input_shape(module: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (2,) if its rule takes it, so that there is one other input at most; else the shape of its example."""
    if type(module).output_shape is Module.output_shape:  # no rule tells whether its width is fixed
        return shape
    try:
        module.output_shape((2,))
    except ShapeError:
        return shape
    return (2,)


def _inputs(shape: tuple[int, ...], t: Tensor, others: float) -> Tensor:
    x = torch.full((len(t), *shape), others, dtype=t.dtype)
    x.flatten(1)[:, -1] = t
    return x


def schedule_factors(schedule: Any, steps: int = STEPS) -> list[float]:
    """Return the factor at steps 1 to steps."""
    return [float(schedule(t)) for t in range(1, steps + 1)]
