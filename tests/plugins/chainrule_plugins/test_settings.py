"""Settings given as numbers of torch or numpy are kept as Python's, so that they do not change with the caller's."""

import inspect

import numpy as np
import pytest
import torch

from chainrule import ChainruleError, Optimizer
from chainrule.layers import linear, sequential
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


LONG = [
    sequential(*[linear(3, 3) for _ in range(40)]).build(),
    torch.zeros(1000),
    list(range(1000)),
    {str(number): number for number in range(500)},
]


@pytest.mark.parametrize("record", BUILT_IN, ids=lambda record: record.name)
def test_an_error_shows_the_beginning_of_a_long_value(record):
    component = load(record)
    parameters = inspect.signature(component).parameters.values()
    required = {one.name: 3 for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD}
    messages = []
    for parameter in (one for one in parameters if one.kind is not one.VAR_KEYWORD):
        for value in LONG:
            try:
                if parameter.kind is parameter.VAR_POSITIONAL:
                    component(value)
                else:
                    component(**required | {parameter.name: value})
            except ChainruleError as error:
                messages.append(str(error))
    assert all(len(message) < 330 for message in messages)
