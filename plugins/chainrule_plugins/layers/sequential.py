"""The container that applies modules in sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from torch import Tensor

from chainrule import BackwardError, Module, Shape, ShapeError, components, label
from chainrule.ops import expect_tensor, shape_after
from chainrule_plugins.containers import Container


class Sequential(Container):
    """Apply modules in sequence.

    Forward:  ``y = fₖ(… f₂(f₁(x)))``
    Backward: the chain rule: each module's backward, from the last to the first
    Shapes:   those of the first module's input and of the last one's output
    Source:   paper section II.A
    Raises:   ChainruleError if there is no module, or one appears twice; at build, ShapeError if neighbours do not fit.
    """

    @property
    def gives(self) -> Literal["any", "probabilities", "same"]:  # type: ignore[override]
        if type(self).forward is not Sequential.forward:  # more may be done to the last module's output
            return "any"
        kinds: Iterator[Any] = (getattr(module, "gives", "any") for module in reversed(self.modules))
        return next((kind for kind in kinds if kind != "same"), "same")

    def output_shape(self, input_shape: Shape) -> Shape:
        shape = input_shape
        for position, module in enumerate(self.modules):
            try:
                shape = shape_after(module, shape)
            except ShapeError as error:
                if position == 0:
                    raise
                before = self.modules[position - 1]
                raise ShapeError(
                    f"{label(self)}: {label(module)} at {position}, after {label(before)} at {position - 1}, does not "
                    f"fit: {error}{_hint(before)}"
                ) from error
        return shape

    def forward(self, x: Tensor) -> Tensor:
        for module in self.modules:
            x = module.forward(x)
            if not isinstance(x, Tensor):  # which is quicker than to call
                expect_tensor(module, x)
        return x

    def backward(self, grad_output: Tensor) -> Tensor | None:
        self.modules[0].needs_input_grad = self.needs_input_grad
        for module in reversed(self.modules[1:]):
            grad_input = module.backward(grad_output)
            if grad_input is None:
                raise BackwardError(
                    f"{label(self)}: {label(module)} must return dL/dx from backward, got None. "
                    "Only the first module may leave it out, where needs_input_grad is False."
                )
            grad_output = grad_input
        return self.modules[0].backward(grad_output)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        from chainrule.activations import tanh
        from chainrule.layers import linear

        return [(cls(linear(3, 4), tanh(), linear(4, 2)), (3,))]


def _hint(module: object) -> str:
    """Return what a class of the user's own needs to change shapes, if it declares that it keeps them by silence."""
    is_silent = getattr(type(module), "output_shape", None) is Module.output_shape
    known = (one.name for kind in ("layers", "activations") for one in components(kind))
    if not is_silent or label(module) in known:
        return ""
    return f" If {label(module)} changes shapes, write its output_shape(input_shape)."
