"""The table of test loss and accuracy: ours, the paper's, and the difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.paper.experiment_settings import Printed
from chainrule_lab.statistics import Interval, mean_and_deviation, one_more_run


@dataclass(frozen=True)
class Quantity:
    """One test value of one setting over its seeds, beside the paper's.

    Attributes:
        mean: over seeds.
        deviation: sample standard deviation over seeds.
        printed: the paper's value, None where it has none.
        difference: ours less the paper's.
        one_more_run: where one more run of ours would fall with 95 % probability.
    """

    mean: float
    deviation: float
    printed: float | None
    difference: float | None
    one_more_run: Interval

    @property
    def is_like_ours(self) -> bool | None:
        """Whether the printed value could be one more run of ours; None where nothing is printed."""
        return None if self.printed is None else self.one_more_run.low <= self.printed <= self.one_more_run.high


@dataclass(frozen=True)
class Row:
    """One setting's line in the table.

    Attributes:
        name: the setting's.
        title: the setting's.
        loss: test loss per example.
        accuracy: test accuracy as a fraction.
        passed: the first epoch, and the accuracy there, at which our mean validation loss is down to the printed loss;
            None where nothing is printed or it never is.
    """

    name: str
    title: str
    loss: Quantity
    accuracy: Quantity
    passed: tuple[int, float] | None


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Return the table's lines in the order of the outcomes."""
    return [_row(outcome, outcome.setting.printed) for outcome in outcomes]


def _row(outcome: Outcome, printed: Printed | None) -> Row:
    return Row(
        outcome.setting.name,
        outcome.setting.title,
        _quantity(outcome.test["loss"], None if printed is None else printed.loss),
        _quantity(outcome.test["accuracy"], None if printed is None else printed.accuracy),
        _passed(outcome, printed),
    )


def _quantity(values: list[float], printed: float | None) -> Quantity:
    mean, deviation = mean_and_deviation(values)
    return Quantity(mean, deviation, printed, None if printed is None else mean - printed, one_more_run(values))


def _passed(outcome: Outcome, printed: Printed | None) -> tuple[int, float] | None:
    if printed is None:
        return None
    losses, accuracies = (
        [mean_and_deviation(values)[0] for values in zip(*outcome.curves[f"validation_{name}"], strict=True)]
        for name in ("loss", "accuracy")
    )
    return next(
        (
            (epoch, accuracy)
            for epoch, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), start=1)
            if loss <= printed.loss
        ),
        None,
    )
