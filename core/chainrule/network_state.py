"""What a saved state must have, to be that of a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule.arguments import expect_state, shown
from chainrule.errors import StateError


def check_state(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise StateError unless a state has the names and shapes of the network's own, and real numbers."""
    expect_state("network", state)
    if missing := sorted(own.keys() ^ state.keys()):
        raise StateError(
            f"network: a state must have the names {sorted(own)}, got a difference in {missing}. "
            "Load it into a network of the same layers."
        )
    for name, values in state.items():
        if not isinstance(values, Tensor) or values.is_meta or values.is_sparse or values.is_complex():
            raise StateError(
                f"network: {name} must be a tensor of real numbers, got {_with_kind(values)}. "
                "Load what state_dict() returned."
            )
        shape = own[name].shape
        if values.shape != shape:
            raise StateError(
                f"network: {name} must have shape {tuple(shape)}, got {tuple(values.shape)}. "
                "Load a state_dict into a network of the same sizes and members."
            )


def check_random_state(state: Mapping[str, Mapping[str, Tensor]], own: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise StateError unless a state has the names, shapes and dtypes of the network's own random streams."""
    expect_state("network", state, "random_state")
    if different := sorted(own.keys() ^ state.keys()):
        raise StateError(
            f"network: a random state must have the names {sorted(own)}, got a difference in {different}. "
            "Load it into a network of the same layers."
        )
    for name, saved in state.items():
        parts = saved if isinstance(saved, Mapping) else {}
        if not all(isinstance(parts.get(part), Tensor) for part in ("key", "counter")):
            raise StateError(
                f"network: the random state of {name} must have tensors key and counter, got {shown(saved)}. "
                "Load what random_state() returned."
            )
        for part, mine in own[name].items():
            if saved[part].shape != mine.shape:
                raise StateError(
                    f"network: the {part} of {name} must have shape {tuple(mine.shape)}, "
                    f"got {tuple(saved[part].shape)}. Load it into a network with as many members."
                )
            if saved[part].dtype != mine.dtype or saved[part].is_meta or saved[part].is_sparse:
                raise StateError(
                    f"network: the {part} of {name} must be a tensor of {mine.dtype}, got {_with_kind(saved[part])}. "
                    "Load what random_state() returned."
                )


def _with_kind(values: object) -> str:
    if not isinstance(values, Tensor):
        return shown(values)
    return f"{shown(values)} of {values.dtype}, {values.layout}, on {values.device}"
