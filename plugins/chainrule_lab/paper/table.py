"""The table of test loss and accuracy: our values, the paper's, and their difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.paper.experiment_settings import Printed
from chainrule_lab.statistics import Interval, mean_and_deviation, one_more_run


@dataclass(frozen=True)
class Quantity:
    """A test value of one setting over its seeds, beside the paper's.

    Attributes:
        mean: the mean over seeds.
        deviation: the sample standard deviation over seeds.
        printed: the paper's value, or None if it has none.
        difference: the mean minus the paper's value, or None.
        one_more_run: the 95 % prediction interval for one more run.
    """

    mean: float
    deviation: float
    printed: float | None
    difference: float | None
    one_more_run: Interval

    @property
    def is_like_ours(self) -> bool | None:
        """Whether the printed value is within the prediction interval; None if nothing is printed."""
        return None if self.printed is None else self.one_more_run.low <= self.printed <= self.one_more_run.high


@dataclass(frozen=True)
class Row:
    """One setting's row in the table.

    Attributes:
        name: the setting's name.
        title: the setting's title.
        loss: the test loss per example.
        accuracy: the test accuracy as a fraction.
        passed: the first epoch whose mean validation loss is at most the printed loss, and the mean validation accuracy
            there; None if there is no such epoch or nothing is printed.
    """

    name: str
    title: str
    loss: Quantity
    accuracy: Quantity
    passed: tuple[int, float] | None


def rows(outcomes: Iterable[Outcome]) -> list[Row]:
    """Return the table's rows in the order of the outcomes."""
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
