"""What a run leaves: its results as JSON, its curves as CSV."""

from __future__ import annotations

import csv
import io
import math
import platform
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import History, Network
from chainrule.registry.distributions import installed_version


def results_of(
    network: Network,
    history: History,
    test: Mapping[str, Tensor],
    *,
    settings: Mapping[str, list[float]],
    epochs: int,
    seconds: float,
    packages: set[str],
) -> dict[str, Any]:
    """Return what a run ended with: numbers, or for an ensemble lists with one for each member, as its settings are.

    None stands for what is not finite, and `diverged` names where the last train loss is not. The best epoch is that
    of the least validation loss, or train loss where there is none.
    """
    curves = dict(history)
    found: dict[str, Any] = {
        "epochs": history.epochs,
        "stopped_early": history.epochs < epochs,
        "seconds": round(seconds, 3),
        "members": network.members if network.is_ensemble else None,
        "seeds": network.seeds if network.is_ensemble else network.seeds[0],
        "settings": dict(settings),
        "parameters": sum(one.data[0].numel() for one in network.parameters()),
        "test": {name: _numbers(value) for name, value in test.items()},
    }
    if history.epochs:
        monitor = "validation_loss" if "validation_loss" in curves else "train_loss"
        epoch = curves[monitor].nan_to_num(nan=math.inf).argmin(0, keepdim=True)
        found["final"] = {name: _numbers(curve[-1]) for name, curve in curves.items()}
        found["best"] = {
            "least": monitor,
            "epoch": (epoch[0] + 1).tolist(),
            **{name: _numbers(curve.gather(0, epoch)[0]) for name, curve in curves.items()},
        }
        found["diverged"] = curves["train_loss"][-1].isfinite().logical_not().tolist()
    found["versions"] = {
        "python": platform.python_version(),
        **{name: installed_version(name) for name in sorted({"chainrule", "torch", "numpy", *packages})},
    }
    return found


def history_csv(network: Network, history: History) -> str:
    """Return the curves as rows, one for each epoch, and for an ensemble each member with its seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(history)
    writer.writerow(["epoch", *(["member", "seed"] if network.is_ensemble else []), *names])
    curves = {name: _numbers(history[name]) for name in names}
    for epoch in range(history.epochs):
        if not network.is_ensemble:
            writer.writerow([epoch + 1, *(curves[name][epoch] for name in names)])
            continue
        for member, seed in enumerate(network.seeds):
            writer.writerow([epoch + 1, member, seed, *(curves[name][epoch][member] for name in names)])
    return text.getvalue()


def state_bytes(network: Network) -> bytes:
    """Return the network's state dict as a file that `torch.load` reads."""
    content = io.BytesIO()
    torch.save(network.state_dict(), content)
    return content.getvalue()


def _numbers(value: Tensor) -> Any:
    """Return a tensor as numbers in lists, None for those that are not finite, each with the digits that it has."""
    digits = 9 if value.dtype == torch.float32 else 17
    return _finite(value.double().tolist(), digits)


def _finite(value: Any, digits: int) -> Any:
    if isinstance(value, list):
        return [_finite(one, digits) for one in value]
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
