"""Checks on the declared settings of optimizers, initializers, schedules and metrics."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import torch

from chainrule.base.optimizer import Optimizer
from chainrule.base.settings import Settings
from chainrule.errors import HyperparameterError, label, one_line
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect
from chainrule.testing.subject import Subject

KINDS = ("optimizers", "initializers", "schedules", "metrics")


@check(*KINDS, cause="a field without at_least=…, or a __post_init__ that does not call super().__post_init__().")
def bad_settings_are_rejected(component: object) -> None:
    """A setting out of bounds or of the wrong type, or a negative lr, raises HyperparameterError on construction.

    The one-line message names the component and the field. NaN, infinity and strings do not count as numbers, and an
    unknown setting raises TypeError.
    """
    component = component[0] if isinstance(component, tuple) else component  # an example of a metric has rows
    if not isinstance(component, Settings):
        raise NotApplicable("it declares no settings as fields")
    for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every subclass is a dataclass
        inner = getattr(component, field.name)
        for bad in (type(inner), "adam", None) if isinstance(inner, Optimizer) else _bad_values(field):
            error = _error_of(component, field.name, bad)
            got = "no error" if error is None else f"{type(error).__name__}: {error}".rstrip(".")
            what = f"{field.name}={bad!r} must raise HyperparameterError"
            expect(isinstance(error, HyperparameterError), f"{what}, got {got}.")
            begins = f"{label(component)}: {field.name} must "
            fits = str(error).startswith(begins) and "\n" not in str(error)
            expect(fits, f"{what} with a one-line message that begins with {begins!r}, got {got}.")
    with contextlib.suppress(TypeError):
        kind: Any = type(component)
        kind(no_such_setting=1)
        expect(False, "an unknown setting must raise TypeError, got no error.")


def _error_of(component: Any, name: str, value: object) -> Exception | None:
    try:
        dataclasses.replace(component, **{name: value})
    except Exception as error:  # noqa: BLE001 - a constructor may raise anything
        return error
    return None


def _bad_values(field: dataclasses.Field[Any]) -> Iterator[object]:
    """Yield invalid values of the field."""
    default, declared = field.default, field.metadata
    if field.name == "lr":
        yield -1.0
    if isinstance(default, bool):
        yield "yes"
    numbers: list[object] = []
    if isinstance(default, int | float) and not isinstance(default, bool):
        numbers = [math.nan, math.inf, "much", None, True]
    elif isinstance(default, tuple):
        numbers = [math.nan, "much"]
    for name, outside in (("at_least", -1.0), ("at_most", 1.0), ("above", 0.0), ("below", 0.0)):
        if declared.get(name) is not None:
            numbers.append(declared[name] + outside)
    for number in numbers:
        if isinstance(default, tuple):
            yield from ((*default[:i], number, *default[i + 1 :]) for i in range(len(default)))
        else:
            yield number
    if isinstance(default, int | float):
        yield torch.tensor([[0.1, 0.2]])
        if declared.get("per_member") is False or isinstance(default, bool):
            yield torch.tensor([0.1, 0.2])


@check("optimizers", once=True, cause="a search range with its ends swapped, or one that exceeds the bounds.")
def search_ranges_are_allowed(subject: Subject) -> None:
    """Both ends of every search range are valid in some example, in ascending order, so that no search stops."""
    examples = subject.make_examples()
    fields = dataclasses.fields(examples[0]) if isinstance(examples[0], Settings) else ()  # type: ignore[arg-type]
    ranges = {field.name: field.metadata["search"] for field in fields if field.metadata.get("search")}
    if not ranges:
        raise NotApplicable("no setting declares a search range")
    for name, (low, high) in ranges.items():
        expect(low < high, f"the search range of {name} must be ascending, got {(low, high)}.")
        for end in (low, high):
            errors = [error for example in examples if (error := _error_of(example, name, end))]
            if len(errors) == len(examples):
                got = one_line(errors[0]).rstrip(".")
                expect(False, f"{name}={end} of the search range {(low, high)} must be valid, got {got}.")
