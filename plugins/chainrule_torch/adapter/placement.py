"""Where the elements of a parameter are: here, or in pieces among processes.

`torch.distributed.tensor` takes the better part of a second to import, and is left to those who have DTensors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeGuard

import torch
import torch.distributed as dist
from torch import Tensor

from chainrule import ChainruleError
from chainrule.base.optimizer import State
from chainrule.errors import label
from chainrule.updates.applied_rule import initial_state
from chainrule.updates.chain import Chain
from chainrule_torch.adapter.shard_trial import acts_on_pieces

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_distributed(tensor: Tensor) -> TypeGuard[DTensor]:
    """Whether it is a DTensor, as `fully_shard` makes them."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def distributed(tensors: Iterable[Tensor]) -> list[DTensor]:
    """Return those that are DTensors."""
    module = sys.modules.get("torch.distributed.tensor")
    return [] if module is None else [each for each in tensors if isinstance(each, module.DTensor)]


def check_placement(chain: Chain, parameters: Iterable[Tensor], *, elementwise: bool) -> None:
    """Raise ChainruleError if a parameter is in pieces of which the rule cannot make a step."""
    cut = distributed(parameters)
    if cut and not acts_on_pieces(chain):
        from chainrule_torch.adapter.shards import cut_of

        for parameter in cut:
            cut_of(chain, parameter)
    if not elementwise and any(getattr(parameter, "_fsdp_flattened", False) for parameter in parameters):
        raise ChainruleError(
            f"{label(chain.rule)}: FullyShardedDataParallel hides the shapes of parameters, which only an elementwise "
            "rule can do without. Use torch.distributed.fsdp.fully_shard."
        )


def initial_entries(chain: Chain, parameter: Tensor) -> State:
    """Return the rule's initial state for a parameter."""
    if is_distributed(parameter):
        from chainrule_torch.adapter.shards import begun

        return begun(chain, parameter)
    return initial_state(chain, parameter)


def evaluated(make: Callable[[Tensor, State], Tensor], parameter: Tensor, state: State) -> Tensor:
    """Return the values to evaluate with, which are made from a parameter and its state."""
    if is_distributed(parameter):
        from chainrule_torch.adapter.shards import placed, whole

        return placed(make(whole(parameter), {name: whole(entry) for name, entry in state.items()}), parameter)
    return make(parameter, state)


def placed_as(parameter: Tensor, entry: Tensor) -> Tensor:
    """Return an entry of a saved state as the parameter's state has it, in pieces or not."""
    if is_distributed(parameter):
        from chainrule_torch.adapter.shards import placed

        return placed(entry, parameter)
    return entry.full_tensor() if is_distributed(entry) else entry


def is_one_of_several() -> bool:
    """Whether this process is one of a group."""
    return dist.is_available() and dist.is_initialized()


def common_seed(parameters: Iterable[Tensor]) -> int:
    """Return the seed of the first of the processes that have the parameters, for which all of them must ask."""
    seed = torch.initial_seed()
    first = next(iter(parameters))
    words = torch.tensor([seed >> 32, seed & 0xFFFFFFFF], device=first.device)
    if is_distributed(first):
        from torch.distributed.tensor import Replicate, distribute_tensor

        words = distribute_tensor(words, first.device_mesh, [Replicate()] * first.device_mesh.ndim).to_local()
    else:
        dist.broadcast(words, 0)
    high, low = words.tolist()
    return int(high << 32 | low)
