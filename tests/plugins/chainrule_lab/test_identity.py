"""The text by which a result is found follows the code of a component and of all that it uses."""

import importlib
import linecache
import logging
import random
import sys
from collections import deque
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from chainrule_lab.identity import text_of

SOURCE = '''
"""A rule of a third party."""
from enum import Enum
from types import SimpleNamespace

import numpy as np

from chainrule import Optimizer

CONFIG = {"scale": 2.0, "words": ["a", "b"]}
SPACE = SimpleNamespace(inner=SimpleNamespace(power=1))
WEIGHTS = np.array([1.0, 2.0])


class Kind(Enum):
    SMALL = 1


def scaled(grad):
    """Return the gradient, scaled."""
    return grad * CONFIG["scale"] * SPACE.inner.power * float(WEIGHTS[0]) * Kind.SMALL.value


class Mine(Optimizer):
    """Descend."""

    def update(self, parameter, grad, state, step):
        return scaled(grad)
'''


@pytest.fixture
def rule_with(tmp_path, monkeypatch):
    made = []

    def made_from(*edit):
        """Return a rule of a module with one edit; the module has one name, as after a restart."""
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(folder)
        (folder / "a_third_party.py").write_text(SOURCE.replace(*edit) if edit else SOURCE)
        monkeypatch.syspath_prepend(folder)
        sys.modules.pop("a_third_party", None)
        return importlib.import_module("a_third_party").Mine()

    yield made_from
    sys.modules.pop("a_third_party", None)


@pytest.mark.parametrize(
    "edit",
    [
        ("return scaled(grad)", "return -scaled(grad)"),
        ("return grad * CONFIG", "return -grad * CONFIG"),
        ('"scale": 2.0', '"scale": 3.0'),
        ('["a", "b"]', '["a", "c"]'),
        ("power=1", "power=2"),
        ("[1.0, 2.0]", "[3.0, 2.0]"),
        ("SMALL = 1", "SMALL = 2"),
    ],
    ids=str,
)
def test_an_edit_of_what_a_rule_uses_is_another_text(rule_with, edit):
    assert text_of(rule_with(*edit)) != text_of(rule_with())


@pytest.mark.parametrize(
    "edit", [("Return the gradient, scaled.", "Scale."), ("class Kind", "# a comment\nclass Kind")]
)
def test_a_docstring_or_comment_is_none(rule_with, edit):
    assert text_of(rule_with(*edit)) == text_of(rule_with())


def test_functions_of_one_line_are_told_apart():
    one, other, again = lambda t: 1 / t, lambda t: 2 / t, lambda t: 1 / t
    assert text_of(one).split()[1] != text_of(other).split()[1]
    assert text_of(one).split()[1] == text_of(again).split()[1]


def test_it_is_the_code_that_was_loaded_whatever_the_file_has_become(rule_with):
    rule, edit = rule_with(), ("return grad * CONFIG", "return -grad * CONFIG")
    file = Path(sys.modules["a_third_party"].__file__)
    file.write_text(SOURCE.replace(*edit))
    linecache.checkcache()
    assert text_of(rule) != text_of(rule_with(*edit))
    assert text_of(rule) == text_of(rule_with())


class Factor:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def times(self, x):
        return self.value * x


class Rate(float):
    pass


class Table(dict):
    pass


def table(extra):
    found = Table(a=1)
    found.extra = extra
    return found


@pytest.mark.parametrize(
    "made",
    [
        Factor,
        lambda value: Factor(value).times,
        lambda value: lru_cache(lambda x, y=value: x * y),
        Rate,
        table,
        lambda value: np.random.default_rng(int(value)),
        lambda value: torch.Generator().manual_seed(int(value)),
        lambda value: random.Random(value),  # noqa: S311
        lambda value: deque(np.full(10_000, value)),
        lambda value: np.array([value, "a"], dtype=object),
        lambda value: torch.full((2, 2), value).to_sparse(),
    ],
)
def test_what_an_object_holds_is_in_its_text_alike_each_time(made):
    assert text_of(made(1.0)) == text_of(made(1.0)) != text_of(made(2.0))


def test_a_logger_is_known_by_its_name():
    """It leads to all others, and to what they write to."""
    before = text_of({"log": logging.getLogger("mine")})
    logging.getLogger("another").addHandler(logging.NullHandler())
    assert text_of({"log": logging.getLogger("mine")}) == before
    assert len(before) < 200
