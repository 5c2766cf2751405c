"""`Peer`: what a program must do to be compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import process_time
from typing import ClassVar

from workloads import Array, Workload


class Peer(ABC):
    """Train a workload's network with Adam.

    Attributes:
        trains_ensembles: False for a program that trains one network at a time; of an ensemble it trains the first.
    """

    trains_ensembles: ClassVar[bool] = False

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.members = workload.members if self.trains_ensembles else 1

    @abstractmethod
    def reset(self) -> None:
        """Go back to the first weights and a fresh optimizer."""

    @abstractmethod
    def run(self, epochs: int) -> None:
        """Train for some epochs, always in the same order, and wait until it is done."""

    @abstractmethod
    def weights(self) -> list[Array]:
        """Return the weights as `Workload.weights` has them."""

    def first_weights(self) -> list[Array]:
        """Return the weights of the members that this program trains."""
        return [weight[: self.members] for weight in self.workload.weights()]

    def train(self, epochs: int) -> None:
        """Train afresh, on the batches of `Workload.epoch`."""
        self.reset()
        self.run(epochs)

    def round(self) -> float:
        """Return seconds of this process's CPU time per step and member, after one epoch that is not timed.

        On one thread that is the time it takes, less what other processes of a busy machine take from it; threads of a
        library's own are counted too.
        """
        self.train(1)
        start = process_time()
        self.run(self.workload.epochs)
        return (process_time() - start) / (self.workload.epochs * self.workload.batches * self.members)
