import pytest

from chainrule import ChainruleError, label
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
