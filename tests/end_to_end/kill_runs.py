"""Kill runs at random moments and start them again: ``python tests/end_to_end/kill_runs.py``.

Every run goes on from its checkpoint until it ends; its network, curves, optimizer and files must then equal those of a
run that nothing disturbed, to the bit. Needs os.fork: each start is a new process that has imported torch already.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # others would not survive a fork

import torch
import typer
from forked import start

from chainrule import History, Network, fit
from chainrule.callbacks import best, early_stopping, history_file, reduce_on_plateau, successive_halving
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, lookahead, sgd
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.run_folder import RunFolder
from chainrule_lab.runs.running import train

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
Y = X.flip(1).cos()

RUNS: dict[str, dict[str, Any]] = {
    "an epoch at a time": {"every": "epoch"},
    "every step, from its means": {"every": 1, "evaluate_train": False},
    "compiled": {"every": 5, "compile": True, "evaluate_train": False},
    "compiled, an epoch at a time": {"compile": True},
    "with callbacks": {"every": 3},
    "with members that are dropped": {"every": 3},
    "of a file": {"every": 3, "epochs": 6},
}
"""The settings of each run beside what all have: dropout, batch norm, two wrappers, an ensemble of three."""

DESCRIBED = {
    "task": "circle",
    "seeds": [0, 1, 2],
    "network": [
        {"name": "linear", "in_features": 2, "out_features": 16},
        {"name": "batch_norm", "num_features": 16},
        {"name": "dropout", "p": 0.2},
        {"name": "linear", "in_features": 16, "out_features": 2},
    ],
    "optimizer": {"name": "ema", "inner": {"name": "lookahead", "inner": {"name": "adam", "lr": [0.1, 0.01, 0.001]}}},
    "callbacks": ["best", {"name": "early_stopping", "patience": 4}],
}
"""What `chainrule train` would read for the last of them."""


def run(name: str, folder: Path, checkpoint: Path | None) -> dict[str, Any]:
    """Return what a run ends with."""
    if name == "of a file":
        return run_of_a_file(folder / "undisturbed" if checkpoint is None else folder)
    settings = dict(RUNS[name])
    if checkpoint is None:
        settings.pop("every", None)
    rule = ema(inner=lookahead(inner=adam(lr=0.01), k=3), decay=0.9)
    callbacks: list[object] = [history_file(folder / "history.jsonl")]
    if name == "with callbacks":
        rule = lookahead(inner=ema(inner=sgd(lr=0.1, momentum=0.9), decay=0.9))
        callbacks += [
            early_stopping("validation_loss", 6, min_delta=1e-3),
            best("train_loss", restore=False),
            reduce_on_plateau("train_loss", factor=0.5, patience=2),
        ]
    if name == "with members that are dropped":
        callbacks += [successive_halving("train_loss", eta=2, rungs=2), best("train_loss", restore=False)]
    network = sequential(linear(3, 16), batch_norm(16), dropout(0.2), linear(16, 3)).build(seeds=[0, 1, 2])
    history = fit(
        network, mse(), rule, train=(X, Y), validation=(X / 2, Y), batch_size=8, epochs=12, callbacks=callbacks,
        checkpoint=checkpoint, **settings,
    )  # fmt: skip
    return {**outcome(network, history), "file": (folder / "history.jsonl").read_text()}


def run_of_a_file(folder: Path) -> dict[str, Any]:
    description, kept = RunDescription.of(DESCRIBED | RUNS["of a file"]), RunFolder(folder)
    with kept.taken_for(description) as results:
        if results is None:
            train(description, kept, "killed")
    return {name: (folder / name).read_bytes() for name in ("history.csv", "state.pt", "curves.svg")}


def outcome(network: Network, history: History) -> dict[str, Any]:
    return {
        "network": network.state_dict(),
        "random": network.random_state(),
        "updater": history.updater.state_dict(),
        "curves": dict(history),
    }


def run_to_its_end(name: str, folder: Path) -> None:
    """Run and leave what the run ends with in a file."""
    torch.save(run(name, folder, folder / "run.ckpt"), folder / "end.part")
    (folder / "end.part").replace(folder / "end")


def kill_until_done(name: str, folder: Path, kills: int, within: float) -> tuple[Any, int, int, int]:
    """Kill a run so many times at most and let it end; return its end, the kills, those in a write, and the resumes."""
    killed = writing = resumed = 0
    while True:
        resumed += (folder / "run.ckpt").exists()
        process = start(partial(run_to_its_end, name, folder))
        if killed < kills:
            time.sleep(random.uniform(0, within))  # noqa: S311
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            writing += any(folder.glob(".run.ckpt.*.part"))
        elif status:
            raise SystemExit(f"{name}: a start after {killed} kills failed; its error is above.")
        else:
            return torch.load(folder / "end", weights_only=True), killed, writing, resumed


def difference(one: Any, other: Any, path: str = "") -> str | None:
    """Return the path of the first value that differs, or None; NaN equals itself."""
    if isinstance(other, dict):
        parts = [difference(one.get(key), value, f"{path}[{key!r}]") for key, value in other.items()]
        return next((part for part in parts if part), path if one.keys() != other.keys() else None)
    if isinstance(other, torch.Tensor):
        return None if torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0)) else path
    return None if one == other else path


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many processes to kill.")] = 100,
    only: Annotated[list[str] | None, typer.Option(help=f"Only these runs, from {', '.join(RUNS)}.")] = None,
    seed: Annotated[int, typer.Option(help="Of the moments; 0 takes another each time.")] = 0,
) -> None:
    """Kill runs and compare what they end with.

    Example: python tests/end_to_end/kill_runs.py --kills 20 --only compiled
    """
    torch.set_num_threads(1)
    random.seed(seed or time.time_ns())
    names = only or list(RUNS)
    totals = [0, 0, 0]
    for i, name in enumerate(names):
        with tempfile.TemporaryDirectory() as place:
            whole = Path(place) / "whole"
            whole.mkdir()
            expected = run(name, whole, None)
            began = time.perf_counter()
            run(name, whole, whole / "run.ckpt")  # compiled functions are known by now
            within = time.perf_counter() - began
            left, ended = kills // len(names) + (i < kills % len(names)), 0
            while left > 0:
                folder = Path(place) / str(ended)
                folder.mkdir()
                end, *counts = kill_until_done(name, folder, min(left, 5), within)
                if path := difference(end, expected):
                    raise SystemExit(f"{name}: {path} differs after {counts[0]} kills.")
                totals = [total + count for total, count in zip(totals, counts, strict=True)]
                left, ended = left - counts[0], ended + 1
        typer.echo(f"{name}: {ended} runs ended as the undisturbed one did, to the bit")
    typer.echo(
        f"{totals[0]} kills, {totals[1]} of them while a checkpoint was written; {totals[2]} starts resumed a run"
    )


if __name__ == "__main__":
    sys.exit(typer.run(main))
