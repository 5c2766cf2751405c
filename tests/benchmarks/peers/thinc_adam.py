"""thinc's own training loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from thinc.api import Adam, CategoricalCrossentropy, Model, Relu, Softmax, chain, use_ops
from workloads import Array, Workload

from .peer import Peer


class ThincAdam(Peer):
    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        with use_ops("numpy"):
            *hidden, last = pairwise(workload.sizes)
            layers = [Relu(outputs, inputs) for inputs, outputs in hidden]
            self.model: Model = chain(*layers, Softmax(last[1], last[0]))
            self.model.initialize()
        self.layers = [layer for layer in self.model.walk() if layer.has_param("W")]
        x, y = workload.epoch()
        self.batches = list(zip(x[:, 0].copy(), y[:, 0].copy(), strict=True))
        self.loss = CategoricalCrossentropy(normalize=True)

    def reset(self) -> None:
        weights = self.first_weights()
        for i, layer in enumerate(self.layers):
            layer.set_param("W", weights[2 * i][0].copy())
            layer.set_param("b", weights[2 * i + 1][0].copy())
        # Adam as the others have it: no decay, no clipping.
        self.optimizer = Adam(self.workload.lr, L2=0.0, grad_clip=0.0)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                prediction, backprop = self.model.begin_update(x)
                backprop(self.loss.get_grad(prediction, y))
                self.model.finish_update(self.optimizer)

    def weights(self) -> list[Array]:
        return [np.array(layer.get_param(name))[None] for layer in self.layers for name in ("W", "b")]
