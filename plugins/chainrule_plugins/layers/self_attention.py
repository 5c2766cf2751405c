"""Multi-head self-attention."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from chainrule import Module, Parameter, Shape, ShapeError
from chainrule.initializers import xavier_uniform, zeros
from chainrule.layers import dropout as dropout_layer
from chainrule.layers import linear
from chainrule.ops import affine, affine_backward, expect_flag, expect_number, expect_shape, expect_size
from chainrule_plugins.rotary import angles_like, rotated


class SelfAttention(Module):
    """Attend from each position of a sequence to all of them, or with causal=True to those up to it.

    Forward:  ``Q, K, V = x Wᵢₙᵀ + bᵢₙ`` cut into heads; for each head ``P = softmax(Q Kᵀ / √d + mask)``, ``O = P V``,
              the mask −∞ where a key comes after its query; ``y = concat(O) Wₒᵤₜᵀ + bₒᵤₜ``
    Backward: ``dV = Pᵀ dO``, ``dP = dO Vᵀ``, ``dS = P (dP − Σ dP P)`` over each query's keys, ``dQ = dS K / √d``,
              ``dK = dSᵀ Q / √d``; through both affine maps as in `linear`
    Shapes:   x and y (M, N, T, embed_dim), Wᵢₙ (M, (H + 2 K) d, embed_dim) for H heads of queries and K of keys and
              values, each d = embed_dim / H wide, Wₒᵤₜ (M, embed_dim, embed_dim)
    Source:   Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762; Ainslie et al. 2023, arXiv:2305.13245,
              for num_kv_heads; Su et al. 2021, arXiv:2104.09864, for rotary_base, which turns Q and K, halves paired
    Raises:   ShapeError if x is not (N, T, embed_dim), or the numbers of heads do not divide embed_dim and each other.

    Its state dict is that of torch's MultiheadAttention. Dropout acts on P. With num_kv_heads, consecutive heads of
    queries share one head of keys and values.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        *,
        causal: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        rotary_base: float | None = None,
    ) -> None:
        self.embed_dim = expect_size(self, "embed_dim", embed_dim)
        self.num_heads = expect_size(self, "num_heads", num_heads)
        self.num_kv_heads = self.num_heads if num_kv_heads is None else expect_size(self, "num_kv_heads", num_kv_heads)
        self.causal = expect_flag(self, "causal", causal)
        self.dropout = expect_number(self, "dropout", dropout, at_least=0, at_most=1)
        self.drop = dropout_layer(self.dropout) if self.dropout else None
        self.bias = expect_flag(self, "bias", bias)
        self.rotary_base = None if rotary_base is None else expect_number(self, "rotary_base", rotary_base, above=0)
        for name, divisor in (("embed_dim", "num_heads"), ("num_heads", "num_kv_heads")):
            size, parts = getattr(self, name), getattr(self, divisor)
            if size % parts:
                raise ShapeError(
                    f"self_attention: {name} must be divisible by {divisor}={parts}, got {size}. Change one of them."
                )
        self.head_dim = self.embed_dim // self.num_heads
        if self.rotary_base is not None and self.head_dim % 2:
            raise ShapeError(
                f"self_attention: embed_dim / num_heads must be even for rotary_base, got {self.head_dim}. "
                "Change one of them."
            )
        self.widths = [heads * self.head_dim for heads in (self.num_heads, self.num_kv_heads, self.num_kv_heads)]
        fans = {"fan_in": self.embed_dim, "fan_out": sum(self.widths)}
        self.in_proj_weight = Parameter(sum(self.widths), self.embed_dim, init=xavier_uniform(), **fans)
        self.in_proj_bias = Parameter(sum(self.widths), init=zeros(), **fans) if self.bias else None
        self.out_proj = linear(self.embed_dim, self.embed_dim, bias=self.bias, bias_init=zeros())

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (None, self.embed_dim))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        joined = affine(x, self.in_proj_weight, self.in_proj_bias)
        queries, keys, values = (self._cut(part) for part in torch.split(joined, self.widths, -1))
        if self.rotary_base is not None:
            angles = angles_like(keys, self.rotary_base)
            queries, keys = rotated(queries, angles), rotated(keys, angles)
        shape = queries.shape  # (M, N, K, G, T, d), with G = H / K
        queries, keys, values = _rows(queries * self.head_dim**-0.5), _rows(keys), _rows(values)
        scores = self._scores(queries, keys)  # (M N K, G T, T)
        probabilities = weights = scores.softmax(-1)
        if self.drop is not None:
            weights = self.drop.forward(probabilities.view(*shape[:3], *scores.shape[1:])).flatten(0, 2)
        self.save_for_backward(x, queries, keys, values, probabilities, weights)
        return self.out_proj.forward(_joined(torch.bmm(weights, values).view(shape)))

    def backward(self, grad_output: Tensor) -> Tensor | None:
        x, queries, keys, values, probabilities, weights = self.saved_tensors()
        grad = self._cut(cast("Tensor", self.out_proj.backward(grad_output)))
        shape, shared_shape = grad.shape, (*grad.shape[:3], 1, *grad.shape[4:])
        grad = _rows(grad)
        grad_values = torch.bmm(weights.mT, grad).view(shared_shape)
        grad_weights = torch.bmm(grad, values.mT)
        if self.drop is not None:
            by_head = grad_weights.view(*shape[:3], *grad_weights.shape[1:])
            grad_weights = self.drop.backward(by_head).flatten(0, 2)
        grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, probabilities, -1, x.dtype)
        grad_queries = torch.bmm(grad_scores, keys).mul_(self.head_dim**-0.5).view(shape)
        grad_keys = torch.bmm(grad_scores.mT, queries).view(shared_shape)
        if self.rotary_base is not None:
            angles = -angles_like(grad_keys, self.rotary_base)
            grad_queries, grad_keys = rotated(grad_queries, angles), rotated(grad_keys, angles)
        grad_joined = torch.cat([_joined(grad) for grad in (grad_queries, grad_keys, grad_values)], -1)
        return affine_backward(x, self.in_proj_weight, self.in_proj_bias, grad_joined, input_grad=self.needs_input_grad)

    def _scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        if not self.causal:
            return torch.bmm(queries, keys.mT)
        length = keys.shape[1]
        mask = torch.full((length, length), -math.inf, dtype=keys.dtype, device=keys.device).triu_(1)
        return torch.baddbmm(mask.repeat(self.num_heads // self.num_kv_heads, 1), queries, keys.mT)

    def _cut(self, joined: Tensor) -> Tensor:
        """Return (M, N, T, K G d) cut into heads, (M, N, K, G, T, d)."""
        groups = joined.shape[-1] // self.head_dim // self.num_kv_heads
        heads = joined.view(*joined.shape[:-1], self.num_kv_heads, groups, self.head_dim)
        return heads.permute(0, 1, 3, 4, 2, 5)

    @classmethod
    def examples(cls) -> list[tuple[SelfAttention, tuple[int, ...]]]:
        return [(cls(2, 2), (2, 2)), (cls(4, 2, 1, causal=True, bias=False, rotary_base=100.0), (3, 4))]


def _rows(heads: Tensor) -> Tensor:
    """Return (M, N, K, G, T, d) as a batch of matrices, (M N K, G T, d)."""
    return heads.flatten(3, 4).flatten(0, 2)


def _joined(heads: Tensor) -> Tensor:
    """Return (M, N, K, G, T, d) with heads side by side, (M, N, T, K G d)."""
    return heads.permute(0, 1, 4, 2, 3, 5).flatten(3)
