"""Convolutions that pass their input on as first values."""

from __future__ import annotations

from torch import Generator, Tensor

from chainrule import Initializer, ShapeError, hyperparameter


class Dirac(Initializer):
    """A kernel by which a convolution passes as many of its input channels on as each group has outputs.

    Values:   1 in the middle of a kernel (out, in, …) from channel c to channel c of each group, 0 elsewhere
    Source:   Zagoruyko & Komodakis 2017, arXiv:1706.00388, section 3.1; torch.nn.init.dirac_
    Raises:   ShapeError if a tensor does not have from three to five axes, or groups do not divide its output channels.
    """

    depends_on_shape = True

    groups: int = hyperparameter(default=1, at_least=1)

    def std(self, fan_in: int, fan_out: int) -> float:
        return 0.0

    def mean(self, fan_in: int, fan_out: int) -> float:
        return self.groups * min(fan_out // self.groups, fan_in) / (fan_out * fan_in)

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        if not 3 <= tensor.dim() <= 5 or len(tensor) % self.groups:
            raise ShapeError(
                f"dirac: a tensor must have from three to five axes, the first a multiple of groups = {self.groups}, "
                f"got shape {tuple(tensor.shape)}. Use eye for matrices."
            )
        tensor.zero_()
        middle = [size // 2 for size in tensor.shape[2:]]
        for output in range(len(tensor)):
            channel = output % (len(tensor) // self.groups)
            if channel < tensor.shape[1]:
                tensor[(output, channel, *middle)] = 1.0

    @classmethod
    def examples(cls) -> list[Dirac]:
        return [cls(), cls(groups=2)]
