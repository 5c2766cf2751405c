"""Checks on optimizers: docstring, scalars, repr and copies."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
import pickle

import torch

from chainrule.base.optimizer import Optimizer
from chainrule.errors import ChainruleError
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect
from chainrule.testing.copies import settings_inside
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.optimizers.trials import expect_same, moved, weights
from chainrule.testing.subject import Subject

SECTIONS = ("Update:", "Variant:", "Source:")


@check("optimizers", once=True, cause="a missing section, or a rule without a docstring of its own.")
def rule_documents_its_formula(subject: Subject) -> None:
    """The docstring begins with a sentence and has the sections Update, Variant and Source.

    Published rules of one name differ: the docstring gives the formula, the variant and the place of eps.
    """
    expect_sections(subject.component, SECTIONS)


@check("optimizers", cause="a counter on the rule, t counted from 0, or a name present at only some steps.")
def scalars_depend_on_t_alone(rule: Optimizer) -> None:
    """scalars(t) returns the same finite numbers at every call, under the same names at every t from 1 on.

    A resumed run starts in the middle, and a compiled kernel has fixed inputs.
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
        expect(again == first[t], f"a second call of scalars({t}) must return {first[t]}, got {again}.")


@check("optimizers", cause="an overridden __repr__, or a setting that is not a field.")
def rule_repr_makes_it_again(rule: Optimizer) -> None:
    """The evaluated repr equals the rule, since reports and saved runs identify a rule by it."""
    parts = list(settings_inside(rule))
    names = {type(part).__name__: type(part) for part in parts} | {"tensor": torch.tensor}
    text = expression = repr(rule)
    for part in parts:
        expression = expression.replace(type(part).__qualname__, type(part).__name__, 1)
    try:
        again = eval(expression, names)  # noqa: S307 - the component's own repr
    except (NameError, SyntaxError, TypeError, ChainruleError) as error:
        again = error
    expect(again == rule, f"repr(rule) must evaluate to an equal rule, got {again!r} from {text}.")


@check("optimizers", cause="an attribute that cannot be copied, such as a nested function.")
def rule_copies_act_alike(rule: Optimizer) -> None:
    """Copies by deepcopy and pickle equal the rule and update a network the same, bit for bit.

    Sweeps send rules to other processes.
    """
    copies = {"deepcopy": copy.deepcopy(rule)}
    with contextlib.suppress(AttributeError, pickle.PicklingError):  # a class that cannot be imported
        copies["pickle"] = pickle.loads(pickle.dumps(rule))  # noqa: S301 - pickled on this line
    if "pickle" not in copies and _is_importable(type(rule)):
        expect(False, "the rule must be picklable, got an error.")
    expected = moved(rule, weights(rule)).state_dict()
    for name, copied in copies.items():
        expect(copied == rule, f"a copy by {name} must equal the rule {rule!r}, got {copied!r}.")
        expect_same(f"with a copy by {name}, as with the rule,", moved(copied, weights(rule)).state_dict(), expected)


def _is_importable(kind: type) -> bool:
    return getattr(inspect.getmodule(kind), kind.__qualname__, None) is kind
