"""Test what the adapter does once, and what anew at every step, by counting."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from chainrule.updates.watching import is_elementwise
from chainrule_torch import optim
from chainrule_torch.adapter import group_rule


def with_gradients(*shapes: Any) -> list[torch.nn.Parameter]:
    parameters = [torch.nn.Parameter(torch.linspace(-1, 1, torch.Size(shape).numel()).view(shape)) for shape in shapes]
    for i, each in enumerate(parameters):
        each.grad = torch.full_like(each, i + 1.0)
    return parameters


def test_other_numbers_do_not_have_the_rule_watched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = []
    monkeypatch.setattr(group_rule, "is_elementwise", lambda rule: watched.append(rule) or is_elementwise(rule))
    stepper = optim.sgd(with_gradients((3,)), lr=0.1, momentum=0.9, nesterov=True)
    (group,) = stepper.param_groups
    for t in range(1, 6):
        group["lr"], group["momentum"] = 0.1 / t, 0.9 - 0.1 * t
        stepper.step()
    assert len(watched) == 1
    group["nesterov"], group["weight_decay"] = False, 0.1
    stepper.step()
    assert len(watched) == 2
