"""Rows of the member axis, taken from tensors that are nested in dicts and lists, and joined again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Chosen(NamedTuple):
    """Some of the members that a network was built with.

    Attributes:
        members: their numbers, in order.
        built: how many there were.
    """

    members: list[int]
    built: int

    def of(self, tensor: Tensor) -> Tensor:
        """Return the rows of these members; a tensor without a row for each member that was built as it is."""
        return tensor[self.members] if tensor.shape[:1] == (self.built,) else tensor


def rows_of(nested: Any, rows: Sequence[int]) -> Any:
    """Return copies of these rows of every tensor (M, …), nested as they are."""
    if isinstance(nested, Tensor):
        return nested[list(rows)]
    if isinstance(nested, dict):
        return {name: rows_of(value, rows) for name, value in nested.items()}
    return [rows_of(value, rows) for value in nested]


def joined(first: Any, second: Any) -> Any:
    """Return the rows of one and of the other, which are nested alike."""
    if isinstance(first, Tensor):
        return torch.cat([first, second])
    if isinstance(first, dict):
        return {name: joined(value, second[name]) for name, value in first.items()}
    return [joined(one, other) for one, other in zip(first, second, strict=True)]
