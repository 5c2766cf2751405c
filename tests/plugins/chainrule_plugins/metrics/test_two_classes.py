"""Test that metrics of two classes refuse targets that are no labels of two."""

import pytest
import torch

from chainrule import ShapeError, evaluate
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.metrics import auroc, binary_accuracy, calibration_error, confusion_matrix, f1

SCORES = torch.tensor([[-1.0], [2.0], [0.3], [-0.2]])
LABELS = torch.tensor([[0.0], [1.0], [1.0], [0.0]])


@pytest.mark.parametrize("metric", [binary_accuracy(), auroc(), f1(), confusion_matrix()], ids=repr)
@pytest.mark.parametrize("wrong", [LABELS + 1, 255 * LABELS, -2 * LABELS])
def test_other_labels_are_refused(metric, wrong):
    with pytest.raises(ShapeError, match=r": targets must be labels 0 and 1, got \d beyond 1\. Renumber the labels\."):
        metric(SCORES, wrong)


@pytest.mark.parametrize("metric", [binary_accuracy(), auroc(), f1(), confusion_matrix()], ids=repr)
def test_labels_of_minus_1_and_truth_values_mean_the_same(metric):
    expected = metric(SCORES, LABELS)
    assert torch.equal(metric(SCORES, 2 * LABELS - 1), expected)
    assert torch.equal(metric(SCORES, LABELS.bool()), expected)


def test_a_wrong_label_in_one_batch_is_told_at_the_end():
    batches = [(torch.ones(4, 2), LABELS), (torch.ones(4, 2), 2 * LABELS), (torch.ones(4, 2), LABELS)]
    with pytest.raises(ShapeError, match="binary_accuracy: targets must be labels 0 and 1, got 2 beyond 1"):
        evaluate(linear(2, 1).build(seeds=[0, 1]), mse(), batches, metrics=["binary_accuracy"])


def test_calibration_refuses_an_index_that_is_no_class():
    with pytest.raises(ShapeError, match="calibration_error: class indices must be from 0 on and below the number"):
        calibration_error()(torch.zeros(3, 2), torch.tensor([0, 1, 2]))
