"""Rules as a user of torch writes them: a loop over the parameters and nothing around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[[Sequence[Tensor]], None]
"""Takes one step, given the gradients."""


def muon(parameters: Sequence[Tensor], *, lr: float = 0.02, momentum: float = 0.95, bias_lr: float = 0.1) -> Step:
    """Return Muon's step on the matrices, with plain gradient descent on the rest."""
    momenta = [torch.zeros_like(p) for p in parameters]

    def step(grads: Sequence[Tensor]) -> None:
        for p, g, m in zip(parameters, grads, momenta, strict=True):
            if p.dim() != 2:
                p.sub_(g, alpha=bias_lr)
                continue
            m.lerp_(g, 1 - momentum)
            x = g.lerp(m, momentum)
            rows, columns = p.shape
            if rows > columns:
                x = x.mT
            x = x / x.norm().clamp_min(1e-7)
            for _ in range(5):
                square = x @ x.mT
                factor = torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315)
                x = torch.addmm(x, factor, x, beta=3.4445)
            if rows > columns:
                x = x.mT
            p.sub_(x, alpha=lr * max(1, rows / columns) ** 0.5)

    return step


def lamb(
    parameters: Sequence[Tensor],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.01,
) -> Step:
    """Return LAMB's step."""
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in betas)
    beta1, beta2 = betas
    t = 0

    def step(grads: Sequence[Tensor]) -> None:
        nonlocal t
        t += 1
        bias1, bias2 = 1 - beta1**t, 1 - beta2**t
        for p, g, m, v in zip(parameters, grads, first, second, strict=True):
            m.lerp_(g, 1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            r = (m / bias1).div_((v / bias2).sqrt_().add_(eps)).add_(p, alpha=weight_decay)
            length, own = p.norm(), r.norm()
            p.sub_(torch.where((length > 0) & (own > 0), length / own, 1.0) * r, alpha=lr)

    return step


def adafactor(parameters: Sequence[Tensor], *, lr: float = 1e-3) -> Step:
    """Return Adafactor's step, factored for the matrices."""
    states = [
        (torch.zeros_like(p[:, 0]), torch.zeros_like(p[0])) if p.dim() == 2 else (torch.zeros_like(p),)
        for p in parameters
    ]
    t = 0

    def step(grads: Sequence[Tensor]) -> None:
        nonlocal t
        t += 1
        new = t**-0.8
        for p, g, state in zip(parameters, grads, states, strict=True):
            square = g * g + 1e-30
            if p.dim() == 2:
                row, column = state
                row.lerp_(square.mean(1), new)
                column.lerp_(square.mean(0), new)
                v = torch.outer(row, column / row.mean())
            else:
                (v,) = state
                v.lerp_(square, new)
            u = g / v.sqrt()
            p.sub_(u / u.square().mean().sqrt().clamp_min(1), alpha=lr)

    return step
