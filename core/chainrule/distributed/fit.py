"""`fit` on several processes: members of an ensemble divided among them, or the rows of one network's batches."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainrule.arguments import shown
from chainrule.base.protocols import LossLike
from chainrule.calls import explained
from chainrule.distributed.members import fit_members
from chainrule.distributed.processes import of_all, this_process
from chainrule.distributed.rows import SharedRows
from chainrule.errors import ChainruleError
from chainrule.network import Network
from chainrule.training.batches import Data, is_pair
from chainrule.training.fit import fit as fit_here
from chainrule.training.history import History
from chainrule.training.passed_parts import check_parts
from chainrule.training.run_settings import difference, settings_of
from chainrule.training.training_step import Attachable


@explained
def fit(
    network: Network,
    loss: LossLike,
    optimizer: Attachable,
    *,
    train: Data,
    validation: Data | None = None,
    callbacks: Sequence[object] = (),
    checkpoint: str | Path | None = None,
    **settings: Any,
) -> History:
    """Train as `chainrule.fit` does, on all processes that ``torchrun --nproc-per-node N`` has started.

    Every process calls it with the same arguments, and ends with the whole network and the whole history. On one
    process, without torchrun too, it is `chainrule.fit`.

    Of an ensemble every process trains its members, every N-th, as an ensemble of their own, and nothing is exchanged
    until the end. A callback sees the members of its process alone, counted from 0. One that writes a file needs
    another in each process; a checkpoint has the process in its name. Of a process that ended sooner, as by early
    stopping, the curves have NaN from there on.

    A single network is trained by all together: each takes its share of a batch's rows, and one all-reduce a step sums
    the gradients. Layers must treat rows one by one, unlike batch norm, and draw no random numbers, unlike dropout;
    compile=True compiles the update alone. Callbacks are told of the same in every process, and must decide alike.

    Args:
        network: as in `chainrule.fit`, as are the others; built alike in every process, on its own device.
        loss: called on each batch.
        optimizer: an optimizer, or `param_groups({…})`.
        train: all of the data, in every process.
        validation: the same.
        callbacks: objects of this process.
        checkpoint: a file for an ensemble's members, such as ``run.ckpt``, of which ``run.0-of-2.ckpt`` is written.
        settings: those of `chainrule.fit`.

    Raises:
        ChainruleError: if a process fails or ends, in all of them; if they were called with different arguments; if a
            single network cannot be trained by rows, or is to be kept in a checkpoint or captured.
    """
    check_parts("distributed.fit", network=network, loss=loss, optimizer=optimizer)
    place = this_process()
    data: dict[str, Any] = {"train": train, **({} if validation is None else {"validation": validation})}
    if place.size == 1:
        return fit_here(network, loss, optimizer, **data, callbacks=callbacks, checkpoint=checkpoint, **settings)
    _expect_alike(network, data, loss=loss, optimizer=optimizer, **settings)
    if network.is_ensemble:
        if isinstance(checkpoint, str | Path):
            path = Path(checkpoint)
            checkpoint = path.with_name(f"{path.stem}.{place.rank}-of-{place.size}{path.suffix}")
        return fit_members(
            place, network, loss, optimizer, data, callbacks=callbacks, checkpoint=checkpoint, **settings
        )
    if checkpoint:
        raise ChainruleError(
            "distributed.fit: checkpoint must be left out for one network, which several processes train, got "
            f"{shown(checkpoint)}. Leave it out, or train an ensemble, whose members are divided."
        )
    return fit_here(network, loss, SharedRows(optimizer, place), **data, callbacks=callbacks, **settings)


def _expect_alike(network: Network, data: Mapping[str, Data], **settings: Any) -> None:
    """Raise ChainruleError, in every process, unless all were called with the same arguments."""
    pairs = {name: one for name, one in data.items() if is_pair(one)}
    own = settings_of(network, pairs, **settings)
    own.pop("device")
    own["first values"] = f"{zlib.crc32(network.flat.data.cpu().numpy().tobytes()):08x}"
    for rank, other in enumerate(everyone := of_all(own)):
        if found := difference(other, everyone[0]):
            raise ChainruleError(
                f"distributed.fit: every process must be called alike, got in process {rank} {found} of process 0. "
                "Pass the same to all of them."
            )
