"""The container that applies modules side by side."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError, ModuleLike, Shape, ShapeError
from chainrule.ops import expect_axis, expect_integer, expect_tensor, expect_word, shape_after, shown
from chainrule_plugins.axes import axis_in
from chainrule_plugins.containers import Container


class Parallel(Container):
    """Apply each module to x, and add, multiply or concatenate their outputs.

    Forward:  ``y = Σᵢ yᵢ``, ``y = Πᵢ yᵢ``, or the yᵢ one after the other along dim, with ``yᵢ = fᵢ(x)``
    Backward: ``dx = Σᵢ fᵢ'(x)ᵀ dyᵢ`` with ``dyᵢ = dy``, ``dyᵢ = dy Πⱼ yⱼ`` over j ≠ i, or their parts of dy
    Shapes:   the input's is that of each module; their outputs are alike, if concatenated but for the axis dim, which
              is numbered as in torch
    Source:   Szegedy et al. 2014, "Going deeper with convolutions", arXiv:1409.4842, for concatenation
    Raises:   ChainruleError if there is no module, one appears twice, or only some take integers; HyperparameterError
              if combine is not "sum", "product" or "concatenate"; ShapeError if the outputs do not fit.
    """

    def __init__(self, *modules: ModuleLike, combine: str = "sum", dim: int = -1) -> None:
        super().__init__(*modules)
        self.combine = expect_word(self, "combine", combine, ("sum", "product", "concatenate"))
        self.dim = expect_integer(self, "dim", dim)
        if len({getattr(module, "integer_inputs", False) for module in modules}) > 1:
            raise ChainruleError(
                f"parallel: modules must all take integers, or all floats, got {shown(self)}. "
                "Put what takes integers in front."
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = [shape_after(module, input_shape) for module in self.modules]
        is_joined, axis = self.combine == "concatenate", self.dim if self.dim < 0 else self.dim - 1
        if is_joined:
            for shape in shapes:
                expect_axis(self, self.dim, shape)
        known = [[size for size in shape if isinstance(size, int)] for shape in shapes]
        if any(len(sizes) < len(shape) for sizes, shape in zip(known, shapes, strict=True)):
            return (...,) if is_joined else shapes[0]
        length = sum(sizes.pop(axis) for sizes in known) if is_joined else 0
        self._expect_alike(known, shapes)
        if is_joined:
            known[0].insert(axis % (len(known[0]) + 1), length)
        return tuple(known[0])

    def forward(self, x: Tensor) -> Tensor:
        outputs = [module.forward(x) for module in self.modules]
        for module, output in zip(self.modules, outputs, strict=True):
            expect_tensor(module, output)
        if self.combine != "concatenate":  # of modules without a rule about shapes too; nothing is broadcast
            shapes = [output.shape[2:] for output in outputs]
            self._expect_alike(shapes, shapes)
        self.save_for_backward(*([] if self.combine == "sum" else outputs))
        if self.combine == "concatenate":
            return torch.cat(outputs, axis_in(outputs[0], self, self.dim))
        return reduce(operator.add if self.combine == "sum" else operator.mul, outputs)

    def _expect_alike(self, compared: Sequence[Sequence[int]], shapes: Sequence[Shape]) -> None:
        """Raise ShapeError, showing the outputs' shapes, unless what is compared of them is the same."""
        if any(sizes != compared[0] for sizes in compared):
            rule = "one shape" if self.combine != "concatenate" else f"one shape but for axis {self.dim}"
            shown = ", ".join(str(tuple(shape)) for shape in shapes)
            raise ShapeError(
                f"parallel: the modules' outputs must have {rule}, got {shown} for each example. "
                "Change one of the modules."
            )

    def backward(self, grad_output: Tensor) -> Tensor | None:
        grads = []
        for module, grad in zip(self.modules, self._grad_outputs(grad_output), strict=True):
            module.needs_input_grad = self.needs_input_grad
            grads.append(module.backward(grad))
        found = [grad for grad in grads if grad is not None]
        return reduce(operator.add, found) if len(found) == len(grads) else None

    def _grad_outputs(self, grad_output: Tensor) -> list[Tensor]:
        """Return dyᵢ for each module."""
        outputs = self.saved_tensors()
        if self.combine == "sum":
            return [grad_output] * len(self.modules)
        if self.combine == "concatenate":
            axis = axis_in(grad_output, self, self.dim)
            return list(torch.split(grad_output, [output.shape[axis] for output in outputs], axis))
        return [reduce(operator.mul, (*outputs[:i], *outputs[i + 1 :]), grad_output) for i in range(len(outputs))]

    def settings(self) -> list[str]:
        return [f"combine={self.combine!r}", f"dim={self.dim!r}"]

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        from chainrule.activations import tanh
        from chainrule.layers import linear

        return [
            (cls(linear(3, 2), linear(3, 2)), (3,)),
            (cls(linear(3, 3), tanh(), tanh(), combine="product"), (3,)),
            (cls(linear(2, 3), tanh(), combine="concatenate"), (2,)),
            (cls(tanh(), linear(2, 2), combine="concatenate", dim=1), (1, 2)),
        ]
