"""What the report says in words: what the print has wrong or leaves open, what was assumed, and likely causes."""

from __future__ import annotations

from typing import NamedTuple

from chainrule_lab.paper.experiment_settings import PAPER_EPOCHS, SETTINGS, TEST_ROWS
from chainrule_lab.paper.table import Row


class Correction(NamedTuple):
    """A place in the paper, what stands there, and what we use."""

    place: str
    printed: str
    used: str


class Assumption(NamedTuple):
    """What the paper leaves open, and what we chose."""

    subject: str
    choice: str


def _correct_counts() -> str:
    """Return of how many of the test points each printed accuracy is the share, in the paper's order."""
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
        "Xavier normal called uniform, its 2/√(Nₗ + Nₗ₊₁) neither variance nor deviation",
        "Glorot and Bengio’s normal distribution, standard deviation √(2/(Nₗ + Nₗ₊₁))",
    ),
    Correction("Eq. (11)", "√ŝ in the numerator of Adam’s update", "ŝ, as in Kingma and Ba’s Algorithm 1"),
    Correction(
        "Section II.E", "RMSProp estimates the first-order moment", "the running mean of squares: the second raw moment"
    ),
    Correction(
        "Section III",
        "Adagrad with learning rate 0.001 reaches 95.67 %",
        "0.001 as stated, and once more 0.01, since the number does not follow from 0.001",
    ),
    Correction(
        "Section III",
        "test accuracies called averages over independent instances",
        "mean ± standard deviation over seeds; each printed accuracy is a whole number of 900 test points "
        f"({_correct_counts()}), which averages over ten instances would rarely all be: they read like single runs",
    ),
)

ASSUMPTIONS = (
    Assumption("Reduction", "The gradient is summed over the batch: eq. (6) has no 1/N. Reported losses are means."),
    Assumption("Hidden activation", "ReLU after both hidden layers."),
    Assumption("Learning rate in figures 1 and 2", "0.001, as stated for figure 3."),
    Assumption("Figure 3 and its table", "Cross-entropy and uniform first values."),
    Assumption(
        "Hyperparameters “recommended in the literature”",
        "SGD without momentum; Adam β 0.9 and 0.999, ε 1e-8; RMSProp decay 0.9, ε 1e-8; Adagrad’s accumulator from 0, "
        "ε 1e-10; Adadelta ρ 0.95, ε 1e-6, learning rate 1.",
    ),
    Assumption(
        "Biases", "Uniform initialization draws them like the weights of their layer; Xavier starts them from zero."
    ),
    Assumption(
        "MSE network", "One sigmoid output, targets 0 and 1, squared errors summed over the batch, decision at 0.5."
    ),
    Assumption(
        "Instances",
        "A seed draws the data, the first values and the order of batches. The same seed means the same data in every "
        "setting, so that settings are compared seed by seed.",
    ),
    Assumption("Curves", "Evaluated on the whole split after each epoch, as means per example."),
)


CLAIM_NOTE = (
    "Each comparison is the mean of paired differences over seeds with its 95 % interval by Student’s t. A claim is "
    "answered yes if all its parts hold, no if one does not, and undecided otherwise. The intervals are not widened "
    "for the number of comparisons."
)

SCALE_FREE = ("adam", "rmsprop", "adadelta")
"""Optimizers whose path does not depend on the gradient's scale, but for eps."""


def likely_cause(row: Row, epochs: int) -> str:
    """Return why a printed row may differ from ours; empty where nothing is printed."""
    if row.accuracy.printed is None or row.loss.printed is None:
        return ""
    if epochs != PAPER_EPOCHS:
        return f"Not comparable: this run has {epochs} epochs, the paper’s {PAPER_EPOCHS}."
    if row.name == "adagrad":
        return (
            "The printed numbers do not follow from the stated learning rate. Adagrad divides by the root of a sum "
            "that only grows, so that steps which start at 0.001 soon become too small. A larger rate was probably "
            "used."
        )
    loss, accuracy = row.loss.is_like_ours, row.accuracy.is_like_ours
    if loss and accuracy:
        where = "At ten times the stated learning rate both" if row.name == "adagrad_faster" else "Both"
        return f"{where} printed values could be one more run of ours: chance alone may account for the difference."
    outside = " and ".join(name for name, fits in (("loss", loss), ("accuracy", accuracy)) if not fits)
    fits = f"One more run of ours would hardly give the printed {outside}, so chance is an unlikely cause."
    if row.passed is None:
        return f"{fits} Our mean validation loss never falls to the printed test loss."
    epoch, share = row.passed
    choices = "activation, first values" if row.name in SCALE_FREE else "activation, first values, reduction"
    return (
        f"{fits} Our mean validation loss passes the printed test loss at epoch {epoch}, with {100 * share:.1f} % "
        "accuracy: the printed run looks like ours with less progress. "
        f"A choice that the print leaves open ({choices}) is the likely cause."
    )
