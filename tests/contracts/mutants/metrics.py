"""Wrong metrics."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from chainrule_plugins.metrics.accuracy import Accuracy
from chainrule_plugins.metrics.binary_accuracy import BinaryAccuracy

from . import collect

MUTANTS, wrong = collect("metrics")

Sums = Mapping[str, Tensor | float]


@wrong("metric_documents_its_value")
class WithoutFormula(Accuracy):
    """The fraction of rows that are right.

    Shapes:   scores (N, C), target (N,)
    """


@wrong("each_member_has_a_finite_value")
class MeanOverMembers(Accuracy):
    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return super().value(sums).mean()


@wrong("each_member_has_a_finite_value")
class TableThatIsNotDeclared(Accuracy):
    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([super().value(sums)] * 2, 1)


@wrong("each_member_has_a_finite_value")
class DividedByNothing(Accuracy):
    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return sums["right"] / (0 * sums["rows"])


@wrong("batches_do_not_change_the_value")
class MeanOfBatches(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return {
            **right(self, prediction, target),
            "right": super().value(right(self, prediction, target)),
            "rows": 1,
        }


@wrong("batches_do_not_change_the_value")
class ForgetsTheRows(Accuracy):
    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return sums["right"].clamp(max=3)

    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return {"right": right(self, prediction, target)["right"].clamp(max=2)}


@wrong("members_do_not_mix")
class ComparedWithOtherMembers(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return super().sums(prediction - prediction.mean(0), target)


@wrong("members_do_not_mix")
class FirstMembersTargetForAll(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return super().sums(prediction, target[:1].expand_as(target))


@wrong("order_of_rows_does_not_change_the_value")
class LaterRowsCountMore(Accuracy):
    joins_rows = True

    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        classes = prediction.argmax(2)
        return {"right": (classes == target).double()}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        hits = sums["right"]
        return (hits * torch.arange(hits.shape[1])).mean(1)


@wrong("sums_are_exact")
class SumsInSinglePrecision(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return {"rows": target.shape[1], "right": right(self, prediction, target)["right"].to(prediction.dtype)}


@wrong("diverged_member_has_no_value")
class NanIsTheFirstClass(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return super().sums(prediction.nan_to_num(), target)


@wrong("diverged_member_has_no_value")
class NanForAll(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        sums = right(self, prediction, target)
        return {**sums, "rows": target.shape[1], "right": sums["right"] + 0 * sums["right"].sum()}


@wrong("wrong_metric_shapes_raise")
class Broadcasts(BinaryAccuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return {"right": ((prediction > 0.5) == (target > 0.5)).double().flatten(1).mean(1), "rows": 1}


@wrong("metric_arguments_are_not_changed")
class CentersInPlace(Accuracy):
    def sums(self, prediction: Tensor, target: Tensor) -> Sums:
        return super().sums(prediction.sub_(prediction.mean(2, keepdim=True)), target)


@wrong("bad_settings_are_rejected")
class UncheckedThreshold(BinaryAccuracy):
    def __post_init__(self) -> None:
        pass


def right(metric: Accuracy, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Return the sums of the accuracy, among them the number of rows that are right, (M,)."""
    return {name: torch.as_tensor(each) for name, each in Accuracy.sums(metric, prediction, target).items()}
