"""Handwritten digits, read by a network of one hidden layer."""

from __future__ import annotations

from typing import ClassVar

from chainrule import Loss, Module, Splits, Task
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule_lab.tasks.digits import digits
from chainrule_lab.tasks.split_rows import split_rows


class DigitsMlp(Task):
    """Classify handwritten digits by a network of one hidden layer.

    Data:     x images of 8 × 8 pixels in [0, 1] as rows, (N, 64); y the digit, (N,); 1078 train, 359 validation,
              360 test
    Network:  64 → 32 → 10 with relu, cross-entropy
    Source:   Alpaydin & Kaynak 1998, UCI; as shipped with scikit-learn
    """

    digest = "bcf4769a077b40ad850579dd6c4d60c1708bd84e3b58e65d45b863083860273f"
    metrics: ClassVar = {"accuracy": accuracy()}
    settings: ClassVar = {"epochs": 20, "batch_size": 64}

    def splits(self, seed: int) -> Splits:
        return split_rows(*digits(), seed, "digits_mlp")

    def network(self) -> Module:
        return sequential(linear(64, 32), relu(), linear(32, 10))

    def loss(self) -> Loss:
        return cross_entropy()
