"""Regression on the diabetes data of Efron et al."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.metrics import r2
from chainrule_lab.extra import lab_required
from chainrule_lab.tasks.split_rows import split_rows, standardized


class Diabetes(Task):
    """Predict how far a disease has progressed within a year; noise is most of what is left to explain.

    Data:     x 10 measurements, (N, 10), and y the progression, (N, 1), all standardized; 265 train, 88 validation, 89
              test
    Network:  10 → 16 → 1 with tanh, mean squared error
    Source:   Efron, Hastie, Johnstone & Tibshirani 2004; as shipped with scikit-learn
    """

    digest = "d0ccb516fe367e85bf8c2847f59d7d4c867cc50aa7bce4633176aecec9417f30"
    metrics: ClassVar = {"r2": r2()}
    settings: ClassVar = {"epochs": 40, "batch_size": 32}

    def splits(self, seed: int) -> Splits:
        return split_rows(*_table(), seed, "diabetes")

    def network(self) -> Module:
        return sequential(linear(10, 16), tanh(), linear(16, 1))

    def loss(self) -> Loss:
        return mse()


@cache
def _table() -> tuple[Tensor, Tensor]:
    with lab_required("diabetes"):
        from sklearn.datasets import load_diabetes

    x, y = (torch.from_numpy(values) for values in load_diabetes(return_X_y=True, scaled=False))
    return standardized(x), standardized(y.unsqueeze(1))
