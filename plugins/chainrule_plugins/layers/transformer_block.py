"""The block of which transformers are made."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from chainrule import Module, ModuleLike, Shape
from chainrule.layers import dropout as dropout_layer
from chainrule.layers import layer_norm, linear, rms_norm, self_attention
from chainrule.ops import expect_flag, expect_number, expect_shape, expect_size, expect_word
from chainrule_plugins.layers.mlp import activation_of, width_after


class TransformerBlock(Module):
    """Apply self-attention, then a feedforward network, to a sequence, each with a norm and a skip connection.

    Forward:  ``h = x + A(norm₁(x))`` and ``y = h + F(norm₂(h))``, with norm_first=False ``h = norm₁(x + A(x))`` and
              ``y = norm₂(h + F(h))``, where A is self-attention, ``F(h) = φ(h W₁ᵀ + b₁) W₂ᵀ + b₂``
    Backward: ``dh = dy + norm₂'ᵀ F'ᵀ dy`` and ``dx = dh + norm₁'ᵀ A'ᵀ dh``, with norm_first=False
              ``ds = norm₂'ᵀ dy``, ``dh = ds + F'ᵀ ds``, ``dr = norm₁'ᵀ dh``, ``dx = dr + A'ᵀ dr``
    Shapes:   x and y (M, N, T, embed_dim), W₁ (M, dim_feedforward, embed_dim), 4 embed_dim without another
    Source:   Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745,
              for norm_first
    Raises:   ShapeError if x is not (N, T, embed_dim), or the numbers of heads do not fit; HyperparameterError if
              norm is not "layer_norm" or "rms_norm".

    Its state dict is that of torch's TransformerEncoderLayer, and so are the four places of dropout. An activation that
    halves the axis, such as swiglu, halves dim_feedforward.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dim_feedforward: int | None = None,
        *,
        activation: str | ModuleLike = "gelu",
        norm: str = "layer_norm",
        norm_first: bool = True,
        causal: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        num_kv_heads: int | None = None,
        rotary_base: float | None = None,
    ) -> None:
        self.embed_dim = expect_size(self, "embed_dim", embed_dim)
        hidden = 4 * self.embed_dim if dim_feedforward is None else dim_feedforward
        self.dim_feedforward = expect_size(self, "dim_feedforward", hidden)
        self.norm = expect_word(self, "norm", norm, ("layer_norm", "rms_norm"))
        self.norm_first = expect_flag(self, "norm_first", norm_first)
        self.dropout = expect_number(self, "dropout", dropout, at_least=0, at_most=1)
        self.bias = expect_flag(self, "bias", bias)
        self.self_attn = attention = self_attention(
            embed_dim, num_heads, num_kv_heads, causal=causal, dropout=dropout, bias=bias, rotary_base=rotary_base
        )
        self.num_heads, self.num_kv_heads = attention.num_heads, attention.num_kv_heads
        self.causal, self.rotary_base = attention.causal, attention.rotary_base
        self.activation = activation_of(self, activation)
        self.linear1 = linear(self.embed_dim, self.dim_feedforward, bias=self.bias)
        self.linear2 = linear(width_after(self.activation, self.dim_feedforward), self.embed_dim, bias=self.bias)
        self.norm1, self.norm2 = (
            rms_norm(self.embed_dim) if norm == "rms_norm" else layer_norm(self.embed_dim, bias=self.bias)
            for _ in range(2)
        )
        self.drop, self.drop1, self.drop2 = (dropout_layer(self.dropout) if self.dropout else None for _ in range(3))

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (None, self.embed_dim))
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        for branch, after in self._branches():
            x = _through(after, x + _through(branch, x))
        return x

    def backward(self, grad_output: Tensor) -> Tensor:
        grad = grad_output
        for branch, after in reversed(self._branches()):
            grad = _back_through(after, grad)
            grad = grad + _back_through(branch, grad)
        return grad

    def _branches(self) -> list[tuple[list[ModuleLike], list[ModuleLike]]]:
        """Return, for A and for F, the modules whose output is added to x, and those that the sum goes through."""
        attention = self.norm1, [self.self_attn, self.drop1]
        feedforward = self.norm2, [self.linear1, self.activation, self.drop, self.linear2, self.drop2]
        branches: list[tuple[list[ModuleLike], list[ModuleLike]]] = []
        for norm, parts in (attention, feedforward):
            modules = [module for module in parts if module is not None]
            branches.append(([norm, *modules], []) if self.norm_first else (modules, [norm]))
        return branches

    @classmethod
    def examples(cls) -> list[tuple[TransformerBlock, tuple[int, ...]]]:
        return [
            (cls(2, 1, 2), (2, 2)),
            (cls(2, 1, 2, activation="swiglu", norm="rms_norm", norm_first=False, causal=True, bias=False), (2, 2)),
        ]


def _through(modules: list[ModuleLike], x: Tensor) -> Tensor:
    for module in modules:
        x = module.forward(x)
    return x


def _back_through(modules: list[ModuleLike], grad: Tensor) -> Tensor:
    for module in reversed(modules):
        grad = cast("Tensor", module.backward(grad))
    return grad
