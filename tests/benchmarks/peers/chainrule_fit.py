"""chainrule as a user of `fit` gets it: shuffled and gathered batches, mean losses of each epoch, all included."""

from __future__ import annotations

from time import process_time

import torch
from workloads import Array, Workload

import chainrule
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.training import Run

from .chainrule_loop import batches, build, load
from .peer import Peer


class Stopwatch:
    """Note when each epoch ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    @chainrule.hookimpl
    def chainrule_epoch_end(self, run: Run) -> None:
        self.times.append(process_time())


class Fit(Peer):
    trains_ensembles = True

    def __init__(self, workload: Workload, *, compile: bool = False) -> None:
        super().__init__(workload)
        self.compile = compile
        self.network = build(workload)
        self.first = workload.weights()
        self.batches = batches(workload)
        self.data = tuple(map(torch.from_numpy, workload.data))

    def reset(self) -> None:
        load(self.network, self.first)

    def run(self, epochs: int) -> None:
        # The same batches as the others, so that the losses can be compared.
        self._fit(self.batches, epochs, per_member=self.members > 1)

    def round(self) -> float:
        stopwatch = Stopwatch()
        self.reset()
        self._fit(self.data, 1 + self.workload.epochs, callbacks=[stopwatch])
        steps = self.workload.epochs * self.workload.batches
        return (stopwatch.times[-1] - stopwatch.times[0]) / (steps * self.members)

    def _fit(self, train: object, epochs: int, **options: object) -> None:
        chainrule.fit(
            self.network,
            cross_entropy(),
            adam(lr=self.workload.lr),
            train=train,
            epochs=epochs,
            batch_size=self.workload.batch,
            compile=self.compile,
            evaluate_train=False,
            **options,
        )

    def weights(self) -> list[Array]:
        return [parameter.data.numpy().copy() for parameter in self.network.parameters()]
