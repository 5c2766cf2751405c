"""What a rule as a torch optimizer is given in the wrong form, answered with the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError, Optimizer, Parameter, State, StateError
from chainrule.arguments import is_iterable, shown
from chainrule.errors import ArgumentError, label
from chainrule_torch.adapter.placement import is_distributed
from chainrule_torch.adapter.state_entries import STEP


def expect_parameters(rule: Optimizer, params: Any) -> None:
    """Raise ArgumentError for what holds no parameters of torch; what is inside of a generator, torch looks at."""
    owner, fix = label(rule), "Pass model.parameters()."
    if hasattr(params, "module") and hasattr(params, "flat"):
        fix = f"Write {owner}(…).attach(network), or chainrule.fit(network, loss, {owner}(…))."
    elif is_iterable(params) and not isinstance(params, torch.nn.Module):
        if not isinstance(params, list | tuple) or not any(
            issubclass(kind, Parameter) for kind in set(map(type, params))
        ):
            return
        fix = f"Write {owner}(…).attach(network)."
    raise ArgumentError(f"{owner}: params must be parameters of torch, got {shown(params)}. {fix}")


def expect_saved(rule: Optimizer, state_dict: Mapping[str, Any]) -> None:
    """Raise StateError unless a saved state has the parts of a torch optimizer's."""
    owner = label(rule)
    if missing := {"state", "param_groups"} - state_dict.keys():
        raise StateError(
            f"{owner}: a state must have state and param_groups, got none of {sorted(missing)}. "
            "Load what optimizer.state_dict() returned."
        )


def expect_dense(rule: Optimizer, grads: Iterable[Tensor | None]) -> None:
    """Raise ChainruleError for a sparse gradient."""
    for layout in {grad.layout for grad in grads if grad is not None} - {torch.strided}:
        raise ChainruleError(
            f"{label(rule)}: a gradient must be dense, got {layout}. "
            "Set sparse=False in the module, or give its parameters another optimizer."
        )


def expect_dtypes_kept(
    rule: Optimizer, parameters: Iterable[Tensor], states: Mapping[Tensor, Any], begun: Callable[[Tensor], State]
) -> None:
    """Raise StateError if the state of a parameter has another dtype or device than one made for it now would have.

    Args:
        rule: the optimizer's.
        parameters: those of a group.
        states: the state of each parameter.
        begun: makes the initial state of a parameter.
    """
    for parameter in parameters:
        own = states.get(parameter, {})
        if not own.get(STEP):  # whose state is made anew
            continue
        here = parameter.to_local() if is_distributed(parameter) else parameter  # other processes may have no error
        for name, fresh in begun(here).items():
            entry = own.get(name)
            if isinstance(entry, Tensor) and (entry.dtype, entry.device) != (fresh.dtype, fresh.device):
                raise StateError(
                    f"{label(rule)}: a parameter must keep dtype and device, got {parameter.dtype} on "
                    f"{parameter.device} with {name} of {entry.dtype} on {entry.device}. Convert or move the model "
                    "before the optimizer is made."
                )
