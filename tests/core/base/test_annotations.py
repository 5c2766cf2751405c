"""Annotations whose names are not defined, which Python 3.14 no longer evaluates when a class is created."""

import sys
import types

import pytest

from chainrule.calls import signature_of
from chainrule.cli.description import describe
from chainrule.errors import HyperparameterError
from chainrule.registry import Component

LAZY = pytest.param("", marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated"))
SOURCE = """
from typing import TYPE_CHECKING
from chainrule import Module, Optimizer, hyperparameter

if TYPE_CHECKING:
    from elsewhere import Undefined

class Lion(Optimizer):
    lr: float = 1e-4
    count: Undefined = 3
    decay: float = hyperparameter(default=0.5, at_least=0)

    def update(self, parameter, grad, state, step):
        return grad

class Scale(Module):
    def __init__(self, factor: Undefined = 2):
        self.factor = factor

    def forward(self, x: Undefined) -> Undefined:
        return x

    def backward(self, grad_output):
        return grad_output
"""


@pytest.fixture(params=["from __future__ import annotations", LAZY], ids=["postponed", "lazy"])
def written(request, monkeypatch):
    module = types.ModuleType("written_rules")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(request.param + SOURCE, "written_rules.py", "exec", dont_inherit=True), vars(module))  # noqa: S102
    return module


def test_fields_are_checked_by_their_types_or_else_by_that_of_their_default(written):
    assert written.Lion(lr=2, decay=3).lr == 2
    for name, value in {"lr": "x", "count": 2.5, "decay": -1.0}.items():
        with pytest.raises(HyperparameterError, match=f"lion: {name} must be "):
            written.Lion(**{name: value})


def test_annotations_are_shown_as_written(written):
    described = describe(Component(kind="optimizers", name="lion", entry_point="written_rules:Lion"), written.Lion)
    shown = [each["declaration"] for each in described["hyperparameters"]]
    assert [shown[0], *shown[2:]] == ["lr: float = 0.0001", "count: Undefined = 3", "decay: float = 0.5"]
    assert list(signature_of(written.Scale).parameters) == ["factor"]


def test_a_module_has_a_repr(written):
    assert repr(written.Scale(5)) == "Scale(factor=5)"
