"""The paper's experiments, all seeds of a setting side by side, against a loop of torch runs."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import torch
from rounds import Spread, alternate
from startup import seconds
from torch import Tensor, nn

from chainrule_lab.paper.experiment import run, stacked_splits
from chainrule_lab.paper.experiment_settings import (
    BATCH_SIZE,
    HIDDEN_SIZES,
    PAPER_EPOCHS,
    PAPER_INSTANCES,
    SETTINGS,
    Setting,
)

OUR_EPOCHS = 10
TORCH_EPOCHS = 2
GOAL = 20.0
RULES = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
}
OPTIONS = {"decay": "alpha", "initial_accumulator": "initial_accumulator_value"}
"""Hyperparameters that torch names otherwise."""


def main() -> None:
    rounds = int(sys.argv[1])
    torch.set_num_threads(1)
    torch_loop()  # warm
    times = alternate({"chainrule": ours, "torch": torch_loop}, rounds)
    result = {
        "settings": len(SETTINGS),
        "seeds": PAPER_INSTANCES,
        "epochs": PAPER_EPOCHS,
        "measured": f"{OUR_EPOCHS} epochs of all seeds; torch {TORCH_EPOCHS} epochs of one seed; extrapolated linearly",
        "seconds": {name: vars(Spread.of(values)) for name, values in times.items()},
        "times_as_fast": vars(Spread.of_ratios(times["torch"], times["chainrule"])),
        "goal": GOAL,
        "reproduce": reproduce(),
    }
    print(json.dumps(result))


def ours() -> float:
    """Return seconds of the whole, extrapolated from fewer epochs."""
    start = process_time()
    for setting in SETTINGS:
        run(setting, range(PAPER_INSTANCES), OUR_EPOCHS)
    return (process_time() - start) * PAPER_EPOCHS / OUR_EPOCHS


def reproduce() -> float:
    """Return the CPU time of the one command, start to exit, with figures and report; measured once and whole."""
    with TemporaryDirectory() as folder:
        return seconds([str(Path(sys.executable).parent / "chainrule"), "reproduce", "--out", f"{folder}/paper"])


def torch_loop() -> float:
    """Return seconds of the whole, extrapolated from one seed and fewer epochs."""
    start = process_time()
    for setting in SETTINGS:
        train(setting, seed=0)
    return (process_time() - start) * PAPER_INSTANCES * PAPER_EPOCHS / TORCH_EPOCHS


def train(setting: Setting, seed: int) -> list[list[float]]:
    """Train one network as the setting says, with the same evaluations after each epoch."""
    splits = stacked_splits(setting, [seed])
    train, validation, test = ((x[0], y[0]) for x, y in splits)
    sizes = (2, *HIDDEN_SIZES, 1 if setting.loss == "mse" else 2)
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*modules[:-1], *[nn.Sigmoid()] * (setting.loss == "mse"))
    criterion: Any = {"mse": nn.MSELoss, "cross_entropy": nn.CrossEntropyLoss}[setting.loss](reduction="sum")
    options = {OPTIONS.get(name, name): value for name, value in setting.hyperparameters.items()}
    optimizer = RULES[setting.optimizer](model.parameters(), **options)

    @torch.no_grad()
    def evaluate(x: Tensor, y: Tensor) -> list[float]:
        prediction = model(x)
        right = (prediction > 0.5) == (y > 0.5) if setting.loss == "mse" else prediction.argmax(1) == y
        return [criterion(prediction, y).item() / len(y), right.float().mean().item()]

    curves = []
    for _ in range(TORCH_EPOCHS):
        x, y = train
        for rows in torch.randperm(len(x)).split(BATCH_SIZE):
            optimizer.zero_grad()
            criterion(model(x[rows]), y[rows]).backward()
            optimizer.step()
        curves.append([*evaluate(*train), *evaluate(*validation)])
    return [*curves, evaluate(*test)]


if __name__ == "__main__":
    main()
