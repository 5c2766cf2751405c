"""Settings given as numbers of torch or numpy are kept as Python's, so that they do not change with the caller's."""

import inspect

import numpy as np
import pytest
import torch

from chainrule import Optimizer
from chainrule.registry import load
from tests.built_ins import BUILT_IN

KINDS = ("layers", "activations", "losses", "initializers", "optimizers")
TAKE_NUMBERS = [record for record in BUILT_IN if record.kind in KINDS]


def of_torch(number):
    return torch.tensor(number, dtype=torch.float64 if isinstance(number, float) else None)


def changed(value, number):
    if isinstance(value, tuple | list):
        return type(value)(changed(item, number) for item in value)
    return number(value) if isinstance(value, int | float) else value


@pytest.mark.parametrize("number", [of_torch, np.asarray])
@pytest.mark.parametrize("record", TAKE_NUMBERS, ids=lambda record: record.name)
def test_numbers_are_kept_as_pythons(record, number):
    component = load(record)
    for example in component.examples():
        one = example[0] if isinstance(example, tuple) else example
        names = inspect.signature(component).parameters
        given = {name: getattr(one, name, None) for name in names}
        settings = {
            name: value
            for name, value in given.items()
            if name != "modules" and isinstance(value, tuple | list | int | float | str | Optimizer)
        }
        modules = getattr(one, "modules", ()) if "modules" in names else ()  # of a container
        again = component(*modules, **{name: changed(value, number) for name, value in settings.items()})
        for name, value in settings.items():
            assert repr(getattr(again, name)) == repr(value)  # which names the type of a number that is not Python's
