"""PyTorch's way to train many models at once: torch.func over stacked parameters, and one fused Adam."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from workloads import Array, Workload

from .peer import Peer


class TorchFunc(Peer):
    trains_ensembles = True

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        modules: list[nn.Module] = []
        for inputs, outputs in pairwise(workload.sizes):
            modules += [nn.Linear(inputs, outputs), nn.ReLU()]
        base = nn.Sequential(*modules[:-1]).to("meta")
        self.first = [torch.from_numpy(weight) for weight in self.first_weights()]
        names = [name for name, _ in base.named_parameters()]
        self.parameters = {name: weight.clone() for name, weight in zip(names, self.first, strict=True)}
        x, y = map(torch.from_numpy, workload.epoch())
        self.batches = list(zip(x, y, strict=True))
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=workload.lr, fused=True)

        def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return nn.functional.cross_entropy(functional_call(base, parameters, (x,)), y)

        self.gradients = vmap(grad(loss))

    @torch.no_grad()
    def reset(self) -> None:
        for parameter, value in zip(self.parameters.values(), self.first, strict=True):
            parameter.copy_(value)
        for state in self.optimizer.state.values():
            for tensor in state.values():
                tensor.zero_()

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                for name, gradient in self.gradients(self.parameters, x, y).items():
                    self.parameters[name].grad = gradient
                self.optimizer.step()

    def weights(self) -> list[Array]:
        return [parameter.numpy().copy() for parameter in self.parameters.values()]
