"""The mean of windows of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule_plugins.layers.avg_pool2d import AvgPool2d


class AvgPool1d(AvgPool2d):
    """Reduce each window of a sequence to its mean, channel by channel.

    Forward:  ``y[p] = Σ_k x[stride p + k − padding] / d[p]`` over k in the window, with d[p] its number of entries,
              with padding or without
    Backward: ``dx[i] = Σ dy[p] / d[p]`` over the windows p that hold i
    Shapes:   x (M, N, C, L), y (M, N, C, L')
    Source:   as avg_pool2d, of which it is the case of one row
    Raises:   ShapeError if x is not (N, C, L) or has no whole window, or padding is above half of kernel_size.
    """

    axes = 1

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [
            (cls(2), (2, 4)),
            (cls(3, 2, padding=1, ceil_mode=True, count_include_pad=False), (1, 4)),
            (cls(2, ceil_mode=True), (1, 3)),
        ]
