"""The layer that pads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from chainrule import HyperparameterError, Module, Shape, ShapeError
from chainrule.ops import expect_integer, expect_number, expect_word, shown
from chainrule_plugins import padding as sides

MODES = ("constant", "reflect", "replicate", "circular")


class Pad(Module):
    """Pad axes of x on both sides: all behind the channels, or the last one to three.

    Forward:  ``y[p] = x[q]`` with ``q = p − before`` inside of x. Outside, constant: ``y[p] = value``; replicate: q is
              the nearest index; reflect: q is mirrored at the first or last; circular: q is taken modulo the size
    Backward: ``dx[q] = Σ dy[p]`` over all p that have x[q]
    Shapes:   x (M, N, …, S), y (M, N, …, before + S + after), and so for each padded axis
    Source:   by definition
    Raises:   ShapeError if x has too few axes, or a padded one is too short; HyperparameterError for a value that the
              mode does not use.

    padding is one number for every side, or a pair for each axis, before and after, in torch's order: the last axis
    first. With mode="constant" negative numbers crop.
    """

    def __init__(self, padding: int | Sequence[int], mode: str = "constant", value: float = 0.0) -> None:
        self.mode = expect_word(self, "mode", mode, MODES)
        numbers = list(padding) if isinstance(padding, Sequence) else [padding]
        if isinstance(padding, Sequence) and len(padding) not in (2, 4, 6):
            raise ShapeError(
                f"pad: padding must be 1, 2, 4 or 6 numbers, got {shown(padding)}. Pass a pair for each axis."
            )
        numbers = [expect_integer(self, "padding", number) for number in numbers]
        if mode != "constant" and min(numbers) < 0:
            raise ShapeError(
                f'pad: padding must be at least 0 with mode="{mode}", got {shown(padding)}. Crop with mode="constant".'
            )
        self.padding = tuple(numbers) if isinstance(padding, Sequence) else numbers[0]
        self.value = expect_number(self, "value", value)
        if mode != "constant" and self.value:
            raise HyperparameterError(f'pad: value must be 0 with mode="{mode}", got {value}. Leave it out.')

    def output_shape(self, input_shape: Shape) -> Shape:
        if input_shape[:1] == (...,):
            return (...,)
        pairs = self._pairs(len(input_shape))
        kept = len(input_shape) - len(pairs)
        if kept < 0 or not 1 <= len(pairs) <= 3:
            wanted = "2 to 4" if isinstance(self.padding, int) else f"at least {len(pairs)}"
            got = f"got {len(input_shape)}"
            raise ShapeError(f"pad: x must have {wanted} axes behind the batch for this padding, {got}. Reshape x.")
        padded = sides.padded_sizes(self, input_shape, pairs, self.mode, at_least=(1,) * len(pairs))
        return (*input_shape[:kept], *padded)

    def forward(self, x: Tensor) -> Tensor:
        pairs = self._pairs(x.dim() - 2)
        if not 0 < len(pairs) <= x.dim() - 2:  # after a module without a rule
            self.output_shape(x.shape[2:])
        self.save_for_backward()
        return sides.pad(x, pairs, self.mode, self.value)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return sides.pad_backward(grad_output, self._pairs(grad_output.dim() - 2), self.mode)

    def _pairs(self, axes: int) -> sides.Sides:
        """Return what is added before and after each padded axis of x, which has so many behind the batch."""
        if isinstance(self.padding, int):
            return ((self.padding, self.padding),) * (axes - 1)
        return tuple(zip(self.padding[-2::-2], self.padding[::-2], strict=True))

    @classmethod
    def examples(cls) -> list[tuple[Pad, tuple[int, ...]]]:
        return [
            (cls(1, value=0.5), (2, 3)),
            (cls((1, 0, 2, -1)), (1, 2, 2)),
            (cls((2, 1), mode="reflect"), (3,)),
            (cls((1, 2, 2, 0), mode="circular"), (2, 2)),
        ]
