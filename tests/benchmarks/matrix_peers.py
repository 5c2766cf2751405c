"""Rules that are not elementwise by the optimizers of torch and pytorch-optimizer, with the settings of ours."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import plain_rules
import torch
from torch import Tensor

LIBRARIES = ("torch", "pytorch_optimizer")

Optimizers = Callable[[list[Tensor], list[Tensor]], Iterable[Any]]
"""Makes the optimizers of a network from its matrices and its vectors."""


def by_library(optimizers: Optimizers) -> Callable[[Sequence[Tensor]], plain_rules.Step]:
    """Return a function of parameters that returns the step of a library's optimizers on them."""

    def start(parameters: Sequence[Tensor]) -> plain_rules.Step:
        leaves = [torch.nn.Parameter(p.clone()) for p in parameters]
        made = list(optimizers([p for p in leaves if p.dim() > 1], [p for p in leaves if p.dim() < 2]))

        def step(grads: Sequence[Tensor]) -> None:
            for leaf, grad in zip(leaves, grads, strict=True):
                leaf.grad = grad
            for optimizer in made:
                optimizer.step()

        return step

    return start


def torchs_muon(matrices: list[Tensor], vectors: list[Tensor]) -> Iterable[Any]:
    yield torch.optim.Muon(matrices, lr=0.02, weight_decay=0.0)
    yield torch.optim.SGD(vectors, lr=0.1)


def muon(matrices: list[Tensor], vectors: list[Tensor]) -> Iterable[Any]:
    import pytorch_optimizer

    yield pytorch_optimizer.Muon([{"params": matrices, "use_muon": True}])
    yield torch.optim.SGD(vectors, lr=0.1)


def of_all(name: str, **settings: Any) -> Optimizers:
    """Return a function that makes one optimizer of pytorch-optimizer for all parameters."""

    def optimizers(matrices: list[Tensor], vectors: list[Tensor]) -> Iterable[Any]:
        import pytorch_optimizer

        yield getattr(pytorch_optimizer, name)([*matrices, *vectors], **settings)

    return optimizers


def of_each(**optimizers: Optimizers) -> dict[str, Callable[[Sequence[Tensor]], plain_rules.Step]]:
    """Return the steps of the libraries that are installed, by their names."""
    return {name: by_library(made) for name, made in optimizers.items() if importlib.util.find_spec(name)}


PEERS = {
    "muon": of_each(torch=torchs_muon, pytorch_optimizer=muon),
    "lamb": of_each(pytorch_optimizer=of_all("Lamb", weight_decay=0.01)),
    "lars": of_each(pytorch_optimizer=of_all("LARS", lr=1.0)),
    "adafactor": of_each(
        pytorch_optimizer=of_all("AdaFactor", lr=1e-3, betas=(None, 0.999), scale_parameter=False, relative_step=False)
    ),
    "came": of_each(pytorch_optimizer=of_all("CAME")),
    "scion": of_each(pytorch_optimizer=of_all("SCION")),
    "shampoo": of_each(pytorch_optimizer=of_all("Shampoo", lr=0.1, matrix_eps=1e-4, preconditioning_compute_steps=10)),
    "soap": of_each(pytorch_optimizer=of_all("SOAP")),
}
"""By the name of the rule."""
