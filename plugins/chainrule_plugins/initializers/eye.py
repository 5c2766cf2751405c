"""The identity matrix as first values."""

from __future__ import annotations

from torch import Generator, Tensor

from chainrule import Initializer, ShapeError


class Eye(Initializer):
    """The identity, by which a linear layer passes as many of its inputs on as it has outputs.

    Values:   1 on the diagonal of a matrix, 0 elsewhere
    Source:   torch.nn.init.eye_
    Raises:   ShapeError if a tensor is no matrix.
    """

    depends_on_shape = True

    def std(self, fan_in: int, fan_out: int) -> float:
        return 0.0

    def mean(self, fan_in: int, fan_out: int) -> float:
        return 1 / max(fan_in, fan_out)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        if tensor.dim() != 2:
            raise ShapeError(
                f"eye: a tensor must have two axes, got shape {tuple(tensor.shape)}. Use dirac for convolutions."
            )
        tensor.zero_().diagonal().fill_(1.0)
