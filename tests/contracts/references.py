"""Oracles in float64 for the built-in rules: torch.optim where the forms coincide, a formula written anew elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer


def by_torch(kind: Any, settings: dict[str, Any], parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the positions of an optimizer of torch.optim."""
    theta, passed = torch.nn.Parameter(parameter.clone()), []
    optimizer = kind([theta], **settings)
    for gradient in gradients:
        theta.grad = gradient.clone()
        optimizer.step()
        passed.append(theta.detach().clone())
    return passed


Number = Callable[[float, float, dict[str, float], int], float]
"""Where one number θ goes with gradient g, given what it remembers and t."""


def by_formula(formula: Number, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the positions of a formula that is applied number by number, in Python's floats."""

    def paths() -> Iterator[list[float]]:
        for i, theta in enumerate(parameter.flatten().tolist()):
            memory: dict[str, float] = {}
            path = []
            for t, gradient in enumerate(gradients, start=1):
                theta = formula(theta, gradient.flatten()[i].item(), memory, t)
                path.append(theta)
            yield path

    return list(torch.tensor(list(paths()), dtype=torch.float64).T.reshape(len(gradients), *parameter.shape))


def adam(rule: Any, parameter: Tensor, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    settings = {"lr": rule.lr, "betas": rule.betas, "eps": rule.eps}
    return by_torch(torch.optim.Adam, settings, parameter, gradients)


def sgd(rule: Any, parameter: Tensor, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    settings = {name: getattr(rule, name) for name in ("lr", "momentum", "nesterov", "weight_decay")}
    return by_torch(torch.optim.SGD, settings, parameter, gradients)


def adagrad(rule: Any, parameter: Tensor, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    if not rule.weight_decay:
        settings = {"lr": rule.lr, "lr_decay": rule.lr_decay, "eps": rule.eps}
        settings["initial_accumulator_value"] = rule.initial_accumulator
        return by_torch(torch.optim.Adagrad, settings, parameter, gradients)

    def formula(theta: float, g: float, memory: dict[str, float], t: int) -> float:
        s = memory["s"] = memory.get("s", rule.initial_accumulator) + g**2
        d = g / (math.sqrt(s) + rule.eps) / (1 + (t - 1) * rule.lr_decay)
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


def rmsprop(rule: Any, parameter: Tensor, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    if not rule.weight_decay and not rule.eps_inside:
        settings = {name: getattr(rule, name) for name in ("lr", "momentum", "centered", "eps")}
        return by_torch(torch.optim.RMSprop, {**settings, "alpha": rule.decay}, parameter, gradients)

    def formula(theta: float, g: float, memory: dict[str, float], _: int) -> float:
        v = memory["v"] = rule.decay * memory.get("v", 0.0) + (1 - rule.decay) * g**2
        mean = memory["mean"] = rule.decay * memory.get("mean", 0.0) + (1 - rule.decay) * g
        variance = v - mean**2 if rule.centered else v
        d = g / (math.sqrt(variance + rule.eps) if rule.eps_inside else math.sqrt(variance) + rule.eps)
        d = memory["b"] = rule.momentum * memory.get("b", 0.0) + d
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


def adadelta(rule: Any, parameter: Tensor, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
    if not rule.weight_decay:
        settings = {name: getattr(rule, name) for name in ("lr", "rho", "eps")}
        return by_torch(torch.optim.Adadelta, settings, parameter, gradients)

    def formula(theta: float, g: float, memory: dict[str, float], _: int) -> float:
        v = memory["v"] = rule.rho * memory.get("v", 0.0) + (1 - rule.rho) * g**2
        d = math.sqrt(memory.get("u", 0.0) + rule.eps) / math.sqrt(v + rule.eps) * g
        memory["u"] = rule.rho * memory.get("u", 0.0) + (1 - rule.rho) * d**2
        return theta - rule.lr * d - rule.lr * rule.weight_decay * theta

    return by_formula(formula, parameter, gradients)


REFERENCES: dict[str, Callable[[Optimizer, Tensor, Sequence[Tensor]], Sequence[Tensor]]] = {
    "adadelta": adadelta,
    "adagrad": adagrad,
    "adam": adam,
    "rmsprop": rmsprop,
    "sgd": sgd,
}
"""By the name under which the rule is registered."""
