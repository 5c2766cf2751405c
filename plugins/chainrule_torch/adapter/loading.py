"""How a state is saved, and how a saved one takes the place of a present one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from chainrule import Optimizer, StateError
from chainrule.errors import label
from chainrule_torch.adapter.expectations import expect_saved
from chainrule_torch.adapter.placement import placed_as
from chainrule_torch.adapter.state_entries import KEY, STEP, as_tensor, shapes


@contextmanager
def without_replaced(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Leave out meanwhile the state of parameters whose place in their group another has taken."""
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    kept = {key: own for key, own in optimizer.state.items() if not isinstance(key, Tensor) or id(key) in known}
    if len(kept) == len(optimizer.state):
        yield
        return
    attributes = vars(optimizer)
    before = {"state": attributes["state"]} if "state" in attributes else {}  # a wrapper has none of its own
    attributes["state"] = kept
    try:
        yield
    finally:
        del attributes["state"]
        attributes |= before


@contextmanager
def fitting(optimizer: torch.optim.Optimizer, rule: Optimizer) -> Iterator[None]:
    """Have a state that is loaded meanwhile compared with the present one, and kept in its dtypes and on its devices.

    Raises:
        StateError: if a parameter's entries or their shapes differ; nothing is changed then.
    """
    before = {parameter: dict(state) for parameter, state in optimizer.state.items()}
    saved: dict[Tensor, dict[str, Any]] = {}

    def compare(_: Any, found: dict[str, Any]) -> None:
        expect_saved(rule, found)
        saved.update(_saved_for(optimizer, found))
        for parameter, state in saved.items():
            mine, theirs = shapes(before.get(parameter, {})), shapes(state)
            if theirs not in (mine, {KEY: mine.get(KEY)}, {}):  # with its key alone, it was removed before it was saved
                raise StateError(
                    f"{label(rule)}: the state of a parameter must be {mine}, got {theirs}. "
                    "Load it into the optimizer that it was saved from."
                )

    def keep(_: Any) -> None:  # what torch has loaded in the parameter's dtype
        for parameter, entries in saved.items():
            loaded, state = optimizer.state[parameter], before.get(parameter, {})
            for name, value in entries.items():
                kept = as_tensor(state.get(name, parameter))
                if not isinstance(value, Tensor) or loaded[name].dtype != kept.dtype:
                    loaded[name] = as_tensor(value).detach().to(kept.device, kept.dtype, copy=True)
                if name not in (STEP, KEY):
                    loaded[name] = placed_as(parameter, loaded[name])

    # After the hooks that change what is loaded, and before those that look at what was.
    hooks = (
        optimizer.register_load_state_dict_pre_hook(compare),
        optimizer.register_load_state_dict_post_hook(keep, prepend=True),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _saved_for(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> dict[Tensor, dict[str, Any]]:
    """Return the saved state of each parameter that has one."""
    ours = [one for group in optimizer.param_groups for one in group["params"]]
    indices = [i for group in state_dict["param_groups"] for i in group["params"]]
    pairs = zip(indices, ours, strict=False)
    return {one: state_dict["state"][i] for i, one in pairs if i in state_dict["state"]}
