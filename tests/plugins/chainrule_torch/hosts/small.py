"""A small regression that every host trains, and the plain loop that it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from chainrule_torch import optimizer

RULES: dict[str, dict[str, Any]] = {
    "adamw": {"lr": 1e-2, "weight_decay": 0.1},
    "lion": {"lr": 3e-3},
    "muon": {"lr": 1e-2},
    "schedule_free_adamw": {"lr": 1e-2},
    "qhadam": {"lr": 1e-2},
    "dog": {"reps_rel": 1e-2},
}
"""Built-in rules and those of the example packages, with settings that learn in a few steps."""


def network(name: str) -> torch.nn.Sequential:
    """Return a network, of matrices alone if the rule is for these only."""
    torch.manual_seed(0)
    if name == "muon":
        hidden, last = torch.nn.Linear(4, 8, bias=False), torch.nn.Linear(8, 2, bias=False)
        return torch.nn.Sequential(hidden, torch.nn.Tanh(), last)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Tanh(), torch.nn.Linear(8, 2))


def dataset() -> torch.utils.data.TensorDataset:
    x = torch.randn(24, 4, generator=torch.Generator().manual_seed(1))
    return torch.utils.data.TensorDataset(x, torch.stack([x.sum(1), x[:, 0] - x[:, 1]], dim=1))


def batches() -> torch.utils.data.DataLoader[Any]:
    return torch.utils.data.DataLoader(dataset(), batch_size=4)


def loss_of(net: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return (net(x) - y).square().mean()


def weights(module: torch.nn.Module) -> list[Tensor]:
    return [one.detach().clone() for one in module.parameters()]


def stepper_for(net: torch.nn.Module, name: str) -> Any:
    return optimizer(name, net.parameters(), **RULES[name])


def decayed(stepper: Any) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.ExponentialLR(stepper, 0.8)


def plain_loop(name: str, epochs: int = 2, accumulate: int = 1) -> list[Tensor]:
    """Return the weights after a loop without any host, with a scheduler that acts after every epoch."""
    net = network(name)
    stepper = stepper_for(net, name)
    schedule = decayed(stepper)
    for _ in range(epochs):
        for i, (x, y) in enumerate(batches(), start=1):
            (loss_of(net, x, y) / accumulate).backward()
            if i % accumulate == 0:
                stepper.step()
                stepper.zero_grad()
        schedule.step()
    return weights(net)


def whole_loss(net: torch.nn.Module) -> float:
    x, y = dataset().tensors
    with torch.no_grad():
        return float(loss_of(net, x, y))
