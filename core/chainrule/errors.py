"""The errors of chainrule: one parent, and a child wherever a caller may want to tell them apart."""

import re


class ChainruleError(Exception):
    """A mistake that the user can mend; one line names the thing, the rule, the value and the fix."""


class ShapeError(ChainruleError, ValueError):
    """A tensor's shape or dtype does not fit."""


class HyperparameterError(ChainruleError, ValueError):
    """A setting lies outside what its declaration allows."""


class BackwardError(ChainruleError, RuntimeError):
    """Backward was called without a forward, twice, or after a saved tensor changed."""


class StateError(ChainruleError, ValueError):
    """A saved state does not fit the object that loads it."""


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
    """A rule or a step that was to be compiled cannot be; it runs as it is."""


def label(owner: object) -> str:
    """Return the name by which messages call a component: its class name in lower case with underscores."""
    cls = owner if isinstance(owner, type) else type(owner)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def one_line(error: BaseException) -> str:
    """Return the type and text of an error on one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # what a plugin raises may fail here too
        text = "an error that cannot be printed"
    return f"{type(error).__name__}: {' '.join(text.split())}".rstrip(": ")
