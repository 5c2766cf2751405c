"""Checks on schedules."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.testing.check import check
from chainrule.testing.compare import expect
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.subject import Subject

Schedule = Callable[[int], float]

MOMENTS = (*range(1, 200), 1000, 10**6)
"""The steps at which schedules are evaluated, from t = 1 on."""


@check("schedules", once=True, cause="a section that was left out, or a schedule without a docstring of its own.")
def schedule_documents_its_factor(subject: Subject) -> None:
    """The docstring begins with a sentence and has the section Factor, with f(t) as a formula."""
    expect_sections(subject.component, ("Factor:",))


@check("schedules", cause="a division by a number of steps that may be 0 or passed, or a cosine that runs below 0.")
def factors_are_finite_and_not_negative(schedule: Schedule) -> None:
    """The factor is a finite number of at least 0 at every step from t = 1 on, long after the last planned step too.

    A negative factor climbs, and a run that goes on longer than planned must not fail.
    """
    for t in MOMENTS:
        factor = schedule(t)
        fits = isinstance(factor, int | float) and math.isfinite(factor) and factor >= 0
        expect(fits, f"the factor at t = {t} must be a finite number of at least 0, got {factor!r}.")


@check("schedules", cause="a counter or a last value held on the schedule, or a random draw.")
def factors_depend_on_t_alone(schedule: Schedule) -> None:
    """The factors do not depend on the order or the number of calls.

    A resumed run asks in the middle, and one schedule may serve several groups.
    """
    untouched = copy.deepcopy(schedule)
    first = {t: schedule(t) for t in MOMENTS}
    for t in reversed(MOMENTS):
        for what, again in (("asked again", schedule(t)), ("asked first of a copy", copy.deepcopy(untouched)(t))):
            expect(again == first[t], f"the factor at t = {t}, {what}, must be {first[t]!r}, got {again!r}.")


@check("schedules", cause="a function defined inside another; make the schedule a class with __call__.")
def schedule_copies_act_alike(schedule: Schedule) -> None:
    """A pickled copy gives the same factors, since sweeps send schedules to other processes."""
    try:
        copied: Any = pickle.loads(pickle.dumps(schedule))  # noqa: S301 - just written
    except Exception as error:  # noqa: BLE001 - pickle raises many kinds
        expect(False, f"the schedule must be picklable, got {type(error).__name__}: {error}.")
    for t in MOMENTS:
        expect(copied(t) == schedule(t), f"of a pickled copy, f({t}) must be {schedule(t)!r}, got {copied(t)!r}.")


@check("schedules", cause="no __repr__, or one that leaves a setting out.")
def schedule_repr_makes_it_again(schedule: Schedule) -> None:
    """The evaluated repr gives the same factors, since reports show a rule with its schedule."""
    kind, text = type(schedule), repr(schedule)
    try:
        again = eval(text.replace(kind.__qualname__, kind.__name__, 1), {kind.__name__: kind})  # noqa: S307 - its own text
        factors = [again(t) for t in MOMENTS]
    except (NameError, SyntaxError, TypeError, ChainruleError) as error:
        expect(False, f"repr(schedule) must evaluate to a schedule, got {text} and from it {error!r}.")
    for t, factor in zip(MOMENTS, factors, strict=True):
        expect(factor == schedule(t), f"of what {text} makes, f({t}) must be {schedule(t)!r}, got {factor!r}.")
