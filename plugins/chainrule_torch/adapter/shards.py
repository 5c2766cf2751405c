"""How parameters and their state are cut among processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from chainrule import ChainruleError
from chainrule.base.optimizer import State
from chainrule.errors import label
from chainrule.updates.applied_rule import initial_state
from chainrule.updates.chain import Chain
from chainrule_torch.adapter.placement import is_distributed
from chainrule_torch.adapter.shard_trial import acts_on_pieces


class Cut(NamedTuple):
    """The processes among which a parameter is cut, and along which axis.

    Attributes:
        group: the processes.
        ranks: how many they are.
        rank: this process's number among them.
        axis: that of the parameter; state of another shape is cut along its first.
    """

    group: dist.ProcessGroup
    ranks: int
    rank: int
    axis: int

    def span(self, length: int, rank: int) -> tuple[int, int]:
        """Return where the piece of a process starts, and its length: as torch.chunk cuts, then nothing."""
        whole = -(-length // self.ranks)
        start = min(length, whole * rank)
        return start, min(length, start + whole) - start

    def shape(self, whole: Sequence[int], axis: int, rank: int) -> tuple[int, ...]:
        """Return the shape of the piece of a process."""
        return (*whole[:axis], self.span(whole[axis], rank)[1], *whole[axis + 1 :])

    def piece(self, whole: Tensor, axis: int, rank: int) -> Tensor:
        """Return the piece of a process, a view."""
        return whole.narrow(axis, *self.span(whole.shape[axis], rank))


def cut_of(chain: Chain, parameter: Tensor) -> Cut | None:
    """Return how a parameter is cut, or None if this process has all of it.

    Raises:
        ChainruleError: if it is cut in a way that whole tensors are not made from.
    """
    if not is_distributed(parameter):
        return None
    mesh, placements = parameter.device_mesh, parameter.placements
    cuts = [i for i, each in enumerate(placements) if not each.is_replicate() and mesh.size(i) > 1]
    if not cuts:
        return None
    placement = placements[cuts[0]]
    if len(cuts) > 1 or type(placement) is not Shard:
        raise ChainruleError(
            f"{label(chain.rule)}: a parameter must be sharded along one axis of its device mesh, got {placements}. "
            "Give it an elementwise rule, such as adamw, by another optimizer."
        )
    i = cuts[0]
    return Cut(mesh.get_group(i), mesh.size(i), mesh.get_local_rank(i), placement.dim % parameter.dim())


def local(tensor: Tensor) -> Tensor:
    """Return what this process has of a tensor."""
    return tensor.to_local() if is_distributed(tensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor, for which every process must ask."""
    return tensor.full_tensor() if is_distributed(tensor) else tensor


def like(grad: Tensor, parameter: Tensor) -> Tensor:
    """Return the gradient, cut as its parameter is."""
    if is_distributed(grad) and is_distributed(parameter) and grad.placements != parameter.placements:
        return grad.redistribute(parameter.device_mesh, parameter.placements)
    return grad


def begun(chain: Chain, parameter: DTensor) -> State:
    """Return the initial state: cut as the parameter is, or along the first axis where an entry has another shape."""
    if acts_on_pieces(chain):
        own = local(parameter)
        return {
            name: _from_pieces(entry, parameter) if entry.dim() else entry
            for name, entry in initial_state(chain, own).items()
        }
    return {name: placed(entry, parameter) for name, entry in initial_state(chain, whole(parameter)).items()}


def placed(entry: Tensor, parameter: DTensor) -> Tensor:
    """Return an entry as the parameter's state has it, from a whole one that every process has or from a DTensor."""
    mesh = parameter.device_mesh
    placements = tuple(
        each if entry.shape == parameter.shape or each.is_replicate() else Shard(0) for each in parameter.placements
    )
    if is_distributed(entry):
        if entry.device_mesh == mesh and entry.placements == placements:
            return entry
        entry = whole(entry)
    if not entry.dim():
        return entry
    return distribute_tensor(entry, mesh, placements, src_data_rank=None)


def _from_pieces(piece: Tensor, parameter: DTensor) -> DTensor:
    return DTensor.from_local(
        piece,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )
