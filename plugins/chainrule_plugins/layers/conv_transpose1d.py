"""The transposed convolution of sequences."""

from __future__ import annotations

from chainrule_plugins.transposed_convolution import TransposedConvolution


class ConvTranspose1d(TransposedConvolution):
    """Spread each entry of sequences by a kernel, from in_channels to out_channels: the adjoint of conv1d, and a bias.

    Forward:  ``y[o, stride q + dilation k − padding] += W[c, o, k] x[c, q]`` from ``y[o] = b[o]``, o in the group of c;
              output_padding lengthens y behind
    Backward: ``dx[c, q] = Σ_o Σ_k W[c, o, k] dy[o, stride q + dilation k − padding]``, ``db[o] = Σ dy[o]``,
              ``dW[c, o, k] = Σ x[c, q] dy[o, stride q + dilation k − padding]``, over all n and q
    Shapes:   x (M, N, in, L), W (M, in, out / groups, kernel_size), b (M, out), y (M, N, out, L')
    Source:   Zeiler et al. 2010, "Deconvolutional networks"
    Raises:   ShapeError if x is not (N, in, L), or padding leaves nothing of y; ShapeError or HyperparameterError
              for settings that do not fit together.
    """

    axes = 1

    @classmethod
    def examples(cls) -> list[tuple[ConvTranspose1d, tuple[int, ...]]]:
        return [
            (cls(2, 3, 2), (2, 3)),
            (cls(2, 4, 3, stride=2, padding=2, output_padding=1, groups=2, bias=False), (2, 3)),
            (cls(1, 2, 2, dilation=3), (1, 2)),
        ]
