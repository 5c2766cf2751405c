"""Runs cases in several processes, as torchrun would start them: ``python processes.py FOLDER SIZE CASE…``.

What each case returns, or the text of its error, is saved in the folder by process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from chainrule import ChainruleError, History, Network, distributed, hookimpl, param_groups
from chainrule.activations import tanh
from chainrule.callbacks import early_stopping, successive_halving
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam, ema, muon, sgd

X, Y = torch.randn(2, 5, 23, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
RATES = torch.logspace(-3, -1, 5)


def members(**settings: Any) -> dict[str, Any]:
    """Train five members with layers that have all kinds of state."""
    layers = [linear(3, 8), batch_norm(8), tanh(), dropout(0.3), linear(8, 3)]
    network = sequential(*layers).build(seeds=range(5), dtype=torch.float64)
    rule = adam(lr=RATES, schedule=lambda t: RATES * 0.99**t)
    arguments = {"train": (X, Y), "validation": (X / 2, Y), "per_member": True, "epochs": 3, "batch_size": 8}
    return outcome(network, distributed.fit(network, mse(), settings.pop("rule", rule), **{**arguments, **settings}))


def wrapped() -> dict[str, Any]:
    rules = {"matrices": muon(lr=RATES), "*": adam(lr=0.01)}
    first = members(rule=param_groups(rules), train=[(X[:, :8], Y[:, :8]), (X[:, 8:], Y[:, 8:])])
    return {"groups": first, "ema": members(rule=ema(inner=sgd(lr=RATES, momentum=0.9), decay=0.9))}


def rows() -> dict[str, Any]:
    """Train one network on batches of 7, 7, 7 and 2 rows; with weights of classes, clipped, with running means."""
    found = {}
    for name, loss, y, more in (
        ("plain", mse(), Y[0], {}),
        ("sum", mse(reduction="sum"), Y[0], {"clip_norm": 0.1}),
        (
            "classes",
            cross_entropy(weight=torch.tensor([1.0, 5.0, 0.5]).double()),
            Y[0].argmax(1),
            {"metrics": ["accuracy"], "evaluate_train": False},
        ),
        ("one row", mse(), Y[0], {"batch_size": 11}),
    ):
        network = sequential(linear(3, 8), tanh(), linear(8, 3)).build(seed=0, dtype=torch.float64)
        settings = {"train": (X[0], y), "validation": (X[1], y), "epochs": 3, "batch_size": 7, **more}
        history = distributed.fit(network, loss, adam(lr=0.01), **settings)
        found[name] = outcome(network, history)
    return found


def outcome(network: Network, history: History) -> dict[str, Any]:
    """Return all that a fit leaves, after one more step of the updater."""
    found = {"curves": dict(history), "network": network.state_dict(), "random": network.random_state()}
    found["updater"] = {name: saved for name, saved in history.updater.state_dict().items() if name != "rules"}
    found["rates"] = {key: torch.as_tensor(rate) for key, rate in history.updater.rates.items()}
    network.flat.grad.fill_(0.1)
    history.updater.step()
    own = {"stayed": torch.tensor(history.members), "frozen": frozen_in(network)}
    return {**found, **own, "next": network.state_dict()}


def frozen_in(network: Network) -> torch.Tensor:
    """Return which parameters are frozen."""
    return torch.tensor([name in network.frozen for name, _ in network.named_parameters()])


class Thaws:
    """Train the first layer from the second epoch on, the last one no longer, and clip gradients."""

    @hookimpl
    def chainrule_fit_start(self, run: Any) -> None:
        run.network.freeze("0.*")

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        if run.epoch == 1:
            run.network.unfreeze("0.*").freeze("4.*")
            run.updater.clip_norm = 0.05


class FreezesAlone:
    @hookimpl
    def chainrule_fit_start(self, run: Any) -> None:
        if os.environ["RANK"] == "1":
            run.network.freeze("0.*")


class Raises:
    @hookimpl
    def chainrule_epoch_end(self) -> None:
        if os.environ["RANK"] == "1":
            raise ValueError("the disk is full")


class Dies:
    @hookimpl
    def chainrule_epoch_end(self) -> None:
        if os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)


def one(*layers: Any, callbacks: list[object], **settings: Any) -> None:
    network = sequential(*layers, linear(3, 3)).build(seed=0, dtype=torch.float64)
    distributed.fit(network, mse(), sgd(lr=0.1), train=(X[0], Y[0]), callbacks=callbacks, **settings)


ERRORS: dict[str, Callable[[], object]] = {
    "batch norm": lambda: one(batch_norm(3), callbacks=[]),
    "dropout": lambda: one(dropout(0.5), callbacks=[]),
    "checkpoint": lambda: one(callbacks=[], checkpoint="run.ckpt"),
    "unlike": lambda: one(callbacks=[], batch_size=8 + int(os.environ["RANK"])),
    "a callback of members": lambda: members(callbacks=[Raises()]),
    "frozen in one alone": lambda: members(callbacks=[FreezesAlone()]),
    "unknown": lambda: one(callbacks=[], batch=3),
}


def errors() -> dict[str, str]:
    found = {}
    for name, call in ERRORS.items():
        try:
            call()
        except ChainruleError as error:
            found[name] = str(error)
    return found


def dies() -> str:
    try:
        one(callbacks=[Dies()], epochs=3)
    except ChainruleError as error:
        return str(error)
    return "no error"


def stops() -> dict[str, Any]:
    return members(callbacks=[early_stopping("train_loss", 1, min_delta=0.05)], epochs=8)


def thaws() -> dict[str, Any]:
    return members(callbacks=[Thaws()])


def halves() -> dict[str, Any]:
    return members(callbacks=[successive_halving("train_loss", eta=2, rungs=1)], epochs=4)


def resumed() -> dict[str, Any]:
    settings: dict[str, Any] = {"checkpoint": f"{sys.argv[1]}/run.ckpt", "epochs": 2}
    members(**settings)
    return members(**{**settings, "epochs": 3})


def run(rank: int, size: int, port: int, folder: Path, cases: list[str]) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.save({case: globals()[case]() for case in cases}, folder / f"{size} {rank}.pt")


def main(folder: Path, size: int, cases: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=run, args=(rank, size, port, folder, cases)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
