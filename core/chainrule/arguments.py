"""What users pass: integers and flags in every form that means one, and how messages show a value and what to do."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from chainrule.errors import ArgumentError, ChainruleError, HyperparameterError, StateError

LONGEST = 90
"""The most characters of a value that a message shows."""

FOREIGN = ("torch.nn", "torch.optim", "transformers", "sklearn", "tensorflow", "keras", "jax", "flax", "optax")
"""Packages whose networks, losses and optimizers users pass by mistake."""

ADVICE = {
    "network": "Write it with chainrule.layers and call build(): linear(2, 1).build().",
    "module": "Pass one of chainrule.layers or chainrule.activations, such as linear(2, 1).",
    "loss": "Pass one of chainrule.losses, such as mse().",
    "optimizer": "Pass one of chainrule.optimizers, such as adam(lr=0.001).",
    "schedule": "Pass a callable t -> factor on lr, such as lambda t: 0.99**t.",
    "initializer": "Pass one of chainrule.initializers, such as uniform().",
    "metric": "Pass one of chainrule.metrics, such as accuracy().",
    "callback": "Pass one of chainrule.callbacks, such as progress().",
}
"""What to pass in the place of something else, by what is needed; all but network and module are kinds."""


def integer(
    owner: str, name: str, value: Any, *, at_least: int | None = None, error: type[ChainruleError] = ChainruleError
) -> int:
    """Return an integer of Python, numpy or torch as Python's int.

    Raises:
        ChainruleError: or the given error, if it is none, or below the bound.
    """
    try:
        number = None if is_flag(value) or getattr(value, "ndim", None) else operator.index(value)
    except (TypeError, RuntimeError):  # the latter for a tensor without values
        number = None
    if number is None or (at_least is not None and number < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        meant = _integer_meant(value, at_least or 0)
        fix = f"Pass {max(1, at_least or 0)}, for example." if meant is None else f"Pass {meant}."
        raise error(f"{owner}: {name} must be an integer{bound}, got {shown(value)}. {fix}")
    return number


def _integer_meant(value: Any, at_least: int) -> int | None:
    """Return the integer that text or a number of another type stands for, if it is one of at least that."""
    if is_flag(value) or not isinstance(value, str | float):
        return None
    try:
        meant = float(value)
    except ValueError:
        return None
    return int(meant) if math.isfinite(meant) and meant == int(meant) >= at_least else None


def number(
    owner: str,
    name: str,
    value: Any,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
) -> float:
    """Return a finite number of Python, numpy or torch as Python's.

    Raises:
        HyperparameterError: if it is none, or outside the bounds.
    """
    found: float = value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    if not is_number or found < at_least or found <= above or found > at_most:
        bounds = {"of at least": at_least, "above": above, "of at most": at_most}
        bound = " and".join(f" {words} {limit}" for words, limit in bounds.items() if math.isfinite(limit))
        if math.isfinite(at_least + at_most):
            bound = f" from {at_least} to {at_most}"
        raise HyperparameterError(f"{owner}: {name} must be a number{bound}, got {shown(value)}. Pass one.")
    return found


def flag(owner: str, name: str, value: Any) -> bool:
    """Return a truth value of Python, numpy or torch as Python's bool, or raise ChainruleError."""
    if not is_flag(value):
        raise ChainruleError(f"{owner}: {name} must be True or False, got {shown(value)}. Pass one of the two.")
    return bool(value)


def expect_state(owner: str, state: object, method: str = "state_dict") -> None:
    """Raise StateError unless a saved state, as a method of this name returns it, is a mapping by names."""
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        fix = f"Pass its {method}()." if hasattr(state, method) else f"Pass what {method}() returned."
        raise StateError(f"{owner}: a state must be a dict by names, got {shown(state)}. {fix}")


def is_flag(value: Any) -> bool:
    """Return whether a value is True or False, of Python, or as a number of numpy's or torch's type for these."""
    return isinstance(value, bool) or (
        str(getattr(value, "dtype", "")) in ("bool", "torch.bool") and not getattr(value, "ndim", 0)
    )


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, not too long, and without an address in memory."""
    if isinstance(value, type):
        return f"the class {value.__name__}{_of_package(value)}"
    if isinstance(value, tuple | list) and len(value) > 1 and any(getattr(part, "shape", ()) for part in value):
        return f"{_article(type(value).__name__)} of {', '.join(type(part).__name__ for part in value)}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:  # a tensor or an array
        name = {"Tensor": "a tensor", "ndarray": "a numpy array"}.get(type(value).__name__) or _article(
            type(value).__name__
        )
        return f"{name} {tuple(shape)}"
    text = " ".join(repr(value).split())
    package = _of_package(type(value))
    if package or re.search(r" at 0x[0-9a-f]+>", text):
        name = str(getattr(value, "__name__", ""))
        is_function = callable(value) and bool(name)
        return (
            ("a lambda" if name == "<lambda>" else f"the function {name}")
            if is_function
            else f"{type(value).__name__}{package}"
            if package
            else _article(type(value).__name__)
        )
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def advice(needed: str, value: object) -> str:
    """Return the sentence on what to pass where something is needed, such as a "loss", in place of this value."""
    if isinstance(value, type) and not _of_package(value):
        return "Did you forget to call it?"
    if needed == "network" and hasattr(value, "build"):
        return "Call build() on the module first."
    if needed == "network" and isinstance(value, list | tuple) and value:
        if all(hasattr(one, "flat") for one in value):
            return "Pass one at a time, or a single ensemble, which build(seeds=[0, 1]) returns."
        if all(hasattr(one, "build") for one in value):
            return "Join them into one: sequential(linear(2, 1), relu()).build()."
    if isinstance(value, str) and value.isidentifier() and needed not in ("network", "module"):
        return f'Write chainrule.create("{needed}", "{value}").'
    if is_description(value) and needed != "network":
        return f"Write {_as_written(value)}."
    return ADVICE[needed]


def is_description(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a value is a component's name with its arguments, as files have them: {"name": "adam"}."""
    if not isinstance(value, Mapping) or not isinstance(name := value.get("name"), str):
        return False
    return all(isinstance(one, str) and one.isidentifier() for one in (name, *value))


def _as_written(value: object) -> str:
    """Return a value as Python has it, with calls for descriptions: adam(lr=0.1)."""
    if not is_description(value):
        return shown(value)
    return f"{value['name']}({', '.join(f'{key}={_as_written(one)}' for key, one in value.items() if key != 'name')})"


def is_iterable(value: object) -> bool:
    """Return whether there are items to iterate over; a tensor or an array of no axes has the method, and no items."""
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0


def is_largest_best(owner: str, curve: str, largest: Any) -> bool:
    """Return whether more of a curve is better, as given; only for a loss, of which less is, it may be None.

    Raises:
        ArgumentError: if it is missing, or no flag.
    """
    if largest is None and curve.endswith("loss"):
        return False
    if not is_flag(largest):
        raise ArgumentError(
            f"{owner} needs largest=True or False for the curve {curve}, got {shown(largest)}. "
            "Pass True if more of it is better."
        )
    return bool(largest)


def without_validation(curve: str, curves: Iterable[str]) -> str:
    """Return what to write for a curve of validation that there is not, where there is none at all; or nothing."""
    if not curve.startswith("validation") or any(other.startswith("validation_") for other in curves):
        return ""
    return " The fit had no validation data. Pass validation=(x, y)."


def nearest(name: str, names: Iterable[str]) -> str:
    """Return `` Did you mean "lr"?`` with the name that is meant, by letters, beginning or initials; or nothing."""
    from difflib import get_close_matches

    known = {other.lower(): other for other in names}
    lowered = name.lower()
    close = get_close_matches(lowered, known, n=1, cutoff=0.7) or [
        other
        for other in known
        if min(len(other), len(lowered)) > 1
        and (other.startswith(lowered) or lowered.startswith(other) or _initials(lowered) == other)
    ]
    return f' Did you mean "{known[close[0]]}"?' if close else ""


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.split("_"))


def is_foreign(value: object) -> bool:
    """Return whether a value is an object of another framework, such as torch.nn."""
    return bool(_of_package(type(value)))


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}"


def _of_package(cls: type) -> str:
    """Return `` of torch.nn`` for a class that inherits from one of another framework's."""
    for parent in cls.__mro__:
        for package in FOREIGN:
            if parent.__module__ == package or parent.__module__.startswith(f"{package}."):
                return f" of {package}"
    return ""
