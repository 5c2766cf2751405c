"""Adam for torch, each with one difference from the built-in rule, and the step at which it first shows."""

import math

import torch


class Adam(torch.optim.Optimizer):
    """Adam as the built-in rule has it, with places to differ."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    def start(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter)

    def gradient(self, parameter, t):
        return parameter.grad

    def squares(self, v, g, beta2, t):
        return beta2 * v + (1 - beta2) * g**2

    def direction(self, m, v, g, betas, eps, t):
        m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        return m / (v.sqrt() + eps)

    def lr_at(self, lr, t):
        return lr

    @torch.no_grad()
    def step(self):
        group = self.param_groups[0]
        for parameter in group["params"]:
            state = self.state[parameter]
            if not state:
                state["t"], (state["m"], state["v"]) = 0, self.start(parameter)
            state["t"] += 1
            t, betas = state["t"], group["betas"]
            g = self.gradient(parameter, t)
            state["m"] = betas[0] * state["m"] + (1 - betas[0]) * g
            state["v"] = self.squares(state["v"], g, betas[1], t)
            direction = self.direction(state["m"], state["v"], g, betas, group["eps"], t)
            parameter -= self.lr_at(group["lr"], t) * direction


class EpsInside(Adam):
    def direction(self, m, v, g, betas, eps, t):
        m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        return m / (v + eps).sqrt()


class EpsBeforeTheCorrection(Adam):
    def direction(self, m, v, g, betas, eps, t):
        return m / (1 - betas[0] ** t) / (v.sqrt() + eps) * math.sqrt(1 - betas[1] ** t)


class StartsAtOne(Adam):
    def start(self, parameter):
        return torch.zeros_like(parameter), torch.ones_like(parameter)


class CoupledDecay(Adam):
    def gradient(self, parameter, t):
        return parameter.grad + 0.1 * parameter

    def __init__(self, params, weight_decay=0.1, **settings):
        super().__init__(params, **settings)


class NoCorrectionOfTheMean(Adam):
    def direction(self, m, v, g, betas, eps, t):
        return m / ((v / (1 - betas[1] ** t)).sqrt() + eps)


class NoCorrections(Adam):
    def direction(self, m, v, g, betas, eps, t):
        return m / (v.sqrt() + eps)


class DecaysFromTheTwentieth(Adam):
    def gradient(self, parameter, t):
        return parameter.grad + 0.1 * parameter if t >= 20 else parameter.grad


class HalfTheRateFromTheThirteenth(Adam):
    def lr_at(self, lr, t):
        return lr / 2 if t >= 13 else lr


class ForgetsTheSquaresAtTheSeventh(Adam):
    def squares(self, v, g, beta2, t):
        return g**2 if t == 7 else super().squares(v, g, beta2, t)


class RoundsAtTheFortieth(Adam):
    def direction(self, m, v, g, betas, eps, t):
        exact = super().direction(m, v, g, betas, eps, t)
        return exact.float().double() if t == 40 else exact


PLANTED = {
    EpsInside: (1, "eps inside the root: √(v + eps)"),
    EpsBeforeTheCorrection: (1, "eps before the bias correction: √v̂ + eps / √(1 − β₂ᵗ)"),
    StartsAtOne: (1, "v started at 1"),
    CoupledDecay: (1, "decay 0.1 coupled: g + w θ"),
    NoCorrectionOfTheMean: (1, "without bias1: 1 in its place"),
    NoCorrections: (1, "without bias1 and bias2: 1 in its place"),
    ForgetsTheSquaresAtTheSeventh: (7, None),
    HalfTheRateFromTheThirteenth: (13, None),
    DecaysFromTheTwentieth: (20, None),
    RoundsAtTheFortieth: (40, None),
}
"""By class, the first step that differs, and the variant of ours that closes the gap, if any."""
