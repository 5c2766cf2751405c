"""`Task`: the parent class of every task, a data set with its reference network and loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import Field
from functools import wraps
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.loss import Loss
from chainrule.base.metric import MetricLike
from chainrule.base.module import Module
from chainrule.calls import Explained, ExplainsAttributes, expect_bound, explain_methods, signature_of
from chainrule.errors import ArgumentError, ContractError, label


class _ThreePairs(NamedTuple):
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


class Splits(ExplainsAttributes, _ThreePairs):
    """Three pairs (x, y), each x (N, …) with its y (N, …)."""

    if not TYPE_CHECKING:  # type checkers know the fields

        @wraps(_ThreePairs.__new__)
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 - that of the fields
            expect_bound(cls.__name__, signature_of(_ThreePairs), args, kwargs)
            return super().__new__(cls, *args, **kwargs)

        def __getitem__(self, index: Any) -> Any:
            try:
                return super().__getitem__(index)
            except TypeError as error:
                raise ArgumentError(
                    f"splits: its pairs have names and numbers, got {shown(index)}. Write splits.train, or splits[0]."
                ) from error

    def digest(self) -> str:
        """Return the SHA-256 of all shapes and values, floats in single precision, whatever torch's default dtype."""
        found = sha256()
        for tensor in (tensor for pair in self for tensor in pair):
            kept = tensor.detach().cpu()
            kept = kept.float() if kept.is_floating_point() else kept.long()
            found.update(f"{tuple(kept.shape)} {kept.dtype} ".encode() + kept.contiguous().numpy().tobytes())
        return found.hexdigest()


class Task(Explained):
    """A data set drawn from a seed, with its reference network, loss, metrics and settings."""

    metrics: ClassVar[Mapping[str, MetricLike]]
    """The metrics to record beside the loss, by name."""

    settings: ClassVar[Mapping[str, Any]]
    """Reference settings: epochs and batch_size."""

    distinct_rows: ClassVar[bool] = True
    """Whether no row of x is in two splits."""

    held_out: ClassVar[bool] = False
    """Whether benchmarks keep the task for the end, so that no rule and no protocol is fitted to it."""

    digest: ClassVar[str | None] = None
    """``splits(0).digest()``, so that results of equal names are of equal data; None where installations differ."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, held in {"metrics": "metrics by name", "settings": "epochs and batch_size"}.items():
            value = vars(cls).get(name, {})
            if not (isinstance(value, Mapping | Field) or hasattr(value, "__get__")):
                raise ContractError(f"{label(cls)}: {name} must be a dict of {held}, got {shown(value)}. Write one.")
        explain_methods(cls, "splits", "network", "loss")

    @abstractmethod
    def splits(self, seed: int) -> Splits:
        """Return the data for this seed, the same at every call."""

    @abstractmethod
    def network(self) -> Module:
        """Return a new reference network, not built."""

    @abstractmethod
    def loss(self) -> Loss:
        """Return the loss to train the network with."""

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]
