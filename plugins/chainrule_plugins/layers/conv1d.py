"""The convolution of sequences."""

from __future__ import annotations

from chainrule_plugins.convolution import Convolution


class Conv1d(Convolution):
    """Slide a kernel over sequences, from in_channels to out_channels.

    Forward:  ``y[o, p] = b[o] + Σ_c Σ_k W[o, c, k] x[c, stride p + dilation k − padding]``, c in the group of o
    Backward: ``dx[c, stride p + dilation k − padding] += W[o, c, k] dy[o, p]``, ``db[o] = Σ dy[o, p]``,
              ``dW[o, c, k] = Σ dy[o, p] x[c, stride p + dilation k − padding]``, over all n and p
    Shapes:   x (M, N, in, L), W (M, out, in / groups, kernel_size), b (M, out), y (M, N, out, L')
    Source:   Waibel et al. 1989, "Phoneme recognition using time-delay neural networks"
    Raises:   ShapeError if x is not (N, in, L) or shorter, with its padding, than the kernel; ShapeError or
              HyperparameterError for settings that do not fit together.
    """

    axes = 1

    @classmethod
    def examples(cls) -> list[tuple[Conv1d, tuple[int, ...]]]:
        return [
            (cls(2, 3, 2), (2, 4)),
            (cls(2, 4, 3, stride=2, padding=1, groups=2, bias=False), (2, 5)),
            (cls(1, 2, 2, padding="same", dilation=3, padding_mode="replicate"), (1, 4)),
            (cls(1, 2, 3, padding=2, padding_mode="circular"), (1, 3)),
        ]
