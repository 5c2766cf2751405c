"""The container that applies modules in sequence."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from chainrule import BackwardError, ChainruleError, Module, ModuleLike, Shape, ShapeError, label
from chainrule.ops import expect_module, expect_tensor


class Sequential(Module):
    """Apply modules in sequence.

    Forward:  ``y = fₖ(… f₂(f₁(x)))``
    Backward: the chain rule: each module's backward, from the last to the first
    Shapes:   those of the first module's input and of the last one's output
    Source:   paper section II.A
    Raises:   ChainruleError if there is no module, or one appears twice; at build, ShapeError if neighbours do not fit.
    """

    def __init__(self, *modules: ModuleLike) -> None:
        if not modules:
            raise ChainruleError("sequential: needs at least one module. Pass modules, such as linear(2, 1).")
        for position, module in enumerate(modules):
            expect_module(self, f"position {position}", module)
        self.modules = modules
        inside = [module for _, module in self.named_modules()]
        for module in inside:
            if sum(module is other for other in inside) > 1:
                raise ChainruleError(
                    f"sequential: a module must appear once, got {module!r} twice. Create a second one; "
                    "to share weights, give both the same Parameter."
                )

    @property
    def integer_inputs(self) -> bool:  # type: ignore[override]  # the first module's
        return getattr(self.modules[0], "integer_inputs", False)

    def named_children(self) -> Iterable[tuple[str, ModuleLike]]:
        return [(str(position), module) for position, module in enumerate(self.modules)]

    def output_shape(self, input_shape: Shape) -> Shape:
        shape = input_shape
        for position, module in enumerate(self.modules):
            try:
                shape = module.output_shape(shape) if isinstance(module, Module) else (...,)
            except ShapeError as error:
                if position == 0:
                    raise
                before = f"after {label(self.modules[position - 1])} at {position - 1}"
                raise ShapeError(
                    f"sequential: {label(module)} at {position}, {before}, does not fit: {error}"
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
                    f"sequential: {label(module)} must return dL/dx from backward, got None. "
                    "Only the first module may leave it out, where needs_input_grad is False."
                )
            grad_output = grad_input
        return self.modules[0].backward(grad_output)

    @classmethod
    def examples(cls) -> list[tuple[Sequential, tuple[int, ...]]]:
        from chainrule.activations import tanh
        from chainrule.layers import linear

        return [(cls(linear(3, 4), tanh(), linear(4, 2)), (3,))]

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.modules))})"
