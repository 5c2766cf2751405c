"""Rules that need a parameter's shape, as third parties would write them; `plain_rules` has the same in plain torch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, State, Step, hyperparameter


class Muon(Optimizer):
    """Make the momentum of a matrix nearly orthogonal.

    Update:   ``m ← momentum m + g``; ``θ ← θ − lr √max(1, rows / columns) NS₅(g + momentum m)``
    Variant:  Nesterov momentum; five Newton-Schulz iterations in the parameter's dtype; no weight decay
    Source:   Jordan et al. 2024, https://kellerjordan.github.io/posts/muon
    """

    elementwise = False
    ranks = (2,)
    lr: LearningRate = hyperparameter(default=0.02, at_least=0)
    momentum: float = hyperparameter(default=0.95, at_least=0, below=1)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].mul_(self.momentum).add_(grad)
        x = grad + self.momentum * m
        rows, columns = parameter.shape
        if rows > columns:
            x = x.mT
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            square = x @ x.mT
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        if rows > columns:
            x = x.mT
        return max(1, rows / columns) ** 0.5 * x


class Lamb(Optimizer):
    """Take Adam's step, as long as the parameter itself.

    Update:   ``r = m̂ / (√v̂ + eps) + weight_decay θ``; ``θ ← θ − lr ‖θ‖ / ‖r‖ r``
    Variant:  with bias correction; a ratio of 1 where a norm is 0
    Source:   You et al. 2020, arXiv:1904.00962
    """

    elementwise = False
    decay_kind = "other"
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-6, above=0)
    weight_decay: float = hyperparameter(default=0.01, at_least=0)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> Mapping[str, float]:
        return {"bias1": 1 - self.betas[0] ** t, "bias2": 1 - self.betas[1] ** t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.betas[0])
        v = state["v"].lerp_(grad * grad, 1 - self.betas[1])
        r = m / step["bias1"] / ((v / step["bias2"]).sqrt() + self.eps) + self.weight_decay * parameter
        length, own = parameter.norm(), r.norm()
        return torch.where((length > 0) & (own > 0), length / own, 1.0) * r


class Adafactor(Optimizer):
    """Divide by the root of a factored mean square, of which a matrix keeps the means of its rows and columns.

    Update:   ``r, c ←`` running means of g² + 1e-30 over columns and rows; ``u = g / √(r cᵀ / mean r)``;
              ``θ ← θ − lr u / max(1, rms u)``
    Variant:  decay 1 − t^−0.8, without relative steps; the whole mean square for parameters that are no matrices
    Source:   Shazeer & Stern 2018, arXiv:1804.04235
    """

    elementwise = False
    lr: LearningRate = hyperparameter(default=1e-3, at_least=0)

    def init(self, parameter: Tensor) -> State:
        if parameter.dim() != 2:
            return {"v": torch.zeros_like(parameter)}
        return {"row": torch.zeros_like(parameter[:, 0]), "column": torch.zeros_like(parameter[0])}

    def scalars(self, t: int) -> Mapping[str, float]:
        return {"new": t**-0.8}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        square = grad * grad + 1e-30
        if parameter.dim() != 2:
            v = state["v"].lerp_(square, step["new"])
        else:
            row = state["row"].lerp_(square.mean(1), step["new"])
            column = state["column"].lerp_(square.mean(0), step["new"])
            v = row.unsqueeze(1) * (column / row.mean())
        u = grad / v.sqrt()
        return u / u.square().mean().sqrt().clamp_min(1)


class Soap(Optimizer):
    """Take Adam's step in the eigenbasis of the running mean of G Gᵀ.

    Update:   ``L ← β₂ L + (1 − β₂) g gᵀ``; ``Q ← qr(L Q)``; ``v ← β₂ v + (1 − β₂) (Qᵀ g)²``;
              ``θ ← θ − lr Q (Qᵀ m / (√v + eps))``
    Variant:  the left basis alone, one power iteration at each step; no bias correction; L starts at 1e-3 I
    Source:   after Vyas et al. 2024, arXiv:2409.11321
    """

    elementwise = False
    ranks = (2,)
    betas: tuple[float, float] = hyperparameter(default=(0.95, 0.95), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)

    def init(self, parameter: Tensor) -> State:
        eye = torch.eye(len(parameter), dtype=parameter.dtype, device=parameter.device)
        zeros = torch.zeros_like(parameter)
        return {"m": zeros, "v": zeros.clone(), "L": 1e-3 * eye, "Q": eye}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        m = state["m"].lerp_(grad, 1 - beta1)
        left = state["L"].lerp_(grad @ grad.mT, 1 - beta2)
        basis = state["Q"].copy_(torch.linalg.qr(left @ state["Q"])[0])
        v = state["v"].lerp_((basis.mT @ grad).square(), 1 - beta2)
        return basis @ (basis.mT @ m / (v.sqrt() + self.eps))
