"""The paper's claims a to d, decided by paired differences over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.statistics import (
    Interval,
    Verdict,
    all_of,
    at_least,
    is_above,
    is_below,
    is_level,
    paired_interval,
)

EARLY_EPOCHS = (20, 40)
LEVEL_MARGIN = 0.005
GAIN_SHARE = 0.9


@dataclass(frozen=True)
class Measure:
    """A quantity with one value per seed: its name, its unit, and the function that computes it."""

    name: str
    unit: str
    of: Callable[[Outcome], list[float]]


@dataclass(frozen=True)
class Comparison:
    """The paired difference first − second of one measure: its label, interval and verdict."""

    label: str
    first: str
    second: str
    measure: Measure
    difference: Interval
    verdict: Verdict


@dataclass(frozen=True)
class Part:
    """A statement, the comparisons that decide it, and its verdict."""

    statement: str
    comparisons: Sequence[Comparison]
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and its parts, all of which must hold.

    Attributes:
        letter: a to d.
        figure: the number of the paper's figure that it is about.
        statement: the paper's claim.
        reading: how the claim is measured.
        parts: the statements that must all hold.
        beside_title: the heading of the statements beside it.
        beside: related statements that do not affect the verdict.
        reason: why it cannot be decided, or an empty string if it can.
    """

    letter: str
    figure: int
    statement: str
    reading: str
    parts: Sequence[Part]
    beside_title: str
    beside: Sequence[Part]
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """Yes if all parts hold, no if one does not, undecided otherwise."""
        return "undecided" if self.reason else all_of([part.verdict for part in self.parts])

    @property
    def grounds(self) -> str:
        """The grounds for the verdict: the parts that share it, or why there is none."""
        if self.reason:
            return self.reason
        words = {"yes": "Holds", "no": "Does not hold", "undecided": "Open"}
        return f"{words[self.verdict]}: {'; '.join(p.statement for p in self.parts if p.verdict == self.verdict)}."


def epochs_to_gain(outcome: Outcome) -> list[float]:
    """Return for each seed the first epoch that reaches 90 % of the total decrease in training loss.

    For a loss that did not decrease, this is the number of epochs.
    """
    reached = []
    for start, curve in zip(outcome.initial["train_loss"], outcome.curves["train_loss"], strict=True):
        wanted = GAIN_SHARE * (start - curve[-1])
        first = next((epoch for epoch, loss in enumerate(curve, start=1) if start - loss >= wanted), len(curve))
        reached.append(float(first if wanted > 0 else len(curve)))
    return reached


def early_loss(outcome: Outcome) -> list[float]:
    """Return for each seed the mean validation loss over epochs 20 to 40, inclusive."""
    first, last = EARLY_EPOCHS
    curves = outcome.curves["validation_loss"]
    return [sum(curve[first - 1 : last]) / (last - first + 1) for curve in curves]


def generalization_gap(outcome: Outcome) -> list[float]:
    """Return for each seed the test loss minus the final training loss."""
    return [test - curve[-1] for test, curve in zip(outcome.test["loss"], outcome.curves["train_loss"], strict=True)]


FINAL_ACCURACY = Measure(
    "final validation accuracy", "points", lambda run: [curve[-1] for curve in run.curves["validation_accuracy"]]
)
TEST_ACCURACY = Measure("test accuracy", "points", lambda run: list(run.test["accuracy"]))
EARLY_LOSS = Measure("mean validation loss over epochs 20 to 40", "", early_loss)
EPOCHS_TO_GAIN = Measure("epochs to 90 % of the final gain", "epochs", epochs_to_gain)
FINAL_TRAIN_LOSS = Measure("final training loss", "", lambda run: [curve[-1] for curve in run.curves["train_loss"]])
GAP = Measure("test loss − training loss", "", generalization_gap)


def answer(outcomes: Mapping[str, Outcome], figure: int | None = None) -> list[Claim]:
    """Decide the claims about one figure, or all four for None, from the outcomes by setting name."""
    claims = {1: [_losses], 2: [_initializations], 3: [_convergence, _generalization]}
    return [claim(outcomes) for number, asked in claims.items() if figure in (None, number) for claim in asked]


def _losses(outcomes: Mapping[str, Outcome]) -> Claim:
    def better(measure: Measure) -> Part:
        comparison = _compare(outcomes, "sgd", "mse", measure, is_above, "cross-entropy − MSE")
        return Part(f"Cross-entropy has a higher {measure.name} than MSE", [comparison], comparison.verdict)

    return Claim(
        letter="a",
        figure=1,
        statement="Cross-entropy yields slightly better validation accuracy than MSE.",
        reading="The difference in final validation accuracy is above 0; whether it is slight is not tested.",
        parts=[better(FINAL_ACCURACY)],
        beside_title="On the test split",
        beside=[better(TEST_ACCURACY)],
    )


def _initializations(outcomes: Mapping[str, Outcome]) -> Claim:
    label = "Xavier normal − uniform"

    def level(measure: Measure) -> Part:
        comparison = _compare(
            outcomes, "xavier", "sgd", measure, lambda interval: is_level(interval, LEVEL_MARGIN), label
        )
        return Part(f"The two are level in {measure.name}", [comparison], comparison.verdict)

    epochs = len(outcomes["sgd"].curves["train_loss"][0])
    early = []
    if epochs >= EARLY_EPOCHS[1]:
        comparison = _compare(outcomes, "xavier", "sgd", EARLY_LOSS, is_below, label)
        early = [Part("Xavier normal is ahead between epochs 20 and 40", [comparison], comparison.verdict)]
    return Claim(
        letter="b",
        figure=2,
        statement="Xavier normal is ahead of uniform between epochs 20 and 40, and level with it at the end.",
        reading="The difference in mean validation loss over epochs 20 to 40 is below 0, and the difference in final "
        "validation accuracy is within ±0.5 points.",
        parts=[*early, level(FINAL_ACCURACY)],
        beside_title="On the test split",
        beside=[level(TEST_ACCURACY)],
        reason="" if early else f"The claim is about epochs 20 to 40; this run has {epochs}.",
    )


def _convergence(outcomes: Mapping[str, Outcome]) -> Claim:
    def slow(adagrad: str) -> list[Part]:
        return [
            _among_two(outcomes, subject, adagrad, measure, "slowest", is_above)
            for subject in ("sgd", "adadelta")
            for measure in (EPOCHS_TO_GAIN, FINAL_TRAIN_LOSS)
        ]

    return Claim(
        letter="c",
        figure=3,
        statement="SGD is one of the slowest to converge, along with Adadelta.",
        reading="Each of the two is slower than at least three of the other four, both in epochs to 90 % of its own "
        "final gain in training loss and in final training loss.",
        parts=slow("adagrad"),
        beside_title="With Adagrad at learning rate 0.01",
        beside=slow("adagrad_faster"),
    )


def _generalization(outcomes: Mapping[str, Outcome]) -> Claim:
    def ranks(adagrad: str) -> list[Part]:
        worst = [("rmsprop", "worst", is_above, is_below), ("adam", "worst", is_above, is_below)]
        best = [(adagrad, "best", is_below, is_above), ("adadelta", "best", is_below, is_above)]
        return [
            _among_two(outcomes, subject, adagrad, measure, word, test)
            for subject, word, gap_test, accuracy_test in worst + best
            for measure, test in ((GAP, gap_test), (TEST_ACCURACY, accuracy_test))
        ]

    return Claim(
        letter="d",
        figure=3,
        statement="RMSProp and Adam generalize worst, Adagrad and Adadelta best.",
        reading="Each is worse, or better, than at least three of the other four, both in test loss − training loss "
        "and in test accuracy.",
        parts=ranks("adagrad"),
        beside_title="With Adagrad at learning rate 0.01",
        beside=ranks("adagrad_faster"),
    )


def _among_two(
    outcomes: Mapping[str, Outcome],
    subject: str,
    adagrad: str,
    measure: Measure,
    word: str,
    test: Callable[[Interval], Verdict],
) -> Part:
    """Decide whether the subject is one of the two most extreme of the five optimizers."""
    others = [name for name in ("sgd", "adam", adagrad, "rmsprop", "adadelta") if name != subject]
    comparisons = [_compare(outcomes, subject, other, measure, test) for other in others]
    verdict = at_least(len(others) - 1, [comparison.verdict for comparison in comparisons])
    title = outcomes[subject].setting.title
    return Part(f"{title} is among the two {word} by {measure.name}", comparisons, verdict)


def _compare(
    outcomes: Mapping[str, Outcome],
    first: str,
    second: str,
    measure: Measure,
    test: Callable[[Interval], Verdict],
    label: str = "",
) -> Comparison:
    difference = paired_interval(measure.of(outcomes[first]), measure.of(outcomes[second]))
    label = label or f"{outcomes[first].setting.title} − {outcomes[second].setting.title}"
    return Comparison(label, first, second, measure, difference, test(difference))
