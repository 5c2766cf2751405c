"""Our accuracies against those that an independent torch script gave for the same settings over 40 other seeds."""

import math
import statistics

import pytest

from chainrule_lab.paper.experiment import run
from chainrule_lab.paper.experiment_settings import SETTINGS

SETTING = {setting.name: setting for setting in SETTINGS}
REFERENCE = {
    "sgd": (96.22, 1.24),
    "adam": (97.91, 0.71),
    "adagrad": (71.26, 8.86),
    "adagrad_faster": (96.47, 1.45),
    "rmsprop": (97.66, 0.77),
    "adadelta": (98.09, 0.65),
}
REFERENCE_SEEDS = 40


def standard_errors_away(ours, reference):
    """Return the difference of the means in units of its own standard error."""
    mean, deviation = reference
    error = math.sqrt(statistics.variance(ours) / len(ours) + deviation**2 / REFERENCE_SEEDS)
    return abs(statistics.fmean(ours) - mean) / error


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE)
def test_the_mean_test_accuracy_is_within_three_standard_errors_of_the_reference(name):
    ours = [100 * accuracy for accuracy in run(SETTING[name], range(10), 100).test["accuracy"]]
    assert standard_errors_away(ours, REFERENCE[name]) < 3


def test_the_settings_reference_accuracies_are_themselves_told_apart():
    adagrad = [71.26 + 8.86 * sign for sign in (-1, 1) * 5]
    assert standard_errors_away(adagrad, REFERENCE["adagrad"]) < 3
    assert all(standard_errors_away(adagrad, REFERENCE[name]) > 3 for name in REFERENCE if name != "adagrad")
