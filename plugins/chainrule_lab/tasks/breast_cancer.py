"""Logistic regression on the breast cancer data of Wisconsin."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import torch
from torch import Tensor

from chainrule import Loss, Module, Splits, Task
from chainrule.layers import linear
from chainrule.losses import bce_with_logits
from chainrule.metrics import binary_accuracy
from chainrule_lab.extra import lab_required
from chainrule_lab.tasks.split_rows import split_rows, standardized


class BreastCancer(Task):
    """Tell benign from malignant tumours by logistic regression, a convex problem.

    Data:     x 30 measurements of cell nuclei, standardized, (N, 30); y 1 benign and 0 malignant, (N, 1); 341
              train, 114 validation, 114 test
    Network:  30 → 1, binary cross-entropy of its logit
    Source:   Street, Wolberg & Mangasarian 1993, UCI; as shipped with scikit-learn
    """

    held_out = True
    digest = "03201b3d153c02f801c7d1cc385aee6b65faf81f7c31cc0633d8630b1f87dd58"
    metrics: ClassVar = {"accuracy": binary_accuracy(threshold=0.0)}
    settings: ClassVar = {"epochs": 30, "batch_size": 32}

    def splits(self, seed: int) -> Splits:
        return split_rows(*_table(), seed, "breast_cancer")

    def network(self) -> Module:
        return linear(30, 1)

    def loss(self) -> Loss:
        return bce_with_logits()


@cache
def _table() -> tuple[Tensor, Tensor]:
    with lab_required("breast_cancer"):
        from sklearn.datasets import load_breast_cancer

    x, y = (torch.from_numpy(values) for values in load_breast_cancer(return_X_y=True))
    return standardized(x), y.double().unsqueeze(1)
