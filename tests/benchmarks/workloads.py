"""What is trained in each row: sizes, first weights and batches, the same in every process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Workload:
    """A relu network trained with Adam and cross-entropy.

    Every round starts from the same weights. Its first epoch is not timed.

    Attributes:
        name: what the command line calls it.
        sizes: of the layers, from inputs to classes.
        batch: rows in a batch.
        batches: batches in an epoch.
        epochs: timed in a round.
        members: of the ensemble.
        uses_circle: whether the points are those of a circle; otherwise they are random, with random labels.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    batch: int
    batches: int
    epochs: int
    members: int = 1
    uses_circle: bool = False
    lr: float = 1e-3

    @property
    def rows(self) -> int:
        return self.batch * self.batches

    @property
    def parameters(self) -> int:
        """Parameters of one member."""
        return sum(outputs * (inputs + 1) for inputs, outputs in pairwise(self.sizes))

    def weights(self) -> list[Array]:
        """Return first values, weight (M, out, in) and bias (M, out) of each layer in turn."""
        random = np.random.default_rng(1)
        return [
            random.uniform(-1, 1, (self.members, *shape)).astype(np.float32) / np.float32(math.sqrt(inputs))
            for inputs, outputs in pairwise(self.sizes)
            for shape in ((outputs, inputs), (outputs,))
        ]

    @cached_property
    def data(self) -> tuple[Array, NDArray[np.int64]]:
        """x (rows, in) and class indices y (rows,)."""
        random = np.random.default_rng(2)
        if self.uses_circle:
            x = random.random((self.rows, 2), dtype=np.float32)
            return x, (((x - 0.5) ** 2).sum(1) < 1 / (2 * math.pi)).astype(np.int64)
        x = random.standard_normal((self.rows, self.sizes[0]), dtype=np.float32)
        return x, random.integers(self.sizes[-1], size=self.rows)

    def epoch(self) -> tuple[Array, NDArray[np.int64]]:
        """Return an epoch's batches in order, x (S, M, B, in) and y (S, M, B); each member has its own order."""
        x, y = self.data
        random = np.random.default_rng(3)
        order = np.stack([random.permutation(self.rows) for _ in range(self.members)])  # (M, rows)
        order = order.reshape(self.members, self.batches, self.batch).swapaxes(0, 1)
        return x[order], y[order]

    def loss(self, weights: list[Array]) -> NDArray[np.float64]:
        """Return each member's mean loss over all rows, computed in float64 by nobody's framework."""
        x, y = self.data
        losses = []
        for member in range(len(weights[0])):
            activation = x.astype(np.float64)
            for layer in range(0, len(weights), 2):
                weight, bias = (weights[layer + i][member].astype(np.float64) for i in range(2))
                activation = (np.maximum(activation, 0) if layer else activation) @ weight.T + bias
            shifted = activation - activation.max(1, keepdims=True)
            log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
            losses.append(-log_probabilities[np.arange(len(y)), y].mean())
        return np.array(losses)


SMALL = Workload("small", "MLP 2-16-32-2, batch 20, one network", (2, 16, 32, 2), 20, 50, 60, uses_circle=True)
ENSEMBLE = Workload(
    "ensemble", "the same, ensemble of 100, per member", (2, 16, 32, 2), 20, 50, 3, members=100, uses_circle=True
)
MEDIUM = Workload("medium", "MLP 784-512-512-10, batch 128", (784, 512, 512, 10), 128, 15, 2)
LARGE = Workload("large", "MLP 2048-2048-2048-10, batch 256", (2048, 2048, 2048, 10), 256, 4, 2)

WORKLOADS = {workload.name: workload for workload in (SMALL, ENSEMBLE, MEDIUM, LARGE)}
