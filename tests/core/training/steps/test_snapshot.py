"""What the parts of a step hold beside what they declare is found, whatever their names."""

import random
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from chainrule import Module
from chainrule.training.steps.snapshot import Snapshot, undeclared_tensors


class Shifts(Module):
    def __init__(self):
        self.shift = torch.zeros(2)

    def forward(self, x):
        return x + self.shift

    def backward(self, grad_output):
        return grad_output


def test_tensors_of_two_modules_of_one_class_are_told_apart():
    """Else a compiled step would take the second one's as a constant."""
    modules = [Shifts(), Shifts()]
    found = undeclared_tensors(modules)
    assert found.keys() == {"shifts.shift", "shifts 2.shift"}
    assert all(any(tensor is module.shift for tensor in found.values()) for module in modules)


def test_a_change_is_named_by_the_module_that_has_it():
    modules = [Shifts(), Shifts()]
    before = Snapshot(modules)
    modules[1].shift = torch.ones(2)
    assert before.difference() == "shifts 2.shift"


def test_another_array_is_a_change_and_an_equal_one_is_none():
    module = Shifts()
    module.shift = np.ones(2)
    before = Snapshot([module])
    module.shift = np.ones(2)
    assert before.difference() is None
    module.shift = np.array([1.0, 2.0])
    assert before.difference() == "shifts.shift"


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array,
        lambda array: [array],
        lambda array: {"a": array},
        lambda array: (array,),
        lambda array: [deque([array])],
    ],
)
@pytest.mark.parametrize("make", [lambda: np.ones(2), lambda: bytearray(2)])
def test_an_array_that_is_changed_in_place_is_a_change(make, hold):
    """It is not counted as an attribute that is set."""
    module = Shifts()
    array = make()
    module.shift = hold(array)
    before = Snapshot([module])
    assert before.difference(uncounted=True) is None
    array[1] = 2
    assert before.difference(uncounted=True).startswith("shifts.shift")


class Unread(np.ndarray):
    """An array, such as that of a large file, whose bytes nobody should ask for."""

    def tobytes(self, order="C"):
        raise AssertionError("the array was read")


def test_an_array_with_nan_is_the_same_and_one_that_nobody_may_write_to_is_not_looked_through():
    module = Shifts()
    module.shift = np.array([np.nan, 1.0])
    module._fixed = np.ones(2).view(Unread)
    module._fixed.flags.writeable = False
    before = Snapshot([module])
    assert before.difference() is None
    module._fixed.flags.writeable = True
    module._fixed[0] = 2
    assert before.difference() is None
    module.shift[0] = 1
    assert before.difference() == "shifts.shift"


class Power:
    def __init__(self):
        self.power = 1

    def __call__(self, x):
        return x**self.power


@dataclass(slots=True)
class Slotted:
    power: int = 1


@pytest.mark.parametrize("kind", [Power, Slotted])
def test_an_attribute_of_an_object_that_can_be_called_or_has_slots_is_looked_at(kind):
    module = Shifts()
    module.shift = kind()
    before = Snapshot([module])
    module.shift.power = 2
    assert before.difference(uncounted=True) == "shifts.shift.power"


@pytest.mark.parametrize(
    ("generator", "draw"),
    [
        (np.random.default_rng(0), lambda one: one.normal()),
        (np.random.Generator(np.random.MT19937(0)), lambda one: one.normal()),
        (np.random.RandomState(0), lambda one: one.rand()),
        (random.Random(0), lambda one: one.random()),  # noqa: S311
        (torch.Generator(), lambda one: torch.rand(1, generator=one)),
    ],
)
@pytest.mark.parametrize("hold", [lambda one: one, lambda one: (one,), lambda one: deque([one])])
def test_a_generator_has_changed_that_was_drawn_from(generator, draw, hold):
    module = Shifts()
    module.shift = hold(generator)
    before = Snapshot([module])
    assert before.difference() is None
    draw(generator)
    assert before.difference().startswith("shifts.shift")
    assert before.difference(among_random=False) is None
