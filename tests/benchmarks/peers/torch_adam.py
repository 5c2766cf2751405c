"""PyTorch's own training loop, on batches that are ready: no DataLoader."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from workloads import Array, Workload

from .peer import Peer


class TorchAdam(Peer):
    """Train with torch.optim.Adam.

    Args:
        fused: of the optimizer; None is torch's default.
        compile: whether to compile the model with its loss, and the optimizer's step, as torch's tutorials do.
    """

    def __init__(self, workload: Workload, *, fused: bool | None = None, compile: bool = False) -> None:
        super().__init__(workload)
        modules: list[nn.Module] = []
        for inputs, outputs in pairwise(workload.sizes):
            modules += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.model = nn.Sequential(*modules[:-1])
        self.first = [torch.from_numpy(weight[0]) for weight in self.first_weights()]
        x, y = (torch.from_numpy(array[:, 0].copy()) for array in workload.epoch())
        self.batches = list(zip(x, y, strict=True))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=workload.lr, fused=fused)
        criterion = nn.CrossEntropyLoss()
        model = self.model

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return criterion(model(x), y)

        self.loss = torch.compile(loss) if compile else loss
        self.step = torch.compile(self.optimizer.step) if compile else self.optimizer.step

    @torch.no_grad()
    def reset(self) -> None:
        for parameter, value in zip(self.model.parameters(), self.first, strict=True):
            parameter.copy_(value)
        for state in self.optimizer.state.values():
            for tensor in state.values():
                tensor.zero_()

    def run(self, epochs: int) -> None:
        loss, step, optimizer = self.loss, self.step, self.optimizer
        for _ in range(epochs):
            for x, y in self.batches:
                optimizer.zero_grad()
                loss(x, y).backward()
                step()

    def weights(self) -> list[Array]:
        return [parameter.detach().numpy()[None].copy() for parameter in self.model.parameters()]
