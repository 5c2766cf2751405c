"""The layer of long short-term memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule_plugins.recurrence import Cell, Recurrence


class Lstm(Recurrence):
    """Carry a hidden state and a memory cell through each sequence; gates write, keep and read the cell.

    Forward:  ``i, f, g, o = σ, σ, tanh, σ (W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh)``, ``cₜ = f cₜ₋₁ + i g``,
              ``hₜ = o tanh(cₜ)`` with h₀ = c₀ = 0; layers, directions, output and dropout as in rnn
    Backward: ``dhₜ = dyₜ + W_hhᵀ daₜ₊₁``, ``dcₜ = dhₜ o (1 − tanh²(cₜ)) + f dcₜ₊₁``, with f of step t + 1;
              ``da = (dc g i(1 − i), dc cₜ₋₁ f(1 − f), dc i (1 − g²), dh tanh(cₜ) o(1 − o))``; the rest as in rnn
    Shapes:   x (M, N, T, input_size), W_ih (M, 4 H, in), W_hh (M, 4 H, H), b (M, 4 H), y (M, N, T, directions H), or
              (M, N, directions H) for the last
    Source:   Hochreiter & Schmidhuber 1997; with forget gates, Gers, Schmidhuber & Cummins 2000
    Raises:   ShapeError if x is not (N, T, input_size), with T at least 1; HyperparameterError for an unknown output,
              or dropout that is not from 0 to 1, or has no layers to act between.
    """

    gates = 4
    kept = 4

    def unroll(self, x: Tensor, cell: Cell) -> tuple[Tensor, ...]:
        h = c = cell.first_state(x)
        results: list[tuple[Tensor, ...]] = []
        for step in cell.steps(cell.affine(x)):
            a = torch.baddbmm(step, h, cell.weight_hh.transposed)  # (M, N, 4 H)
            gate = a.sigmoid()  # of g too, which takes less time than three calls for the others
            i, f, _, o = gate.chunk(4, -1)
            g = a.chunk(4, -1)[2].tanh()
            c = torch.addcmul(f * c, i, g)
            value = c.tanh()
            h = o * value
            results.append((h, gate, g, c, value))
        return tuple(cell.sequence(steps) for steps in zip(*results, strict=True))

    def unroll_backward(self, grad: Tensor, h: Tensor, kept: Sequence[Tensor], cell: Cell) -> tuple[Tensor, Tensor]:
        gates, g, c, value = kept
        i, f, _, o = gates.chunk(4, -1)
        c_slopes = o * (1 - value * value)
        slopes = [g * i * (1 - i), cell.previous(c) * f * (1 - f), i * (1 - g * g), value * o * (1 - o)]
        factors = (grad, f, c_slopes, torch.cat(slopes, -1))
        da, carried = torch.zeros_like(gates[:, :, 0]), torch.zeros_like(c[:, :, 0])
        grads: list[Tensor] = []
        for dy, f_t, c_slope, slope in zip(*(reversed(cell.steps(each)) for each in factors), strict=True):
            dh = torch.baddbmm(dy, da, cell.weight_hh.data)
            dc = torch.addcmul(carried, dh, c_slope)
            da = torch.cat([dc, dc, dc, dh], -1) * slope
            carried = dc * f_t
            grads.append(da)
        da = cell.sequence(grads[::-1])
        return da, da

    @classmethod
    def examples(cls) -> list[tuple[Lstm, tuple[int, ...]]]:
        return [(cls(1, 2), (3, 1)), (cls(1, 1, 2, dropout=0.4, bidirectional=True, output="last"), (2, 1))]
