"""Means that make sequences of a given size."""

from __future__ import annotations

from typing import Any

from chainrule_plugins.layers.adaptive_avg_pool2d import AdaptiveAvgPool2d


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Reduce sequences of any size to output_size, by the mean of each part of them; None keeps the size of x.

    Forward:  ``y[p] = mean x[i]`` over i from ⌊p in / out⌋ up to, but not including, ⌈(p + 1) in / out⌉
    Backward: ``dx[i] = Σ dy[p] / n[p]`` over the parts p that hold i, of n[p] entries
    Shapes:   x (M, N, C, L), y (M, N, C, output_size)
    Source:   as adaptive_avg_pool2d, of which it is the case of one row
    Raises:   ShapeError if x is not (N, C, L).
    """

    axes = 1

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [(cls(2), (2, 3)), (cls(3), (1, 2))]
