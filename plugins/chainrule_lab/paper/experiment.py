"""Training one setting over its seeds: the curves per epoch, and the values on the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

import chainrule
from chainrule import Loss, Metric, Module, Optimizer, Splits
from chainrule_lab.paper.experiment_settings import (
    BATCH_SIZE,
    HIDDEN_ACTIVATION,
    HIDDEN_SIZES,
    REDUCTION,
    TASK,
    Setting,
)


class Parts(NamedTuple):
    """The parts of a setting, newly created and not yet built."""

    network: Module
    loss: Loss
    optimizer: Optimizer
    metric: Metric


@dataclass(frozen=True)
class Outcome:
    """The outcome of one setting.

    Attributes:
        setting: the setting that was run.
        initial: by curve name, the values before training, one per seed.
        curves: by name, for each seed one value per epoch.
        test: loss and accuracy after training, one value per seed.
    """

    setting: Setting
    initial: Mapping[str, list[float]]
    curves: Mapping[str, list[list[float]]]
    test: Mapping[str, list[float]]


def declare(setting: Setting) -> Parts:
    """Create the setting's parts.

    Raises:
        UnknownComponentError: if a component is not installed; the message names it.
    """
    is_mse = setting.loss == "mse"
    sizes = (2, *HIDDEN_SIZES, 1 if is_mse else 2)
    modules: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        modules += [_linear(inputs, outputs, setting), chainrule.create("activations", HIDDEN_ACTIVATION)]
    modules[-1:] = [chainrule.create("activations", "sigmoid")] if is_mse else []
    return Parts(
        chainrule.create("layers", "sequential", *modules),
        chainrule.create("losses", setting.loss, reduction=REDUCTION),
        chainrule.create("optimizers", setting.optimizer, **setting.hyperparameters),
        chainrule.create("metrics", "binary_accuracy" if is_mse else "accuracy"),
    )


def run(setting: Setting, seeds: Sequence[int], epochs: int, callbacks: Sequence[object] = ()) -> Outcome:
    """Train an ensemble of one member per seed, each with that seed's data, initial weights and batch order."""
    parts = declare(setting)
    splits = stacked_splits(setting, seeds)
    network = parts.network.build(seeds=seeds)
    metrics = {"accuracy": parts.metric}

    def values(split: tuple[Tensor, Tensor]) -> dict[str, list[float]]:
        found = chainrule.evaluate(network, parts.loss, split, metrics=metrics, per_member=True)
        return {name: value.tolist() for name, value in found.items()}

    initial = {
        f"{name}_{key}": value
        for name, split in (("train", splits.train), ("validation", splits.validation))
        for key, value in values(split).items()
    }
    history = chainrule.fit(
        network,
        parts.loss,
        parts.optimizer,
        train=splits.train,
        validation=splits.validation,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        metrics=metrics,
        callbacks=callbacks,
        per_member=True,
    )
    curves = {name: curve.T.tolist() for name, curve in history.items()}
    return Outcome(setting, initial, curves, values(splits.test))


def stacked_splits(setting: Setting, seeds: Sequence[int]) -> Splits:
    """Return the data of all seeds, stacked along the member axis, with y as the setting's loss takes it.

    Shapes: x (M, N, 2); y (M, N) class indices for cross-entropy, (M, N, 1) zeros and ones for MSE
    """
    task = chainrule.create("tasks", TASK)
    members = [task.splits(seed) for seed in seeds]
    pairs = []
    for split in zip(*members, strict=True):
        x, y = (torch.stack(tensors) for tensors in zip(*split, strict=True))
        pairs.append((x, y.to(x.dtype).unsqueeze(-1) if setting.loss == "mse" else y))
    return Splits(*pairs)


def _linear(inputs: int, outputs: int, setting: Setting) -> Module:
    if setting.initialization == "uniform":
        initial: dict[str, tuple[str, dict[str, Any]]] = {"weight_init": ("uniform", {}), "bias_init": ("uniform", {})}
    else:
        initial = {"weight_init": ("xavier_normal", {"gain": 1.0}), "bias_init": ("zeros", {})}
    made = {key: chainrule.create("initializers", name, **arguments) for key, (name, arguments) in initial.items()}
    layer: Module = chainrule.create("layers", "linear", inputs, outputs, **made)
    return layer
