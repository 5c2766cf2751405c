"""What a run leaves: its results as JSON, its curves as CSV."""

from __future__ import annotations

import csv
import io
import math
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
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
    digests: Mapping[str, str],
) -> dict[str, Any]:
    """Return what a run ended with: numbers, or for an ensemble lists with one for each member, as its settings are.

    None stands for what is not finite, and `diverged` has where the last train loss is not; members that a callback has
    dropped have no last values. The best epoch is that of the least validation loss, or train loss where there is none.
    """
    curves = dict(history)
    dropped = sorted(set(range(network.members)) - set(history.members))
    found: dict[str, Any] = {
        "epochs": history.epochs,
        "stopped_early": history.epochs < epochs,
        "seconds": round(seconds, 3),
        "members": network.members if network.is_ensemble else None,
        "seeds": network.seeds if network.is_ensemble else network.seeds[0],
        "settings": dict(settings),
        "dropped": dropped,
        "parameters": sum(one.data[0].numel() for one in network.parameters()),
        "test": {name: _numbers(value) for name, value in test.items()},
    }
    if history.epochs:
        monitor = "validation_loss" if "validation_loss" in curves else "train_loss"
        epoch = curves[monitor].nan_to_num(nan=math.inf).argmin(0, keepdim=True)
        least = _numbers(curves[monitor].gather(0, epoch)[0])
        found["final"] = {name: _numbers(curve[-1]) for name, curve in curves.items()}
        found["best"] = {
            "least": monitor,
            "epoch": _unless_none((epoch[0] + 1).tolist(), least),
            **{name: _numbers(curve.gather(0, epoch)[0]) for name, curve in curves.items()},
        }
        found["diverged"] = _of_members(curves["train_loss"][-1].isfinite().logical_not().tolist(), dropped)
    return found | {"versions": versions_of(packages), "digests": dict(digests)}


def versions_of(packages: set[str]) -> dict[str, str | None]:
    """Return the versions of Python, of what every run needs, and of these packages."""
    names = sorted({"chainrule", "torch", "numpy", *packages})
    return {"python": platform.python_version(), **{name: installed_version(name) for name in names}}


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


def _unless_none(epochs: Any, values: Any) -> Any:
    if isinstance(epochs, list):
        return [_unless_none(epoch, value) for epoch, value in zip(epochs, values, strict=True)]
    return None if values is None else epochs


def _of_members(diverged: Any, dropped: list[int]) -> Any:
    return diverged if not dropped else [one and member not in dropped for member, one in enumerate(diverged)]


def _numbers(value: Tensor) -> Any:
    """Return a tensor as numbers in lists, None for those that are not finite, each with the digits that it has."""
    return _finite(value.tolist(), np.float32 if value.dtype == torch.float32 else np.float64)


def _finite(value: Any, form: type[np.floating[Any]]) -> Any:
    if isinstance(value, list):
        return [_finite(one, form) for one in value]
    return float(str(form(value))) if math.isfinite(value) else None
