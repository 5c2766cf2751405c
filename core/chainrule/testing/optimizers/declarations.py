"""Checks on optimizers: what a rule declares, and how it is printed and copied."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import math
import pickle
from collections.abc import Iterator
from typing import Any

import torch

from chainrule.base.optimizer import Optimizer
from chainrule.errors import ChainruleError, HyperparameterError, label
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.optimizers.trials import changed, expect_same, moved, weights
from chainrule.testing.subject import Subject

SECTIONS = ("Update:", "Variant:", "Source:")


@check("optimizers", once=True, cause="a section that was left out, or a rule without a docstring of its own.")
def rule_documents_its_formula(subject: Subject) -> None:
    """Demand a docstring of a first sentence and the sections Update, Variant and Source.

    Rules of one name differ in print: the formula must stand there, with the form that was taken, and where eps stands.
    """
    expect_sections(subject.component, SECTIONS)


@check("optimizers", cause="a field without at_least=…, or a __post_init__ that does not call super().__post_init__().")
def bad_hyperparameters_are_rejected(rule: Optimizer) -> None:
    """Demand a HyperparameterError for a value outside its bounds, or of another type, and for any negative lr.

    It must name rule and field in one line; NaN, infinity and text are no numbers. Mistakes must show at once.
    """
    for field in dataclasses.fields(rule):
        for bad in _bad_values(field):
            error = _error_of(rule, field.name, bad)
            got = "no error" if error is None else f"{type(error).__name__}: {error}"
            what = f"{field.name}={bad!r} must raise HyperparameterError"
            expect(isinstance(error, HyperparameterError), f"{what}, got {got}")
            begins = f"{label(rule)}: {field.name} must "
            expect(
                str(error).startswith(begins) and "\n" not in str(error), f"{what} {begins!r} in one line, got {got}"
            )
    with contextlib.suppress(TypeError):
        kind: Any = type(rule)
        kind(no_such_setting=1)
        expect(False, "a setting that the rule does not have must raise TypeError, got no error.")


def _error_of(rule: Optimizer, name: str, value: object) -> Exception | None:
    try:
        changed(rule, **{name: value})
    except Exception as error:  # noqa: BLE001 - a constructor may raise anything
        return error
    return None


def _bad_values(field: dataclasses.Field[Any]) -> Iterator[object]:
    """Yield values that the field must refuse."""
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
    if isinstance(default, int | float) and not declared.get("per_member"):
        yield torch.tensor([0.1, 0.2])


@check("optimizers", once=True, cause="a search range whose ends are exchanged, or that reaches outside the bounds.")
def search_ranges_are_allowed(subject: Subject) -> None:
    """Demand that both ends of every declared search range can be used, the lower one first.

    A search over hyperparameters must not stop at an error.
    """
    rule = subject.make_examples()[0]
    ranges = {
        field.name: field.metadata["search"] for field in dataclasses.fields(rule) if field.metadata.get("search")
    }
    if not ranges:
        raise NotApplicable("no hyperparameter declares a search range")
    for name, (low, high) in ranges.items():
        expect(low < high, f"the search range of {name} must rise, got {(low, high)}.")
        for end in (low, high):
            try:
                changed(rule, **{name: end})
            except HyperparameterError as error:
                expect(False, f"{name}={end} of the search range {(low, high)} must be allowed, got the error: {error}")


@check("optimizers", cause="a counter of the rule's own, t counted from 0, or a name that only some steps have.")
def scalars_depend_on_t_alone(rule: Optimizer) -> None:
    """Demand that scalars(t) is the same finite numbers whenever asked, from t = 1 on, by the same names at every t.

    A resumed run asks in the middle, and a compiled kernel has fixed inputs.
    """
    moments = (1, 2, 3, 10, 1000, 10**6)
    first = {t: dict(rule.scalars(t)) for t in moments}
    if not first[1] and not any(first.values()):
        raise NotApplicable("the rule has no scalars")
    for t, found in first.items():
        expect(
            found.keys() == first[1].keys(),
            f"scalars({t}) must have the names {sorted(first[1])}, got {sorted(found)}.",
        )
        for name, value in found.items():
            fits = isinstance(value, int | float) and math.isfinite(value)
            expect(fits, f"scalars({t})[{name!r}] must be a finite number, got {value!r}.")
    for t in reversed(moments):
        again = dict(rule.scalars(t))
        expect(again == first[t], f"scalars({t}) asked again must be {first[t]}, got {again}.")


@check("optimizers", cause="a __repr__ of the rule's own, or a setting that is not a field.")
def rule_repr_makes_it_again(rule: Optimizer) -> None:
    """Demand that repr(rule), evaluated, gives an equal rule, since reports and saved runs name a rule by it."""
    kind = type(rule)
    names = {kind.__name__: kind, "tensor": torch.tensor}
    if rule.schedule is not None:
        names[type(rule.schedule).__name__] = type(rule.schedule)
    text = repr(rule)
    expression = text.replace(kind.__qualname__, kind.__name__, 1)
    try:
        again = eval(expression, names)  # noqa: S307 - the component's own text
    except (NameError, SyntaxError, TypeError, ChainruleError) as error:
        again = error
    expect(again == rule, f"repr(rule) must evaluate to an equal rule, got {text} and from it {again!r}.")


@check("optimizers", cause="something on the rule that cannot be copied, such as a function defined inside another.")
def rule_copies_act_alike(rule: Optimizer) -> None:
    """Demand that deepcopy and pickle give equal rules, which move a network alike to the bit.

    Sweeps send rules to other processes.
    """
    copies = {"deepcopy": copy.deepcopy(rule)}
    with contextlib.suppress(AttributeError, pickle.PicklingError):  # a class that no module holds
        copies["pickle"] = pickle.loads(pickle.dumps(rule))  # noqa: S301 - just written
    if "pickle" not in copies and _is_importable(type(rule)):
        expect(False, "the rule must be picklable, got an error.")
    expected = moved(rule, weights(rule)).state_dict()
    for name, copied in copies.items():
        expect(copied == rule, f"a {name} must equal the rule {rule!r}, got {copied!r}.")
        expect_same(f"with a {name} of the rule", moved(copied, weights(rule)).state_dict(), expected)


def _is_importable(kind: type) -> bool:
    return getattr(inspect.getmodule(kind), kind.__qualname__, None) is kind
