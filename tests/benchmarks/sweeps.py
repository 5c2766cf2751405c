"""A sweep of 4 widths, 13 learning rates and 5 seeds, against a loop of the 260 single runs."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import torch
from rounds import Spread, alternate

import chainrule
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.tasks import circle
from chainrule_lab.sweep import log_uniform
from chainrule_lab.sweep.space import trials_of

SEARCH: Mapping[str, Any] = {"width": [4, 8, 16, 32], "lr": log_uniform(1e-4, 1e-1, points=13), "seed": range(5)}
ROWS = 200
STEPS = 200
BATCH_SIZE = 20

FORMS = {"fit": torch.float32, "fit, float64": torch.float64, "fit_compiled": torch.float32}
GOAL = 20.0


def main() -> None:
    rounds = int(sys.argv[1])
    torch.set_num_threads(1)
    settings = trials_of(SEARCH, "grid", None, 0)
    result = {"trials": len(settings), "steps": STEPS, "goal": GOAL, "difference": difference(settings)}
    result["forms"] = {}
    for form, dtype in FORMS.items():
        how = {"dtype": dtype, "compile": form == "fit_compiled"}
        both = {"sweep": partial(swept, **how), "loop": partial(looped, settings, **how)}
        for one in both.values():
            one()  # warm, and compiled for every width and number of members
        times = alternate(both, rounds)
        result["forms"][form] = {
            "seconds": {name: vars(Spread.of(values)) for name, values in times.items()},
            "ratio": vars(Spread.of_ratios(times["loop"], times["sweep"])),
        }
    print(json.dumps(result))


def build(width: int, lr: float) -> tuple[Any, Any]:
    return sequential(linear(2, width), relu(), linear(width, 2)), adam(lr=lr)


def arguments(dtype: torch.dtype) -> dict[str, Any]:
    """Return what a single run and the sweep have in common."""
    data = circle().splits(seed=0)
    train, validation = ((x[:ROWS].to(dtype), y[:ROWS]) for x, y in (data.train, data.validation))
    epochs = STEPS * BATCH_SIZE // ROWS
    return {"train": train, "validation": validation, "epochs": epochs, "batch_size": BATCH_SIZE}


def sweep(dtype: torch.dtype, *, compile: bool) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "sweep.db"
        given = {**arguments(dtype), "compile": compile, "dtype": dtype, "store": store}
        return chainrule.sweep(build, SEARCH, loss=cross_entropy(), **given)


def single(settings: Mapping[str, Any], given: Mapping[str, Any], dtype: torch.dtype, *, compile: bool) -> Any:
    module, optimizer = build(settings["width"], settings["lr"])
    network = module.build(seed=settings["seed"], dtype=dtype)
    return chainrule.fit(network, cross_entropy(), optimizer, compile=compile, **given)


def difference(settings: Any) -> float:
    """Return the greatest difference of a loss from the single run's, as a part of it."""
    given, greatest = arguments(torch.float64), 0.0
    for row in sweep(torch.float64, compile=False):
        history = single(row.settings, given, torch.float64, compile=False)
        for name, curve in history.items():
            ours = torch.tensor(row.curves[name], dtype=torch.float64)
            greatest = max(greatest, float(((ours - curve) / curve).abs().max()))
    return greatest


def swept(dtype: torch.dtype, *, compile: bool) -> float:
    """Return the CPU time of the sweep."""
    start = process_time()
    sweep(dtype, compile=compile)
    return process_time() - start


def looped(settings: Any, dtype: torch.dtype, *, compile: bool) -> float:
    """Return the CPU time of the loop."""
    given, start = arguments(dtype), process_time()
    for one in settings:
        single(one, given, dtype, compile=compile)
    return process_time() - start


if __name__ == "__main__":
    main()
