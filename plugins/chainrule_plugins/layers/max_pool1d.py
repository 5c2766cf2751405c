"""The maximum of windows of sequences."""

from __future__ import annotations

from typing import Any

from chainrule_plugins.layers.max_pool2d import MaxPool2d


class MaxPool1d(MaxPool2d):
    """Reduce each window of a sequence to its maximum, channel by channel.

    Forward:  ``y[p] = max_k x[stride p + dilation k − padding]`` over k in the window; padding never is the maximum
    Backward: ``dx[i] = Σ dy[p]`` over the windows p whose maximum is at i, the first of several
    Shapes:   x (M, N, C, L), y (M, N, C, L')
    Source:   as max_pool2d, of which it is the case of one row
    Raises:   ShapeError if x is not (N, C, L), has no whole window or one of padding alone, or padding is above half
              of kernel_size.
    """

    axes = 1

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [
            (cls(2), (2, 4)),
            (cls(3, stride=2, padding=1, ceil_mode=True), (1, 4)),
            (cls(2, 1, dilation=2), (2, 3)),
        ]
