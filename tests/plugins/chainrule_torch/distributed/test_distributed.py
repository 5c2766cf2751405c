"""Test optimizers on parameters that are cut among processes: two of them, started once for all cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import chainrule
from chainrule import Optimizer, State, Step
from chainrule.optimizers import accumulate, adam, adam_mini, dadapt_adam, muon, prodigy, sgld, trust_ratio
from chainrule.updates.chain import Chain
from chainrule_torch.adapter.shard_trial import acts_on_pieces, draws, shares_of_sums

PROGRAM = Path(__file__).with_name("processes.py")
RULES = [each.name for each in chainrule.components("optimizers") if "chainrule" in each.distribution]
FIRST = ["accumulate", "adabelief", "adafactor", "adaptive_clipping", "dadapt_adam", "schedule_free_adamw", "sgld"]
"""The first rule of each way to be stepped: on pieces, with sums, whole; plain or a wrapper; with noise."""


QUICK: dict[str, list[str]] = {
    "other": ["sums of norms", "state of several kinds", "sums with state in float32", "decay apart"],
    "over_mesh": ["muon 1 2"],
    "along_last_axis": ["adam_mini"],
    "halves": ["muon"],
    "evaluated": ["sgd", "muon"],
    "partial_gradients": ["prodigy", "muon"],
    "loaded": ["adafactor"],
    "copies": ["adafactor"],
    "in_bfloat16": ["muon stochastic", "adamw kahan"],
    "replicas_in_bfloat16": ["adamw", "adamw cleared"],
    "halves_in_bfloat16": ["signsgd"],
    "memory": ["adamw", "adafactor"],
    "collectives": ["adamw", "prodigy", "muon"],
    "checkpointed": ["adafactor"],
    "compiled": ["adamw", "muon"],
    "exchanged": ["adamw", "muon"],
    "resting": ["prodigy", "muon"],
    "refused": ["adamw", "lamb", "prodigy", "flatten"],
}
SLOW: dict[str, list[str]] = {
    "over_mesh": ["prodigy 2 1", "adamw 1 2", "adamw 2 1", "muon 2 1", "prodigy 1 2"],
    "along_last_axis": ["adamw", "muon"],
    "halves": ["adamw"],
    "zero": ["adamw", "muon"],
    "loaded": ["adamw", "soap", "prodigy"],
    "checkpointed": ["prodigy", "adamw", "soap", "sgld", "schedule_free_adamw"],
}
"""The cases beside `sharded` and `data_parallel`, which all rules have."""


def run(folder: Path, steps: int, chosen: dict[str, list[str]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the results of one process, and those of each of two."""
    (folder / "cases.json").write_text(json.dumps({"steps": steps, **chosen}))
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(folder)]  # torch warns of checkpoints of one process
    subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, timeout=400)
    alone, *ranks = (torch.load(folder / name) for name in ("alone.pt", "rank 0.pt", "rank 1.pt"))
    return alone, ranks


def differing(one: dict[str, Any], ranks: list[dict[str, Any]]) -> list[str]:
    """Return what differs from the values of one process, by case, process and value."""
    found = []
    for case, values in one.items():
        for rank, results in enumerate(ranks):
            theirs = results[case]
            for failed in (each for each in (values, theirs) if isinstance(each, str)):
                found.append(f"{case}, {rank}: {failed}")
                break
            else:
                found += [f"{case}, {rank}: {key}" for key, value in theirs.items() if not close(value, values, key)]
    return found


def close(value: Any, values: dict[str, Tensor], key: str) -> bool:
    expected = values.get(key, values.get(key.rpartition(": ")[2]))
    return isinstance(expected, Tensor) and torch.allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    one, ranks = run(tmp_path, 4, {**QUICK, "sharded": FIRST, "data_parallel": FIRST[-3:]})
    names = [case for case in one if case.startswith("refused ")]
    refused = [{name: each.pop(name) for name in names} for each in (one, *ranks)][1:]
    assert differing(one, ranks) == []
    flat = "FullyShardedDataParallel hides the shapes of parameters, which only an elementwise rule can do without. "
    strided = "a parameter must be sharded along one axis of its device mesh, got (_StridedShard(dim=0, sf=2),). "
    advice = (
        "Use torch.distributed.fsdp.fully_shard.",
        "Give it an elementwise rule, such as adamw, by another optimizer.",
    )
    both = {"flat": f"lamb: {flat}{advice[0]}", "strided": f"lamb: {strided}{advice[1]}"}
    answers = {"adamw": {}, "lamb": both, "prodigy": {"flat": f"prodigy: {flat}{advice[0]}"}}
    assert [each.pop("refused flatten") for each in refused] == [
        "adamw: flatten=True must have an elementwise rule that steps vectors, got parameters cut among "
        "processes. Leave flatten out."
    ] * 2
    assert refused == [{f"refused {name}": answer for name, answer in answers.items()}] * 2


@pytest.mark.slow
def test_two_processes_train_with_every_rule_as_one_does(tmp_path: Path) -> None:
    chosen = {case: QUICK.get(case, []) + SLOW.get(case, []) for case in (QUICK | SLOW).keys() - {"refused"}}
    assert differing(*run(tmp_path, 20, {**chosen, "sharded": RULES, "data_parallel": RULES})) == []


class Norms(Optimizer):
    """Sums the norms of parameters, which are not the sums of those of their pieces."""

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"norm": grad.square().sum().sqrt()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / step["norm"]


class Squares(Norms):
    """Sums squares, which are."""

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"norm": grad.square().sum()}


class ByRows(Norms):
    """Does so too, but asks for the shape."""

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"norm": grad.square().sum() * grad.dim()}


class Counts(Norms):
    """Sums squares, and changes a number that is a sum once more after that."""

    def init(self, parameter: Tensor) -> State:
        return {"total": parameter.new_zeros(())}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"norm": state["total"].add_(grad.square().sum())}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / (step["norm"] + state["total"].add_(1.0))


class Mask(Optimizer):
    """Draws, and yet rests where gradients are 0."""

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad * step.random.bernoulli(0.5, grad.shape)


@pytest.mark.parametrize(
    ("rule", "shares", "pieces"),
    [
        (prodigy(), {"r"}, True),
        (dadapt_adam(), {"r"}, True),
        (accumulate(inner=prodigy(), k=2), {"inner.r"}, True),
        (trust_ratio(inner=prodigy()), None, False),
        (Squares(), set(), True),
        (Norms(), None, False),
        (ByRows(), None, False),
        (Counts(), None, False),
        (adam(), None, True),
        (adam_mini(), None, False),
        (sgld(temperature=0.1), None, False),
    ],
)
def test_a_trial_tells_which_rules_may_act_on_pieces(rule: Optimizer, shares: Any, pieces: bool) -> None:
    assert shares_of_sums(rule) == shares
    assert acts_on_pieces(Chain(rule)) is pieces


@pytest.mark.parametrize(
    ("rule", "does"),
    [(adam(), False), (muon(), False), (prodigy(), False), (sgld(temperature=0.1), True), (Mask(), True)],
)
def test_a_trial_tells_which_rules_draw(rule: Optimizer, does: bool) -> None:
    assert draws(rule) is does


@pytest.mark.parametrize("length", range(9))
def test_pieces_are_those_of_torch(length: int) -> None:
    from torch.distributed.tensor import Shard

    from chainrule_torch.adapter.shards import Cut

    tensor = torch.arange(float(length))
    pieces, _ = Shard(0)._split_tensor(tensor, 3, with_padding=False)
    for rank, piece in enumerate(pieces):
        cut = Cut(None, 3, rank, 0)  # type: ignore[arg-type]
        assert torch.equal(cut.piece(tensor, 0, rank), piece)
        assert cut.shape(tensor.shape, 0, rank) == tuple(piece.shape)
