"""The errors of chainrule: a base class, and a subclass for each error that a caller may want to catch."""

import re


class ChainruleError(Exception):
    """A mistake that the user can fix; one line names the thing, the rule, the value and the fix."""


class ShapeError(ChainruleError, ValueError):
    """A tensor's shape or dtype does not match."""


class HyperparameterError(ChainruleError, ValueError):
    """A setting violates its declared type or bounds."""


class ContractError(ChainruleError, TypeError):
    """A component does not do what its kind asks of it; the message names its author's mistake."""


class BackwardError(ChainruleError, RuntimeError):
    """Backward was called without a forward, twice, or after a saved tensor had changed."""


class StateError(ChainruleError, ValueError):
    """A saved state does not match the object that loads it."""


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
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()


def one_line(error: BaseException) -> str:
    """Return the type and message of an error on one line."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # a plugin's exception may have a faulty __str__
        text = "an error that cannot be printed"
    return f"{type(error).__name__}: {' '.join(text.split())}".rstrip(": ")
