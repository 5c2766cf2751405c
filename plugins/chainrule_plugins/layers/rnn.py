"""The simple recurrent layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.ops import expect_word
from chainrule_plugins.recurrence import Cell, Recurrence


class Rnn(Recurrence):
    """Carry a hidden state through each sequence, in num_layers stacked layers.

    Forward:  ``hₜ = f(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh)`` with f = tanh or relu and h₀ = 0; with bidirectional=True
              concatenated with the same from the last step to the first; y is hₜ of the last layer at each step, or
              with output="last" after the last one; between layers dropout as in `dropout`
    Backward: ``daₜ = (dyₜ + W_hhᵀ daₜ₊₁) f'(aₜ)``; ``dxₜ = W_ihᵀ daₜ``, ``dW_ih = Σ daₜ xₜᵀ``,
              ``dW_hh = Σ daₜ hₜ₋₁ᵀ``, ``db_ih = db_hh = Σ daₜ``, over all n and t
    Shapes:   x (M, N, T, input_size), W_ih (M, H, in), W_hh (M, H, H), b (M, H), y (M, N, T, directions H), or
              (M, N, directions H) for the last
    Source:   Elman 1990, "Finding structure in time"; backward Werbos 1990, "Backpropagation through time"
    Raises:   ShapeError if x is not (N, T, input_size), with T at least 1; HyperparameterError for an unknown
              nonlinearity or output, or dropout that is not from 0 to 1, or has no layers to act between.
    """

    gates = 1
    kept = 0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        *,
        dropout: float = 0.0,
        bidirectional: bool = False,
        output: str = "sequence",
    ) -> None:
        self.nonlinearity = expect_word(self, "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(
            input_size, hidden_size, num_layers, bias, dropout=dropout, bidirectional=bidirectional, output=output
        )

    def unroll(self, x: Tensor, cell: Cell) -> tuple[Tensor, ...]:
        f = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        h = cell.first_state(x)
        states: list[Tensor] = []
        for a in cell.steps(cell.affine(x)):
            h = f(torch.baddbmm(a, h, cell.weight_hh.transposed))
            states.append(h)
        return (cell.sequence(states),)

    def unroll_backward(self, grad: Tensor, h: Tensor, kept: Sequence[Tensor], cell: Cell) -> tuple[Tensor, Tensor]:
        slope = 1 - h * h if self.nonlinearity == "tanh" else h.sign()
        da = cell.first_state(h)
        grads: list[Tensor] = []
        for dy, factor in zip(reversed(cell.steps(grad)), reversed(cell.steps(slope)), strict=True):
            da = torch.baddbmm(dy, da, cell.weight_hh.data) * factor
            grads.append(da)
        da = cell.sequence(grads[::-1])
        return da, da

    @classmethod
    def examples(cls) -> list[tuple[Rnn, tuple[int, ...]]]:
        return [(cls(1, 2), (3, 1)), (cls(1, 2, 2, "relu", dropout=0.4, bidirectional=True, output="last"), (2, 1))]
