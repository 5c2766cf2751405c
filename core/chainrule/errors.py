"""The errors of chainrule: a base class, and a subclass for each error that a caller may want to catch."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError


class ChainruleError(Exception):
    """A mistake that the user can fix; one line names the thing, the rule, the value and the fix."""

    def __str__(self) -> str:
        # The message as it is, where other parents have a form of their own; values in it may have several lines.
        return " ".join(line.strip() for line in Exception.__str__(self).splitlines())


class ArgumentError(ChainruleError, TypeError):
    """A call does not fit the signature: an argument is unknown, missing, or one too many."""


class UnknownAttributeError(ChainruleError, AttributeError):
    """An object has no attribute of that name; the message is made only when it is shown, since many are probed for."""

    def __init__(self, message: str | Callable[[], str]) -> None:
        super().__init__()
        self._message = message

    def __str__(self) -> str:
        return self._message if isinstance(self._message, str) else self._message()

    def __reduce__(self) -> tuple[type[UnknownAttributeError], tuple[str]]:
        return type(self), (str(self),)


class ShapeError(ChainruleError, ValueError):
    """A tensor's shape or dtype does not match."""


class HyperparameterError(ChainruleError, ValueError):
    """A setting violates its declared type or bounds."""


class FrozenSettingError(HyperparameterError, FrozenInstanceError):
    """A setting was assigned or deleted after its object was made."""


class ContractError(ChainruleError, TypeError):
    """A component does not do what its kind asks of it; the message names its author's mistake."""


class BackwardError(ChainruleError, RuntimeError):
    """Backward was called without a forward, twice, or after a saved tensor had changed."""


class StateError(ChainruleError, ValueError):
    """A saved state does not match the object that loads it."""


class UnknownCurveError(ChainruleError, KeyError):
    """A history has no curve of that name."""


class CallbackError(ChainruleError, RuntimeError):
    """A callback raised; the message names it and the cause is chained."""


class UnknownComponentError(ChainruleError, ImportError):
    """No component of that kind is registered under that name."""


class AmbiguousComponentError(ChainruleError, ImportError):
    """Several distributions register the same name, or several kinds share it."""


class BlockedComponentError(ChainruleError, ImportError):
    """The component is disabled by CHAINRULE_DISABLE."""


class BrokenComponentError(ChainruleError, ImportError):
    """The component is registered but cannot be loaded; the cause is chained."""


class CompileWarning(UserWarning):
    """A rule or a step cannot be compiled; it runs eagerly."""


def label(owner: object) -> str:
    """Return the name of a component in messages: its class name in snake case."""
    cls = owner if isinstance(owner, type) else type(owner)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()


def one_line(error: BaseException) -> str:
    """Return the type and message of an error on one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # a plugin's exception may have a faulty __str__
        text = "an error that cannot be printed"
    return f"{type(error).__name__}: {' '.join(text.split())}".rstrip(": ")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those from which it followed."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def levels_to_the_caller(*between: str) -> int:
    """Return how far up the stack the code is that called chainrule, from the function that calls this.

    Args:
        between: packages, beside chainrule and torch, through which it may have called.
    """
    frame, levels = sys._getframe(1), 1
    packages = ("chainrule", "torch", *between)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in packages:
        frame, levels = frame.f_back, levels + 1
    return levels
