"""Checks of what is declared: the shapes and initializers of parameters and buffers, and the schedules of rules."""

from __future__ import annotations

import math
import sys
from typing import Any

import torch

from chainrule.arguments import advice, integer, is_foreign, shown
from chainrule.base.initializer import Initializer
from chainrule.calls import signature_of
from chainrule.errors import ChainruleError, HyperparameterError, ShapeError, label


def checked_shape(owner: str, shape: tuple[int, ...]) -> torch.Size:
    """Return the shape, or raise ShapeError unless each size is an integer of at least 1."""
    for size in shape:
        if isinstance(size, tuple | list):
            raise ShapeError(
                f"{owner}: sizes must be passed one by one, got {shown(tuple(size))}. Write {owner}(*shape)."
            )
    sizes = [integer(owner, "every size", size, at_least=1, error=ShapeError) for size in shape]
    if math.prod(sizes) > sys.maxsize:
        raise ShapeError(
            f"{owner}: a tensor must have at most {sys.maxsize} elements, got {sizes}. Pass smaller sizes."
        )
    return torch.Size(sizes)


def checked_initializer(owner: str, init: Any) -> Any:
    """Return an initializer, or raise ChainruleError if it is none, such as a class or a function of torch's."""
    if isinstance(init, Initializer):  # its class was checked
        return init
    if isinstance(init, type) or not callable(init) or getattr(init, "__module__", "").startswith("torch."):
        raise ChainruleError(f"{owner}: init must be an initializer, got {shown(init)}. {advice('initializer', init)}")
    try:
        signature_of(init).bind(None, fan_in=1, fan_out=1, generator=None)
    except ValueError:  # compiled code may have no signature
        pass
    except TypeError as error:
        raise ChainruleError(
            f"{owner}: init must take (tensor, *, fan_in, fan_out, generator), got {shown(init)}: {error}. "
            "Write a function of these, or pass one of chainrule.initializers."
        ) from error
    return init


def expect_schedule(owner: object, name: str, value: object) -> None:
    """Raise HyperparameterError, naming the owner, unless the value is None or a callable t -> factor."""
    if value is not None and (is_foreign(value) or not _takes_a_step(value)):
        raise HyperparameterError(
            f"{label(owner)}: {name} must be a callable t -> factor, got {shown(value)}. {advice('schedule', value)}"
        )


def _takes_a_step(schedule: object) -> bool:
    if isinstance(schedule, type) or not callable(schedule):
        return False
    try:
        signature_of(schedule).bind(1)
    except TypeError:
        return False
    except ValueError:  # a function that is not written in Python may have no signature
        return True
    return True
