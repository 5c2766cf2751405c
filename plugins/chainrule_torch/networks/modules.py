"""Modules of PyTorch for layers whose nearest relative in torch.nn takes or returns something else."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn


class Residual(nn.Sequential):
    """Add x to what modules, applied in sequence, make of it."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + y


class Parallel(nn.Sequential):
    """Apply each module to x, and add, multiply or concatenate their outputs."""

    def __init__(self, *modules: nn.Module, combine: str, dim: int) -> None:
        super().__init__(*modules)
        self.combine = combine
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        outputs = [module(x) for module in self]
        if self.combine == "concatenate":
            return torch.cat(outputs, self.dim)
        y: Tensor = reduce(operator.add if self.combine == "sum" else operator.mul, outputs)
        return y


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalization of inputs with any number of axes."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # torch's name
        pass


class InstanceNorm(nn.modules.instancenorm._InstanceNorm):
    """Instance normalization of batches with any number of axes."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._apply_instance_norm(x)  # type: ignore[no-untyped-call]
        return y


class _Recurrent(nn.Module):
    """Returns the sequence of states, or the state after the last step, alone; the batch's axis is the first."""

    def __init__(self, *, output: str, **settings: Any) -> None:
        super().__init__(**settings, batch_first=True)
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        h, _ = super().forward(x)  # that of the class in torch.nn
        size = self.hidden_size
        return h if self.output == "sequence" else torch.cat([h[:, -1, :size], h[:, 0, size:]], -1)


class Rnn(_Recurrent, nn.RNN):  # type: ignore[misc]  # whose forward returns two
    """The simple recurrent layer."""


class Lstm(_Recurrent, nn.LSTM):  # type: ignore[misc]  # whose forward returns two
    """The layer of long short-term memory."""


class Gru(_Recurrent, nn.GRU):  # type: ignore[misc]  # whose forward returns two
    """The layer of gated recurrent units."""


class SelfAttention(nn.MultiheadAttention):
    """Attend from each position of a sequence to all of them, or with causal=True to those up to it."""

    def __init__(self, embed_dim: int, num_heads: int, *, causal: bool, dropout: float, bias: bool) -> None:
        super().__init__(embed_dim, num_heads, dropout, bias, batch_first=True)
        self.causal = causal
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # of one tensor
        mask = _later(x) if self.causal else None
        y, _ = super().forward(x, x, x, attn_mask=mask, need_weights=False, is_causal=self.causal)
        return y


class TransformerBlock(nn.TransformerEncoderLayer):
    """Apply self-attention, with causal=True to the positions up to each, then a feedforward network."""

    def __init__(self, embed_dim: int, num_heads: int, *, causal: bool, **settings: Any) -> None:
        super().__init__(embed_dim, num_heads, **settings, batch_first=True)
        self.causal = causal
        self.activation_relu_or_gelu = 0  # no fused path, which takes gelu's approximation for gelu itself

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # of one tensor
        return super().forward(x, _later(x) if self.causal else None, is_causal=self.causal)


def _later(x: Tensor) -> Tensor:
    """Return the mask (T, T) that hides from each position of x (N, T, …) those after it."""
    return nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device, dtype=x.dtype)
