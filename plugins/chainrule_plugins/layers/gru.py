"""The layer of gated recurrent units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.ops import affine
from chainrule_plugins.recurrence import Cell, Recurrence


class Gru(Recurrence):
    """Carry a hidden state through each sequence, which gates reset and update.

    Forward:  ``r, z = σ, σ (W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh)``, ``n = tanh(W_in xₜ + b_in + r (W_hn hₜ₋₁ + b_hn))``,
              ``hₜ = (1 − z) n + z hₜ₋₁`` with h₀ = 0; layers, directions, output and dropout as in rnn
    Backward: ``dhₜ = dyₜ + z dhₜ₊₁ + W_hhᵀ da_hₜ₊₁``, with z of step t + 1; with m = W_hn hₜ₋₁ + b_hn,
              ``da_n = dh (1 − z)(1 − n²)``, ``da_r = da_n m r(1 − r)``, ``da_z = dh (hₜ₋₁ − n) z(1 − z)``; the map of x
              gets ``(da_r, da_z, da_n)``, that of h ``da_h = (da_r, da_z, da_n r)``; the rest as in rnn
    Shapes:   x (M, N, T, input_size), W_ih (M, 3 H, in), W_hh (M, 3 H, H), b (M, 3 H), y (M, N, T, directions H), or
              (M, N, directions H) for the last
    Source:   Cho et al. 2014, arXiv:1406.1078, with r applied to the product W_hn hₜ₋₁, as in torch
    Raises:   ShapeError if x is not (N, T, input_size), with T at least 1; HyperparameterError for an unknown output,
              or dropout that is not from 0 to 1, or has no layers to act between.
    """

    gates = 3
    kept = 3

    def unroll(self, x: Tensor, cell: Cell) -> tuple[Tensor, ...]:
        size = self.hidden_size
        h = cell.first_state(x)
        results: list[tuple[Tensor, ...]] = []
        for step in cell.steps(affine(x, cell.weight_ih, cell.bias_ih)):
            a = affine(h, cell.weight_hh, cell.bias_hh)  # (M, N, 3 H), as is step
            m = a[..., 2 * size :]
            both = (step[..., : 2 * size] + a[..., : 2 * size]).sigmoid()
            r, z = both.chunk(2, -1)
            n = torch.addcmul(step[..., 2 * size :], r, m).tanh()
            h = torch.lerp(n, h, z)
            results.append((h, both, n, m))
        return tuple(cell.sequence(steps) for steps in zip(*results, strict=True))

    def unroll_backward(self, grad: Tensor, h: Tensor, kept: Sequence[Tensor], cell: Cell) -> tuple[Tensor, Tensor]:
        gates, n, m = kept
        r, z = gates.chunk(2, -1)
        n_slope = (1 - z) * (1 - n * n)
        slopes = torch.stack(
            [n_slope * m * r * (1 - r), (cell.previous(h) - n) * z * (1 - z), n_slope * r], -2
        )  # (M, N, T, 3, H)
        carried, da_h = torch.zeros_like(h[:, :, 0]), torch.zeros_like(slopes[:, :, 0]).flatten(-2)
        grads: list[tuple[Tensor, Tensor]] = []
        for dy, z_t, slope in zip(*(reversed(cell.steps(each)) for each in (grad, z, slopes)), strict=True):
            dh = torch.baddbmm(dy + carried, da_h, cell.weight_hh.data)
            da_h = (dh.unsqueeze(-2) * slope).flatten(-2)
            carried = dh * z_t
            grads.append((dh, da_h))
        dh, da_h = (cell.sequence(steps) for steps in zip(*reversed(grads), strict=True))
        return torch.cat([da_h[..., : 2 * self.hidden_size], dh * n_slope], -1), da_h

    @classmethod
    def examples(cls) -> list[tuple[Gru, tuple[int, ...]]]:
        return [(cls(1, 2), (3, 1)), (cls(1, 1, 2, dropout=0.4, bidirectional=True, output="last"), (2, 1))]
