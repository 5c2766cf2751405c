"""The entries of a parameter's state: those of its rule, and those of the optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import StateError
from chainrule.base.random_numbers import random_key
from chainrule.errors import label
from chainrule.updates.chain import Chain
from chainrule_torch.adapter.placement import initial_entries

STEP, KEY, TRAINED = "step", "random_key", "trained"
COMPENSATION = "compensation"
BESIDE = {STEP, KEY, TRAINED, COMPENSATION}
"""Entries of a parameter's state beside those of its rule: what torch counts, and three that only some have."""


def begin(chain: Chain, parameter: Tensor) -> dict[str, Tensor]:
    """Return the initial entries of the rule, and a count of no steps."""
    own = initial_entries(chain, parameter.detach())
    expect_names(chain, own)
    return {STEP: torch.tensor(0.0, device="cpu"), **own}


def expect_names(chain: Chain, own: Iterable[str]) -> None:
    """Raise StateError if an entry of the rule has a name of the optimizer's."""
    if taken := BESIDE.intersection(own):
        raise StateError(
            f"{label(chain.rule)}: state must leave the names {', '.join(sorted(BESIDE))} to the optimizer, "
            f"got {sorted(taken)}. Rename it."
        )


def of_the_rule(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the rule's part of a parameter's state, with what rounding has left out of the parameter."""
    return {name: value for name, value in state.items() if name not in (STEP, KEY, TRAINED)}


def shapes(state: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each entry that is saved; a number has that of a tensor of one."""
    return {name: tuple(as_tensor(value).shape) for name, value in sorted(state.items()) if name != TRAINED}


def as_tensor(value: Any) -> Tensor:
    """Return an entry as a tensor where it lies, a number as one on the CPU, whatever the default device."""
    return value if isinstance(value, Tensor) else torch.tensor(value, device="cpu")


def draw_keys(parameters: list[Tensor], states: list[dict[str, Tensor]], first: int, seed: int) -> None:
    """Give parameters the keys of their random numbers, from that of this number of a seed on."""
    keys = [random_key(seed, f"update/{first + i}") for i in range(len(parameters))]
    rows = torch.tensor(keys, dtype=torch.int64, device="cpu").view(-1, 2, 1).unbind()
    for parameter, state, key in zip(parameters, states, rows, strict=True):
        state[KEY] = key if parameter.is_cpu else key.to(parameter.device)


def show_trained(parameter: Tensor, state: dict[str, Tensor]) -> None:
    """Let a parameter be the one that is trained."""
    if TRAINED in state:
        parameter.detach().copy_(state.pop(TRAINED))
