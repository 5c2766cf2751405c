"""Operators that a class does not have, answered with what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

from chainrule.errors import ContractError

Class = TypeVar("Class", bound=type)

_BINARY = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "matmul": "@",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
}

ARITHMETIC = {**_BINARY, **{f"r{name}": symbol for name, symbol in _BINARY.items()}, "neg": "-", "abs": "abs"}
ORDER = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
EQUALITY = {"eq": "==", "ne": "!="}
NUMBERS = {"int": "int", "float": "float", "index": "int", "round": "round"}
ITEMS = {"getitem": "[…]", "setitem": "[…]"}


def without(operators: Mapping[str, str], owner: Callable[[Any], str], fix: str) -> Callable[[Class], Class]:
    """Decorate a class so that these operators raise ContractError; the class keeps its hash.

    Args:
        operators: a symbol for each method's name, without its underscores.
        owner: how messages begin, for an instance.
        fix: what to write, as a sentence.
    """

    def decorate(cls: Class) -> Class:
        for name, symbol in operators.items():
            setattr(cls, f"__{name}__", _refused(symbol, owner, fix))
        return cls

    return decorate


def _refused(symbol: str, owner: Callable[[Any], str], fix: str) -> Callable[..., Any]:
    def operator(self: object, *others: object) -> Any:
        if symbol in EQUALITY.values() and not isinstance(others[0], int | float | Tensor):
            return NotImplemented  # as of any two objects
        raise ContractError(f'{owner(self)} has no operator "{symbol}". {fix}')

    return operator
