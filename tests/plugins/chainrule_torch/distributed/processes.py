"""Runs cases in one process and in two: ``python processes.py FOLDER``.

The file cases.json in the folder has the number of steps, and the names that each case is called with. What the cases
return is saved there.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import cases_of_state
import cases_of_steps
import torch
import torch.distributed as dist
import training

from chainrule_torch.adapter import sharded

CASES: dict[str, Callable[..., Any]] = vars(cases_of_steps) | vars(cases_of_state)


def results(chosen: dict[str, list[str]], ranks: int, folder: Path) -> dict[str, Any]:
    """Return what each case returns, or the traceback of its error."""
    found: dict[str, Any] = {}
    for case, names in chosen.items():
        for name in names:
            try:
                extra = [folder] if case == "checkpointed" else []
                found[f"{case} {name}"] = CASES[case](name, ranks, *extra)
            except Exception:  # noqa: BLE001 - reported by the test
                found[f"{case} {name}"] = traceback.format_exc()
    return found


def one_of_two(rank: int, chosen: dict[str, list[str]], folder: Path) -> None:
    sharded.BUNDLE = 24  # so that one takes several rounds
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=30),  # where the other has failed, in place of half an hour
    )
    torch.save(results(chosen, 2, folder), folder / f"rank {rank}.pt")
    dist.destroy_process_group()


def run(*calls: tuple[Callable[..., object], *tuple[Any, ...]]) -> None:
    """Call functions, each in a process of its own, which has imported everything."""
    forks = [multiprocessing.get_context("fork").Process(target=call, args=rest) for call, *rest in calls]
    for each in forks:
        each.start()
    for each in forks:
        each.join()
    if any(each.exitcode for each in forks):
        sys.exit(1)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    chosen = json.loads((folder / "cases.json").read_text())
    training.STEPS = chosen.pop("steps")
    run((results, {"checkpointed": chosen["checkpointed"]}, 1, folder))
    run(*((one_of_two, rank, chosen, folder) for rank in (0, 1)))
    torch.save(results(chosen, 1, folder), folder / "alone.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
