"""What a rule's methods must return, and that its state changes in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from torch import Tensor

from chainrule.errors import ContractError, StateError

_NUMBERS = (float, int, Tensor)


class FrozenState(dict[str, Tensor]):
    """A rule's state, whose tensors change in place but are never replaced: they are views of larger ones."""

    def __missing__(self, name: str) -> NoReturn:
        known = ", ".join(self)
        fix = f"Known: {known}." if known else _returned_from_init(name)
        raise ContractError(f'state["{name}"] must be a name that init returns, got another. {fix}')

    def __setitem__(self, name: str, value: Tensor) -> None:
        if name not in self:
            fix = _returned_from_init(name)
            raise StateError(f'state["{name}"] must be a tensor that init returns, got one made in update. {fix}')
        if value is not self.get(name):  # `state["m"] += …` assigns the same tensor
            raise StateError(f'state["{name}"] must change in place, got a new tensor. Write state["{name}"].copy_(…).')

    def update(self, *_: Any, **__: Any) -> None:
        """Refuse to replace tensors."""
        raise StateError(
            "state must change in place, tensor by tensor, got update(…). Write state[name].copy_(…) for each."
        )

    __ior__ = update  # type: ignore[assignment]

    def setdefault(self, name: str, default: Any = None) -> Tensor:
        """Return the tensor of that name, which `init` has returned."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, *_: Any, **__: Any) -> Any:
        """Refuse to remove tensors."""
        raise StateError("state must keep the tensors that init returned, got one removed. Leave them in it.")

    __delitem__ = popitem = clear = pop


def _returned_from_init(name: str) -> str:
    return f'Return it from init: def init(self, parameter): return {{"{name}": torch.zeros_like(parameter)}}.'


def expect_state(owner: str, returned: Any) -> None:
    """Raise ContractError unless `init` returned tensors by name."""
    if not isinstance(returned, dict) or not all(
        isinstance(name, str) and isinstance(entry, Tensor) for name, entry in returned.items()
    ):
        raise ContractError(
            f"{owner}: init must return a dict of tensors by name, got {_shown(returned)}. "
            'Return {"m": torch.zeros_like(parameter)}, for example.'
        )


def expect_numbers(owner: str, returned: Any) -> None:
    """Raise ContractError unless `scalars` returned numbers by name."""
    fits = isinstance(returned, (dict, Mapping))
    if fits:
        for name, value in returned.items():  # all(…) would take three times as long
            if not isinstance(name, str) or not isinstance(value, _NUMBERS):
                fits = False
    if not fits:
        raise ContractError(
            f"{owner}: scalars must return a dict of numbers by name, got {_shown(returned)}. "
            'Return {"bias": 1 - self.beta**t}, for example.'
        )


def expect_sums(owner: str, returned: Any) -> None:
    """Raise ContractError unless `reduce` returned 0-dim tensors by name."""
    if not isinstance(returned, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) and value.dim() == 0 for name, value in returned.items()
    ):
        raise ContractError(
            f"{owner}: reduce must return a dict of 0-dim tensors by name, got {_shown(returned)}. "
            'Return {"squares": grad.square().sum()}, for example.'
        )


_DIRECTION = "Return d of θ ← θ − lr d, and leave the step to the core."


def refuse_parameter(owner: str) -> NoReturn:
    """Raise ContractError for an `update` that returned the parameter in place of a direction."""
    raise ContractError(f"{owner}: update must return a direction, got the parameter. {_DIRECTION}")


def expect_like(owner: str, method: str, what: str, returned: Any, parameter: Tensor) -> None:
    """Raise ContractError unless a method returned a tensor of the parameter's shape and dtype."""
    if not isinstance(returned, Tensor) or returned.shape != parameter.shape or returned.dtype != parameter.dtype:
        fix = _DIRECTION if method == "update" else "Return one like the parameter."
        raise ContractError(
            f"{owner}: {method} must return a {what} of the parameter's shape "
            f"{tuple(parameter.shape)} and {parameter.dtype}, got {_shown(returned)}. {fix}"
        )


def _shown(value: Any) -> str:
    """Return a value as messages show it, short."""
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} and {value.dtype}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name!r}: {_shown(item)}' for name, item in value.items())}}}"
    return "None" if value is None else f"a {type(value).__name__}"
