"""Wrong tasks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule.base.module import Module
from chainrule.base.random_streams import random_stream
from chainrule.base.task import Splits, Task
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule_lab.tasks.circle import Circle

from . import collect

MUTANTS, wrong = collect("tasks")


@wrong("task_documents_its_data")
class WithoutSource(Circle):
    """Tell inside from outside.

    Data:     points
    """


@wrong("splits_are_well_formed")
class TargetsTooMany(Circle):
    def splits(self, seed: int) -> Splits:
        data = super().splits(seed)
        return data._replace(train=(data.train[0][:-1], data.train[1]))


@wrong("splits_are_well_formed")
class NanInTheData(Circle):
    def splits(self, seed: int) -> Splits:
        data = super().splits(seed)
        data.validation[0][3, 1] = torch.nan
        return data


@wrong("splits_are_well_formed")
class DoublePrecision(Circle):
    def splits(self, seed: int) -> Splits:
        data = super().splits(seed)
        return data._replace(test=(data.test[0].double(), data.test[1]))


@wrong("splits_follow_from_the_seed")
class GloballyDrawn(Circle):
    def splits(self, seed: int) -> Splits:
        data = super().splits(seed)
        return data._replace(train=(torch.rand_like(data.train[0]), data.train[1]))


@wrong("splits_follow_from_the_seed")
class SeedsTheGlobalGenerator(Circle):
    def splits(self, seed: int) -> Splits:
        torch.manual_seed(seed)
        return super().splits(seed)


@wrong("splits_follow_from_the_seed")
class OneDataSetForAllSeeds(Circle):
    def splits(self, seed: int) -> Splits:
        return super().splits(0)


@wrong("splits_follow_from_the_seed")
class OtherDataEachTime(Circle):
    def __init__(self) -> None:
        self.calls = 0

    def splits(self, seed: int) -> Splits:
        self.calls += 1
        return super().splits(seed + 1000 * self.calls)


@wrong("splits_have_the_declared_digest")
class ChangedSince(Circle):
    def splits(self, seed: int) -> Splits:
        data = super().splits(seed)
        data.test[1][0] = 1 - data.test[1][0]
        return data


@wrong("splits_share_no_row")
class ValidatedOnTraining(Circle):
    def splits(self, seed: int) -> Splits:
        data = super().splits(seed)
        return data._replace(validation=(data.train[0][-50:], data.train[1][-50:]))


@wrong("splits_share_no_row")
class SharesNothingThoughDeclared(Circle):
    distinct_rows = False


@wrong("network_fits_data_and_loss")
class OneNetworkForAll(Circle):
    def __init__(self) -> None:
        self.kept = super().network()

    def network(self) -> Module:
        return self.kept


@wrong("network_fits_data_and_loss")
class TooFewInputs(Circle):
    def network(self) -> Module:
        return linear(3, 2)


@wrong("metrics_have_a_value_per_member")
class MeanOverMembers(Circle):
    metrics: ClassVar[dict[str, Any]] = {
        "accuracy": lambda prediction, target: (prediction.argmax(-1) == target).float().mean()
    }


@wrong("metrics_have_a_value_per_member")
class CountOfHits(Circle):
    metrics: ClassVar[dict[str, Any]] = {
        "accuracy": lambda prediction, target: (prediction.argmax(-1) == target).float().sum(1)
    }


@wrong("metrics_have_a_value_per_member")
class ComparedWithOtherMembers(Circle):
    metrics: ClassVar[dict[str, Any]] = {
        "distance": lambda prediction, _: (prediction - prediction.mean(0)).abs().mean((1, 2))
    }


@wrong("settings_are_complete")
class WithoutBatchSize(Circle):
    settings: ClassVar[dict[str, Any]] = {"epochs": 100}


@wrong("settings_are_complete")
class HalfAnEpoch(Circle):
    settings: ClassVar[dict[str, Any]] = {"epochs": 0.5, "batch_size": 20}


@wrong("fitting_reduces_the_loss")
class NothingToLearn(Task):
    """Predict noise."""

    metrics: ClassVar[dict[str, Any]] = {}
    settings: ClassVar[dict[str, Any]] = {"epochs": 1, "batch_size": 20}

    def splits(self, seed: int) -> Splits:
        def pair(split: str) -> tuple[Tensor, Tensor]:
            x, y = torch.randn(2, 512, 1, generator=random_stream(seed, "noise", split))
            return x * 1e-3, y

        return Splits(pair("train"), pair("validation"), pair("test"))

    def network(self) -> Module:
        return linear(1, 1, bias=False)

    def loss(self) -> Any:
        return mse()
