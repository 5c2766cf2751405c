"""Handwritten digits, compressed to eight numbers and drawn again."""

from __future__ import annotations

from typing import ClassVar

from chainrule import Loss, Module, Splits, Task
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.metrics import mae
from chainrule_lab.tasks.digits import digits
from chainrule_lab.tasks.split_rows import split_rows


class DigitsAutoencoder(Task):
    """Draw handwritten digits again from a code of eight numbers.

    Data:     x images of 8 × 8 pixels in [0, 1] as rows, y = x, (N, 64) each; 1078 train, 359 validation, 360 test
    Network:  64 → 32 → 8 → 32 → 64 with relu, the code and the output linear, mean squared error
    Source:   Hinton & Salakhutdinov 2006 for the task; digits of Alpaydin & Kaynak 1998, as shipped with scikit-learn
    """

    held_out = True
    digest = "cea5851f32783d70eef86032c9fb562282a8493b2616ed37aa96fc239700b988"
    metrics: ClassVar = {"mae": mae()}
    settings: ClassVar = {"epochs": 20, "batch_size": 64}

    def splits(self, seed: int) -> Splits:
        images, _ = digits()
        return split_rows(images, images, seed, "digits_autoencoder")

    def network(self) -> Module:
        encoder = linear(64, 32), relu(), linear(32, 8)
        decoder = linear(8, 32), relu(), linear(32, 64)
        return sequential(*encoder, *decoder)

    def loss(self) -> Loss:
        return mse()
