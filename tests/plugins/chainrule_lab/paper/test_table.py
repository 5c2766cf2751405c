import pytest
from scipy import stats

from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.paper.experiment_settings import SETTINGS
from chainrule_lab.paper.findings import likely_cause
from chainrule_lab.paper.table import rows

BY_NAME = {setting.name: setting for setting in SETTINGS}


def row(name, losses=(0.1, 0.2, 0.3), accuracies=(0.9, 0.92, 0.97)):
    curves = {
        "validation_loss": [[0.6, 0.4, 0.3, 0.1], [0.6, 0.4, 0.3, 0.2]],
        "validation_accuracy": [[0.5, 0.7, 0.8, 0.9], [0.5, 0.7, 0.9, 0.9]],
    }
    return rows([Outcome(BY_NAME[name], {}, curves, {"loss": list(losses), "accuracy": list(accuracies)})])[0]


def test_a_difference_is_ours_less_the_papers():
    found = row("sgd")
    assert found.loss.difference == pytest.approx(0.2 - 0.3411)
    assert found.accuracy.difference == pytest.approx(0.93 - 0.8944)
    assert found.accuracy.deviation == pytest.approx(stats.tstd([0.9, 0.92, 0.97]))


def test_a_setting_that_the_paper_does_not_report_has_no_difference():
    found = row("xavier")
    assert found.loss.printed is found.loss.difference is found.passed is None
    assert likely_cause(found, 100) == ""


def test_the_printed_loss_is_passed_at_the_first_epoch_whose_mean_is_not_above_it():
    assert row("sgd").passed == (3, pytest.approx(0.85))
    assert row("adagrad").passed is None


def test_the_cause_is_chance_only_where_one_more_run_could_be_the_printed_one():
    assert "chance alone may account" in likely_cause(row("sgd"), 100)
    far = likely_cause(row("sgd", losses=(0.1, 0.1001, 0.1002)), 100)
    assert "unlikely to give the printed loss, so" in far
    assert "at epoch 3, with 85.0 %" in far
    both = likely_cause(row("adadelta", losses=(0.5, 0.51, 0.52), accuracies=(0.5, 0.51, 0.52)), 100)
    assert "unlikely to give the printed loss and accuracy" in both
    assert "never falls" in likely_cause(row("adagrad_faster", accuracies=(0.5, 0.51, 0.52)), 100)


def test_a_run_of_other_length_is_not_compared():
    assert likely_cause(row("adagrad"), 5) == "Not comparable: this run has 5 epochs, the paper’s 100."
    assert "stated learning rate" in likely_cause(row("adagrad"), 100)
