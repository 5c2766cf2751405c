"""The entries of a parameter's state: those of its rule, and those of the optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule import StateError
from chainrule.errors import label
from chainrule.updates.applied_rule import initial_state
from chainrule.updates.chain import Chain

STEP, KEY, TRAINED = "step", "random_key", "trained"
COMPENSATION = "compensation"
BESIDE = {STEP, KEY, TRAINED, COMPENSATION}
"""Entries of a parameter's state beside those of its rule: what torch counts, and three that only some have."""


def begin(chain: Chain, parameter: Tensor) -> dict[str, Tensor]:
    """Return the initial entries of the rule, and a count of no steps.

    Raises:
        StateError: if an entry of the rule has a name of the optimizer's.
    """
    own = initial_state(chain, parameter.detach())
    if taken := own.keys() & BESIDE:
        raise StateError(
            f"{label(chain.rule)}: state must leave the names {', '.join(sorted(BESIDE))} to the optimizer, "
            f"got {sorted(taken)}. Rename it."
        )
    return {STEP: torch.tensor(0.0, device="cpu"), **own}


def of_the_rule(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the rule's part of a parameter's state, with what rounding has left out of the parameter."""
    return {name: value for name, value in state.items() if name not in (STEP, KEY, TRAINED)}


def shapes(state: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each entry that is saved; a number has that of a tensor of one."""
    return {name: tuple(torch.as_tensor(value).shape) for name, value in sorted(state.items()) if name != TRAINED}
