"""Batches: tensors shuffled for each member by its own seed, gathered ahead of the steps; or an iterable's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import partial
from numbers import Number
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.input_tensors import expect_dense
from chainrule.base.member_rows import Chosen
from chainrule.base.random_streams import stream_seed
from chainrule.errors import ChainruleError, ShapeError
from chainrule.network import Network

Batches: TypeAlias = Iterable[tuple[Tensor, Tensor]]

Data: TypeAlias = tuple[Tensor, Tensor] | Batches
"""A pair (x, y) of tensors, or an iterable of batches such as a DataLoader."""

GATHERED_ELEMENTS = 2**24
"""The most elements of shuffled data held at a time; a small data set's epoch is gathered at once."""

SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
"""Dtypes that index_select lacks, each with one of its size."""

LOADER = "torch.utils.data.DataLoader(data, batch_size=32)"


class TensorBatches:
    """Batches of two tensors, reshuffled every epoch, for each member in its own order.

    The order depends on (seed, epoch) alone, so that a member sees the batches of the single network with its seed.

    Shapes: x and y (N, …), shared, or with per_member=True (M, N, …); a batch is (M, B, …), the last may be smaller

    Raises:
        ShapeError: if x and y have no rows or different numbers of them, or a wrong number of members.
    """

    def __init__(self, x: Tensor, y: Tensor, network: Network, batch_size: int, *, per_member: bool) -> None:
        check_pair("fit: train", x, y, network, per_member=per_member)
        self.seeds = network.seeds
        self.rows = x.shape[1] if per_member else x.shape[0]
        self.batch_size = min(batch_size, self.rows)
        self.tensors = [tensor.flatten(0, 1) if per_member else tensor for tensor in (x, y)]
        self.offset = self.rows if per_member else 0  # from a member's rows to the next one's
        self.row_elements = max(1, *(tensor[0].numel() for tensor in self.tensors))

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.rows // self.batch_size)

    def epoch(self, number: int, taken: int = 0, chosen: Chosen | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch, given its number, several of one size at a time: (S, M, B, …).

        Those that were taken before are left out, and members that are not chosen where there is a choice.
        """
        members = range(len(self.seeds)) if chosen is None else chosen.members
        generator = torch.Generator()
        orders = {}  # once for members of one seed
        for seed in {self.seeds[i] for i in members}:
            generator.manual_seed(stream_seed(seed, "batches", str(number)))
            orders[seed] = torch.randperm(self.rows, generator=generator, device="cpu")
        indices = torch.stack([orders[self.seeds[i]] for i in members])
        if self.offset:
            indices += torch.tensor([i * self.offset for i in members], device="cpu").unsqueeze(1)
        indices = indices.to(self.tensors[0].device)  # (M, N)
        whole = self.rows - self.rows % self.batch_size
        chunk = max(1, GATHERED_ELEMENTS // (self.row_elements * len(members) * self.batch_size)) * self.batch_size
        for start in range(taken * self.batch_size, whole, chunk):
            yield self._gather(indices[:, start : min(start + chunk, whole)], self.batch_size)
        if whole < self.rows:
            yield self._gather(indices[:, whole:], self.rows - whole)

    def _gather(self, indices: Tensor, size: int) -> tuple[Tensor, Tensor]:
        members = indices.shape[0]
        # Batch by batch in memory, so that each batch (M, B, …) is contiguous.
        order = indices.view(members, -1, size).transpose(0, 1).flatten()
        x, y = (_rows(tensor, order).view(-1, members, size, *tensor.shape[1:]) for tensor in self.tensors)
        return x, y


def _rows(tensor: Tensor, order: Tensor) -> Tensor:
    signed = SIGNED.get(tensor.dtype)
    return tensor.index_select(0, order) if signed is None else _rows(tensor.view(signed), order).view(tensor.dtype)


class IterableBatches:
    """Batches from an iterable, such as a DataLoader; shapes as in `TensorBatches`.

    The check looks at each batch of the first epoch.
    """

    def __init__(
        self,
        name: str,
        batches: Iterable[tuple[Tensor, Tensor]],
        network: Network,
        *,
        per_member: bool,
        check: Callable[..., None] | None = None,
    ) -> None:
        self.name = name
        self.batches = batches
        self.network = network
        self.per_member = per_member
        self.check = check

    @property
    def steps(self) -> int | None:
        """The number of batches in an epoch, None if unknown."""
        try:
            return len(self.batches) if isinstance(self.batches, Sized) else None
        except TypeError:  # the __len__ of a DataLoader over an iterable data set raises
            return None

    def epoch(
        self,
        number: int,
        taken: int = 0,  # noqa: ARG002 - as for tensors
        chosen: Chosen | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one pass over the iterable, one at a time: (1, M, B, …)."""
        count = 0
        caller, _, split = self.name.partition(": ")
        fix = f"Pair each row of x with one of y, or batch single rows with {LOADER}."
        for count, batch in enumerate(self.batches, start=1):
            x, y = _batch(self.name, batch)
            if chosen is not None and self.per_member:
                x, y = chosen.of(x), chosen.of(y)
            check_pair(self.name, x, y, self.network, per_member=self.per_member, fix=fix)
            if self.check is not None and number == 1:
                name = f"{caller}: batch {count} of {split}"
                self.check(name, self.network, x=x, y=y, per_member=self.per_member)
            lift = partial(self.network.with_member_axis, per_member=self.per_member)
            yield lift(x).unsqueeze(0), lift(y).unsqueeze(0)
        if not count:
            fix = "Pass a list or a DataLoader; a generator ends after one pass."
            if self.steps == 0:
                samplers = (self.batches, getattr(self.batches, "batch_sampler", None))
                drops = any(getattr(one, "drop_last", False) for one in samplers)
                fix = "Leave out drop_last, or lower batch_size." if drops else "Pass at least one pair (x, y)."
            raise ChainruleError(f"{self.name} yielded no batch. {fix}")


def is_pair(data: object) -> TypeGuard[tuple[Tensor, Tensor]]:
    """Return whether data is x and y, not an iterable of batches."""
    return isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(data[i], Tensor) for i in (0, 1))


def checked_data(name: str, data: Any) -> Data:
    """Return x and y, or an iterable that may yield batches.

    Raises:
        ShapeError: if the data is neither; the message, which begins with the name, has the form to pass.
    """
    if is_pair(data):
        return data
    if isinstance(data, Iterable) and not isinstance(data, tuple | str | Mapping | Tensor | np.ndarray | type):
        return data
    raise ShapeError(f"{name} must be two tensors x and y, or batches of these, got {_parts(data)}. {_form(data)}")


def _batch(name: str, batch: object) -> tuple[Tensor, Tensor]:
    """Return the x and y of a batch."""
    if is_pair(batch):
        x, y = batch
        return x, y
    caller, _, split = name.partition(": ")
    raise ShapeError(
        f"{caller}: a batch of {split} must be two tensors x and y, got {_parts(batch)}. {_form(batch, of_batch=True)}"
    )


def _parts(data: object) -> str:
    if isinstance(data, Mapping):
        return f"a {type(data).__name__}"
    if isinstance(data, tuple | list) and data:
        kinds = ", ".join(type(part).__name__ for part in data[:3])
        return f"a {type(data).__name__} of {kinds}{', …' if len(data) > 3 else ''}"
    return shown(data)


def _form(data: Any, *, of_batch: bool = False) -> str:
    """Return a sentence with the form to pass in place of this data."""
    if isinstance(data, Mapping):
        keys = [f"[{key!r}]" for key in data][:2]
        return f"Pass (data{keys[0]}, data{keys[-1]})." if len(keys) == 2 else "Pass (x, y)."
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return f"Pass one of its parts, such as data.{data._fields[0]}."
    is_row = isinstance(data, tuple | list) and len(data) == 2
    if of_batch and is_row and any(isinstance(part, Number | np.generic) for part in data):
        return f"Batch single rows with {LOADER}."
    if isinstance(data, tuple | list) and any(isinstance(part, np.ndarray | list) for part in data):
        return "Convert each with torch.as_tensor(part, dtype=network.dtype), class indices with dtype=torch.int64."
    if hasattr(data, "__getitem__") and not isinstance(data, Iterable | type):  # a data set of rows
        return f"Pass {LOADER}."
    return "Yield pairs (x, y)." if of_batch else "Pass (x, y), or a list or a DataLoader of such pairs."


def check_pair(
    name: str,
    x: Tensor,
    y: Tensor,
    network: Network,
    *,
    per_member: bool,
    fix: str = "Pair each row of x with one of y.",
) -> None:
    """Raise ShapeError, with the fix where rows differ, if x and y are not rows of one data set for the network."""
    caller, _, split = name.partition(": ")
    if per_member and not network.is_ensemble:
        raise ShapeError(
            f"{caller}: per_member must be False for a single network, got True. Leave it out, or build(seeds=…)."
        )
    for part, tensor in (("x", x), ("y", y)):
        expect_dense(caller, f"{part} of {split}", tensor, network.device)
    axes = 2 if per_member else 1
    if x.dim() < axes or y.dim() < axes or x.shape[:axes] != y.shape[:axes] or 0 in x.shape[:axes]:
        leading = "(M, N, …)" if per_member else "(N, …)"
        raise ShapeError(
            f"{caller}: x and y of {split} must have shape {leading} with the same rows, at least one, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}. {fix}"
        )
    if x.is_floating_point() and x.dtype != network.dtype:
        raise ShapeError(
            f"{caller}: x of {split} must have dtype {network.dtype}, got {x.dtype}. "
            "Convert it with x.to(network.dtype)."
        )
    network.check_input(network.with_member_axis(x, per_member=per_member))
