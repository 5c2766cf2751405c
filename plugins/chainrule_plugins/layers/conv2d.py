"""The convolution of images."""

from __future__ import annotations

from chainrule_plugins.convolution import Convolution


class Conv2d(Convolution):
    """Slide a kernel over images, from in_channels to out_channels.

    Forward:  ``y[o, p] = b[o] + Σ_c Σ_k W[o, c, k] x[c, stride p + dilation k − padding]``, c in the group of o
    Backward: ``dx[c, stride p + dilation k − padding] += W[o, c, k] dy[o, p]``, ``db[o] = Σ dy[o, p]``,
              ``dW[o, c, k] = Σ dy[o, p] x[c, stride p + dilation k − padding]``, over all n and p
    Shapes:   x (M, N, in, H, W), W (M, out, in / groups, *kernel_size), b (M, out), y (M, N, out, H', W')
    Source:   LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition"
    Raises:   ShapeError if x is not (N, in, H, W) or smaller, with its padding, than the kernel; ShapeError or
              HyperparameterError for settings that do not fit together.
    """

    axes = 2

    @classmethod
    def examples(cls) -> list[tuple[Conv2d, tuple[int, ...]]]:
        return [
            (cls(2, 3, 2), (2, 3, 4)),
            (cls(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), groups=2, bias=False), (2, 4, 3)),
            (cls(1, 2, (2, 3), padding="same", dilation=2), (1, 4, 5)),
            (cls(1, 2, 3, padding=1, padding_mode="reflect"), (1, 3, 3)),
        ]
