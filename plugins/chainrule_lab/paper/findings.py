"""The report's prose: errors in the paper, assumptions, and likely causes of differences."""

from __future__ import annotations

from typing import NamedTuple

from chainrule_lab.paper.experiment_settings import PAPER_EPOCHS, SETTINGS, TEST_ROWS
from chainrule_lab.paper.table import Row


class Correction(NamedTuple):
    """An error in the paper: its place, what is printed, and what is used here."""

    place: str
    printed: str
    used: str


class Assumption(NamedTuple):
    """A choice that the paper leaves open, and the choice made here."""

    subject: str
    choice: str


def _correct_counts() -> str:
    """Return the number of correct test points behind each printed accuracy, in the paper's order."""
    counts = [round(s.printed.accuracy * TEST_ROWS) for s in SETTINGS if s.printed and s.name != "adagrad_faster"]
    return f"{', '.join(map(str, counts[:-1]))} and {counts[-1]}"


CORRECTIONS = (
    Correction("Table II", "gradient of the sigmoid (σ − 1)/σ", "σ(1 − σ), the derivative of 1/(1 + e⁻ˣ)"),
    Correction(
        "Eqs. (2), (3)",
        "a sigmoid inside the squared error, and a gradient without it",
        "the plain squared error of eq. (3); the MSE network ends in a sigmoid module, whose own backward "
        "does the rest",
    ),
    Correction(
        "Section II.D",
        "Xavier normal called uniform, with 2/√(Nₗ + Nₗ₊₁), neither its variance nor its standard deviation",
        "Glorot and Bengio’s normal distribution, standard deviation √(2/(Nₗ + Nₗ₊₁))",
    ),
    Correction("Eq. (11)", "√ŝ in the numerator of Adam’s update", "ŝ, as in Kingma and Ba’s Algorithm 1"),
    Correction(
        "Section II.E", "RMSProp estimates the first-order moment", "the running mean of squares: the second raw moment"
    ),
    Correction(
        "Section III",
        "Adagrad with learning rate 0.001 reaches 95.67 %",
        "0.001 as stated, and also 0.01, since 0.001 does not give that number",
    ),
    Correction(
        "Section III",
        "test accuracies called averages over independent instances",
        "mean ± standard deviation over seeds; each printed accuracy is a whole number of 900 test points "
        f"({_correct_counts()}), as averages over ten instances would rarely be: these look like single runs",
    ),
)

ASSUMPTIONS = (
    Assumption("Reduction", "The gradient is summed over the batch: eq. (6) has no 1/N. Reported losses are means."),
    Assumption("Hidden activation", "ReLU after both hidden layers."),
    Assumption("Learning rate in figures 1 and 2", "0.001, as stated for figure 3."),
    Assumption("Figure 3 and its table", "Cross-entropy and uniform initialization."),
    Assumption(
        "Hyperparameters “recommended in the literature”",
        "SGD without momentum; Adam β 0.9 and 0.999, ε 1e-8; RMSProp decay 0.9, ε 1e-8; Adagrad initial accumulator 0, "
        "ε 1e-10; Adadelta ρ 0.95, ε 1e-6, learning rate 1.",
    ),
    Assumption(
        "Biases", "Uniform initialization draws them like the weights of their layer; Xavier normal sets them to zero."
    ),
    Assumption(
        "MSE network", "One sigmoid output, targets 0 and 1, squared errors summed over the batch, decision at 0.5."
    ),
    Assumption(
        "Instances",
        "A seed determines the data, the initial parameters and the order of batches. Settings share the data of each "
        "seed, so that they are compared seed by seed.",
    ),
    Assumption("Curves", "Evaluated on the whole split after each epoch, as means per example."),
)


CLAIM_NOTE = (
    "Each comparison is the mean paired difference over seeds with its 95 % confidence interval by Student’s t. The "
    "verdict on a claim is yes if all its parts hold, no if one does not, and undecided otherwise. The intervals are "
    "not corrected for the number of comparisons."
)

SCALE_FREE = ("adam", "rmsprop", "adadelta")
"""Optimizers whose steps do not depend on the gradient's scale, except through eps."""


def likely_cause(row: Row, epochs: int) -> str:
    """Return the likely cause of a row's difference from the paper; empty if the paper prints no such row."""
    if row.accuracy.printed is None or row.loss.printed is None:
        return ""
    if epochs != PAPER_EPOCHS:
        return f"Not comparable: this run has {epochs} epochs, the paper’s {PAPER_EPOCHS}."
    if row.name == "adagrad":
        return (
            "The printed numbers do not follow from the stated learning rate. Adagrad divides by the root of an "
            "ever-growing sum of squares, so steps that start at 0.001 soon become too small. A larger learning rate "
            "was probably used."
        )
    loss, accuracy = row.loss.is_like_ours, row.accuracy.is_like_ours
    if loss and accuracy:
        where = "At ten times the stated learning rate both" if row.name == "adagrad_faster" else "Both"
        return f"{where} printed values are plausible for a run of ours: chance alone may account for the difference."
    outside = " and ".join(name for name, fits in (("loss", loss), ("accuracy", accuracy)) if not fits)
    fits = f"A run of ours is unlikely to give the printed {outside}, so chance is an unlikely cause."
    if row.passed is None:
        return f"{fits} Our mean validation loss never falls to the printed test loss."
    epoch, share = row.passed
    choices = "activation, initialization" if row.name in SCALE_FREE else "activation, initialization, reduction"
    return (
        f"{fits} Our mean validation loss reaches the printed test loss at epoch {epoch}, with {100 * share:.1f} % "
        "accuracy: the printed run looks like an earlier stage of ours. "
        f"A choice that the paper leaves open ({choices}) is the likely cause."
    )
