"""The transposed convolution of images."""

from __future__ import annotations

from chainrule_plugins.transposed_convolution import TransposedConvolution


class ConvTranspose2d(TransposedConvolution):
    """Spread each entry of images by a kernel, from in_channels to out_channels: the adjoint of conv2d, and a bias.

    Forward:  ``y[o, stride q + dilation k − padding] += W[c, o, k] x[c, q]`` from ``y[o] = b[o]``, o in the group of c;
              output_padding lengthens y behind
    Backward: ``dx[c, q] = Σ_o Σ_k W[c, o, k] dy[o, stride q + dilation k − padding]``, ``db[o] = Σ dy[o]``,
              ``dW[c, o, k] = Σ x[c, q] dy[o, stride q + dilation k − padding]``, over all n and q
    Shapes:   x (M, N, in, H, W), W (M, in, out / groups, *kernel_size), b (M, out), y (M, N, out, H', W')
    Source:   Zeiler et al. 2010, "Deconvolutional networks"
    Raises:   ShapeError if x is not (N, in, H, W), or padding leaves nothing of y; ShapeError or HyperparameterError
              for settings that do not fit together.
    """

    axes = 2

    @classmethod
    def examples(cls) -> list[tuple[ConvTranspose2d, tuple[int, ...]]]:
        return [
            (cls(2, 3, 2), (2, 2, 3)),
            (cls(2, 4, (3, 2), stride=(2, 1), padding=(2, 0), output_padding=(1, 0), groups=2, bias=False), (2, 3, 2)),
            (cls(1, 2, 2, padding=1, dilation=(1, 3)), (1, 2, 3)),
        ]
