from dataclasses import field
from functools import cached_property

import numpy as np
import pytest
import torch

from chainrule import ChainruleError, ContractError, Task, label, register
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.registry import lookup
from chainrule_lab.runs.description import RunDescription

CODE = """
import torch
from chainrule import Optimizer, Wrapper, hyperparameter


class Slow(Optimizer):
    brake: float = hyperparameter(default=0.5, at_least=0, at_most=1)

    def update(self, parameter, grad, state, step):
        return grad * self.brake


def halved(rate: float = 0.1, *, inner: Optimizer):
    return inner


class Silent:
    def __init__(self, times=3, words=None):
        if times < 0:
            raise OverflowError("too\\nfew")
"""

ENTRY_POINTS = """
[chainrule.optimizers]
slow = slow_rules:Slow
halved = slow_rules:halved

[chainrule.callbacks]
silent = slow_rules:Silent
"""


@pytest.fixture(autouse=True)
def _package(tmp_path, monkeypatch):
    """Install a package with two optimizers and a callback that knows nothing of chainrule."""
    info = tmp_path / "chainrule_slow-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chainrule-slow\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "slow_rules.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    lookup._of_process.clear()
    yield
    lookup._of_process.clear()


def described(**given):
    return RunDescription.of({"task": "circle", **given}, where="RUN.toml")


def test_a_rule_in_a_file_is_named_as_pytest_writes_it_too(tmp_path):
    runs = [described(optimizer=f"{tmp_path}/slow_rules.py{colons}Slow").complete() for colons in (":", "::")]
    assert runs[0]["optimizer"] == runs[1]["optimizer"]


def test_a_third_partys_components_go_by_name_with_their_defaults():
    run = described(optimizer={"name": "halved", "inner": {"name": "ema", "inner": "slow"}}, callbacks=["silent"])
    assert [label(run.optimizer()), run.optimizer().inner.brake] == ["ema", 0.5]
    complete = run.complete()
    assert complete["optimizer"]["rate"] == 0.1
    assert complete["callbacks"] == [{"name": "silent", "times": 3}]
    assert RunDescription.of(complete) == run
    assert run.packages() == {"chainrule", "chainrule-slow"}


def test_a_name_may_have_its_distribution():
    assert described(optimizer="chainrule-slow:slow").packages() == {"chainrule", "chainrule-slow"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"optimizer": {"name": "slow", "brake": 2}}, "optimizer.brake must be at most 1, got 2. Allowed: at least 0,"),
        (
            {"optimizer": {"name": "slow", "break": 2}},
            'optimizer: slow: takes no argument "break". Did you mean "brake"',
        ),
        (
            {"network": [{"name": "linear", "in_features": 2, "units": 2}]},
            'network.0: linear: takes no argument "units". It takes in_features, out_features,',
        ),
        ({"search": {"epochs": [1]}}, 'the run takes no "search", which is of a sweep. Run chainrule sweep on it.'),
        ({"optimizer": "halved"}, 'optimizer needs inner, got none. Write { name = "halved", inner = … }.'),
        ({"optimizer": "sloww"}, 'optimizer: No optimizer is registered as "sloww". Did you mean "slow"'),
        (
            {"optimizer": "sgd", "callbacks": [{"name": "silent", "times": -1}]},
            "callbacks.0: silent: OverflowError: too few.",
        ),
        (
            {"optimizer": "sgd", "callbacks": [{"name": "silent", "word": 1}]},
            'callbacks.0: silent: takes no argument "wo',
        ),
    ],
    ids=str,
)
def test_its_errors_have_their_place(given, message):
    with pytest.raises(ChainruleError) as caught:
        described(**given)
    assert str(caught.value).startswith(f"RUN.toml: {message}")
    assert "\n" not in str(caught.value)


def task_with(splits, **attributes):
    """Register a task of one linear layer under a name, and return the description of a run of it."""
    methods = {"splits": splits, "network": lambda self: linear(1, 1), "loss": lambda self: mse()}
    register("tasks", "half_right", type("HalfRight", (Task,), {"__qualname__": "HalfRight", **methods, **attributes}))
    return RunDescription.of({"task": "half_right", "optimizer": "sgd"}, where="RUN.toml")


COMPLETE = {"metrics": {}, "settings": {"epochs": 2, "batch_size": 4}}
PAIR = torch.ones(4, 1), torch.ones(4, 1)


@pytest.mark.parametrize("found", [None, PAIR, [(*PAIR, PAIR[0])] * 3, [[1.0, 2.0]] * 3])
def test_splits_of_a_task_that_are_none_are_told_in_one_line(found):
    run = task_with(lambda self, seed: found, **COMPLETE)
    with pytest.raises(
        ChainruleError, match=r"data needs half_right's splits to return (three pairs|tensors or arrays).*, got "
    ) as caught:
        run.splits()
    assert "\n" not in str(caught.value)


def test_splits_of_a_task_may_be_arrays():
    run = task_with(lambda self, seed: [(np.ones((4, 1), "float32"), np.ones((4, 1), "float32"))] * 3, **COMPLETE)
    assert torch.equal(run.splits().train[0], PAIR[0])


@pytest.mark.parametrize("name", COMPLETE)
def test_a_task_without_what_it_declares_is_told_in_one_line(name):
    given = {key: one for key, one in COMPLETE.items() if key != name}
    with pytest.raises(ChainruleError, match=f"task needs a task with {name}, got half_right without"):
        task_with(lambda self, seed: [PAIR] * 3, **given)
    with pytest.raises(ContractError, match=rf"^half_right: {name} must be a dict of .*, got \['mae'\]"):
        task_with(None, **{name: ["mae"]})


def test_what_a_task_declares_may_be_a_property_or_a_field():
    for value in (property(lambda self: {}), cached_property(lambda self: {}), field(default_factory=dict)):
        type("Declares", (Task,), {"metrics": value})
