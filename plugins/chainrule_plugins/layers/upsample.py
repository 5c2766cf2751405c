"""The layer that interpolates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from chainrule import HyperparameterError, Module, Shape, ShapeError
from chainrule.ops import expect_flag, expect_number, expect_shape, expect_size, expect_word
from chainrule_plugins.interpolation import interpolated, interpolated_backward
from chainrule_plugins.sizes import each, repeated


class Upsample(Module):
    """Interpolate images, or with mode="nearest" sequences, to a size or to scale_factor times their own.

    Forward:  ``y[p] = Σ_q w(p, q) x[q]`` in each channel. Nearest: w is 1 where ``q = ⌊p / scale⌋``, else 0. Bilinear:
              w is the product over rows and columns of ``max(0, 1 − |s − q|)``, where ``s = (p + ½) / scale − ½``
              inside of x, or with align_corners ``s = p (size of x − 1) / (size of y − 1)``
    Backward: ``dx[q] = Σ_p w(p, q) dy[p]``
    Shapes:   x (M, N, C, H, W) or (M, N, C, L), y (M, N, C, H', W') or (M, N, C, L')
    Source:   by definition
    Raises:   ShapeError if x has other axes, or y is empty; HyperparameterError for settings that do not fit together.
    """

    gives = "same"

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.mode = expect_word(self, "mode", mode, ("nearest", "bilinear"))
        if (size is None) == (scale_factor is None):
            got = "neither" if size is None else "both"
            raise HyperparameterError(f"upsample: one of size and scale_factor must be given, got {got}. Pass one.")
        if mode == "nearest" and align_corners is not None:
            raise HyperparameterError(
                f'upsample: align_corners must be None with mode="nearest", got {align_corners}. Leave it out.'
            )
        self.size = each(size, lambda one: expect_size(self, "size", one))
        self.scale_factor = each(scale_factor, lambda one: expect_number(self, "scale_factor", one, above=0))
        self.align_corners = None if align_corners is None else expect_flag(self, "align_corners", align_corners)

    def output_shape(self, input_shape: Shape) -> Shape:
        is_sequence = self.mode == "nearest" and len(input_shape) == 2
        expect_shape(self, input_shape, (None, None) if is_sequence else (None, None, None))
        return (...,) if input_shape[:1] == (...,) else (input_shape[0], *self._sizes(input_shape[1:]))

    def _sizes(self, sizes: Sequence[Any]) -> tuple[Any, ...]:
        """Return the sizes of y behind the channels, for those of x."""
        name, given = ("size", self.size) if self.scale_factor is None else ("scale_factor", self.scale_factor)
        new = repeated(given, len(sizes))
        if len(new) != len(sizes):
            raise ShapeError(f"upsample: {name} must have {len(sizes)} numbers for this x, got {given}. Pass as many.")
        if self.size is None:
            new = tuple(None if size is None else int(size * scale) for size, scale in zip(sizes, new, strict=True))
        if 0 in (*sizes, *new):
            raise ShapeError(f"upsample: sizes must be at least 1, got {new} from {tuple(sizes)}. Pass a larger x.")
        return new

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 5:  # after a module without a rule
            self.output_shape(x.shape[2:])
        self.save_for_backward(x)
        return interpolated(x, self._sizes(x.shape[3:]), self.mode, self.align_corners, self.scale_factor)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return interpolated_backward(grad_output, x, self.mode, self.align_corners, self.scale_factor)

    @classmethod
    def examples(cls) -> list[tuple[Upsample, tuple[int, ...]]]:
        return [
            (cls(scale_factor=2), (2, 3)),
            (cls(scale_factor=0.7), (1, 5, 5)),
            (cls(scale_factor=(1.5, 2), mode="bilinear"), (1, 2, 3)),
            (cls(scale_factor=1.3, mode="bilinear"), (1, 3, 4)),
            (cls(3, mode="bilinear", align_corners=True), (2, 2, 4)),
        ]
