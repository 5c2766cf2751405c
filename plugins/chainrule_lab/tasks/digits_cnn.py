"""Handwritten digits, read by a small convolutional network."""

from __future__ import annotations

from typing import ClassVar

from chainrule import Loss, Module, Splits, Task
from chainrule.activations import relu
from chainrule.layers import conv2d, flatten, linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule_lab.tasks.digits import digits
from chainrule_lab.tasks.split_rows import split_rows


class DigitsCnn(Task):
    """Classify handwritten digits by two convolutions.

    Data:     x images, (N, 1, 8, 8), pixels in [0, 1]; y the digit, (N,); 1078 train, 359 validation, 360 test
    Network:  two convolutions of 3 × 3 to 8 and, with stride 2, 16 channels, relu, 256 → 10, cross-entropy
    Source:   Alpaydin & Kaynak 1998, UCI; as shipped with scikit-learn
    """

    held_out = True
    digest = "f4cd017ea63ac23841cf2ac9737fee040bd6faffe5500bc52f61012c06e74ae0"
    metrics: ClassVar = {"accuracy": accuracy()}
    settings: ClassVar = {"epochs": 8, "batch_size": 64}

    def splits(self, seed: int) -> Splits:
        images, classes = digits()
        return split_rows(images.view(-1, 1, 8, 8), classes, seed, "digits_cnn")

    def network(self) -> Module:
        return sequential(
            conv2d(1, 8, 3, padding=1),  # (8, 8, 8)
            relu(),
            conv2d(8, 16, 3, stride=2, padding=1),  # (16, 4, 4)
            relu(),
            flatten(),
            linear(256, 10),
        )

    def loss(self) -> Loss:
        return cross_entropy()
