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
from chainrule.testing.copies import settings_inside
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.subject import Subject

Schedule = Callable[[int], float]

MOMENTS = (*range(1, 200), 1000, 10**6)
"""The steps t at which schedules are evaluated."""


@check("schedules", once=True, cause="a missing section, or a schedule without a docstring of its own.")
def schedule_documents_its_factor(subject: Subject) -> None:
    """The docstring begins with a sentence and has a section Factor with the formula of f(t)."""
    expect_sections(subject.component, ("Factor:",))


@check("schedules", cause="a division by a number of steps that can be 0 or exceeded, or a cosine that falls below 0.")
def factors_are_finite_and_not_negative(schedule: Schedule) -> None:
    """The factor is a finite number of at least 0 at every step from t = 1 on, even long after the last planned step.

    A negative factor turns descent into ascent, and a run that lasts longer than planned must not fail.
    """
    for t in MOMENTS:
        factor = schedule(t)
        fits = isinstance(factor, int | float) and math.isfinite(factor) and factor >= 0
        expect(fits, f"the factor at t = {t} must be a finite number of at least 0, got {factor!r}.")


@check("schedules", cause="a counter or a last value stored on the schedule, or a random draw.")
def factors_depend_on_t_alone(schedule: Schedule) -> None:
    """The factor depends on t alone, not on the order or number of calls.

    A resumed run starts in the middle, and one schedule may serve several parameter groups.
    """
    untouched = copy.deepcopy(schedule)
    first = {t: schedule(t) for t in MOMENTS}
    for t in reversed(MOMENTS):
        for what, again in (("evaluated again", schedule(t)), ("evaluated on a new copy", copy.deepcopy(untouched)(t))):
            expect(again == first[t], f"the factor at t = {t}, {what}, must be {first[t]!r}, got {again!r}.")


@check("schedules", cause="a nested function; make the schedule a class with __call__.")
def schedule_copies_act_alike(schedule: Schedule) -> None:
    """A pickled copy gives the same factors, since sweeps send schedules to other processes."""
    try:
        copied: Any = pickle.loads(pickle.dumps(schedule))  # noqa: S301 - pickled on this line
    except Exception as error:  # noqa: BLE001 - pickle raises many types
        expect(False, f"the schedule must be picklable, got {type(error).__name__}: {error}.")
    for t in MOMENTS:
        expect(copied(t) == schedule(t), f"f({t}) of a pickled copy must be {schedule(t)!r}, got {copied(t)!r}.")


@check("schedules", cause="no __repr__, or one that omits a setting.")
def schedule_repr_makes_it_again(schedule: Schedule) -> None:
    """The evaluated repr gives the same factors, since reports show a rule with its schedule."""
    kinds, text = [type(part) for part in settings_inside(schedule)], repr(schedule)
    expression = text
    for kind in kinds:
        expression = expression.replace(kind.__qualname__, kind.__name__, 1)
    try:
        again = eval(expression, {kind.__name__: kind for kind in kinds})  # noqa: S307 - its own repr
        factors = [again(t) for t in MOMENTS]
    except (NameError, SyntaxError, TypeError, ChainruleError) as error:
        expect(False, f"repr(schedule) must evaluate to a schedule, got {text}, which raises {error!r}.")
    for t, factor in zip(MOMENTS, factors, strict=True):
        expect(factor == schedule(t), f"f({t}) of the evaluated repr {text} must be {schedule(t)!r}, got {factor!r}.")
