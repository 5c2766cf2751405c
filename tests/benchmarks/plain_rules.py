"""The rules of `matrix_rules` as a user of torch writes them: a loop over the parameters and nothing around it."""

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
            m.mul_(momentum).add_(g)
            x = g.add(m, alpha=momentum)
            rows, columns = p.shape
            if rows > columns:
                x = x.mT
            x = x / (x.norm() + 1e-7)
            for _ in range(5):
                square = x @ x.mT
                x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
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


def soap(
    parameters: Sequence[Tensor],
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.95, 0.95),
    eps: float = 1e-8,
    bias_lr: float = 0.1,
) -> Step:
    """Return the step of Adam in a left eigenbasis on the matrices, with plain gradient descent on the rest."""
    matrices = [p for p in parameters if p.dim() == 2]
    first, second = ({id(p): torch.zeros_like(p) for p in matrices} for _ in betas)
    bases = {id(p): torch.eye(len(p), dtype=p.dtype) for p in matrices}
    lefts = {key: 1e-3 * eye for key, eye in bases.items()}
    beta1, beta2 = betas

    def step(grads: Sequence[Tensor]) -> None:
        for p, g in zip(parameters, grads, strict=True):
            if p.dim() != 2:
                p.sub_(g, alpha=bias_lr)
                continue
            key = id(p)
            m = first[key].lerp_(g, 1 - beta1)
            left = lefts[key].lerp_(g @ g.mT, 1 - beta2)
            basis = bases[key] = torch.linalg.qr(left @ bases[key])[0]
            v = second[key].lerp_((basis.mT @ g).square_(), 1 - beta2)
            p.sub_(basis @ (basis.mT @ m).div_(v.sqrt().add_(eps)), alpha=lr)

    return step
