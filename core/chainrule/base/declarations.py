"""Checks of what parameters and buffers are declared with."""

from __future__ import annotations

from typing import Any

import torch

from chainrule.arguments import advice, integer, shown
from chainrule.calls import signature_of
from chainrule.errors import ChainruleError, ShapeError


def checked_shape(owner: str, shape: tuple[int, ...]) -> torch.Size:
    """Return the shape, or raise ShapeError unless each size is an integer of at least 1."""
    for size in shape:
        if isinstance(size, tuple | list):
            raise ShapeError(
                f"{owner}: sizes must be passed one by one, got {shown(tuple(size))}. Write {owner}(*shape)."
            )
    return torch.Size([integer(owner, "every size", size, at_least=1, error=ShapeError) for size in shape])


def checked_initializer(owner: str, init: Any) -> Any:
    """Return an initializer, or raise ChainruleError if it is none, such as a class or a function of torch's."""
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
