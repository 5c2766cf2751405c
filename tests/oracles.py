"""Independent answers with which components are compared, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule import Optimizer
from chainrule.testing import checks_of, run, subject
from chainrule.testing.subject import Reference

(TRAJECTORY,) = (check for check in checks_of("optimizers") if check.name == "trajectory_follows_the_reference")

Number = Callable[[float, float, dict[str, float], int], float]
"""Where one number θ goes with gradient g, given what it remembers and t."""


def by_torch(kind: Any, settings: dict[str, Any], parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the positions of an optimizer of torch.optim."""
    theta, passed = torch.nn.Parameter(parameter.clone()), []
    optimizer = kind([theta], **settings)
    for gradient in gradients:
        theta.grad = gradient.clone()
        optimizer.step()
        passed.append(theta.detach().clone())
    return passed


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


def assert_follows(reference: Reference, rule: type[Optimizer], **settings: Any) -> None:
    """Compare a rule with its reference at settings that none of its examples has."""
    result = run(subject(rule, reference=reference, **settings), TRAJECTORY)
    assert result.outcome == "passed", result.detail
