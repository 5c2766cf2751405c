"""Precision, recall and F1 share their counts; all three are compared with scikit-learn's here."""

import pytest
import sklearn.metrics
import torch

from chainrule import ShapeError
from chainrule.metrics import f1, precision, recall

SCORES = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))  # class 3 is only predicted
THEIRS = {
    precision: sklearn.metrics.precision_score,
    recall: sklearn.metrics.recall_score,
    f1: sklearn.metrics.f1_score,
}


@pytest.mark.parametrize(("metric", "theirs"), THEIRS.items(), ids=lambda one: one.__name__)
@pytest.mark.parametrize("average", ["macro", "micro"])
def test_averages_over_classes_are_scikit_learns(metric, theirs, average):
    expected = theirs(CLASSES, SCORES.argmax(1), average=average, zero_division=0)
    assert metric(average=average)(SCORES, CLASSES).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("metric", "theirs"), THEIRS.items(), ids=lambda one: one.__name__)
def test_of_one_output_it_is_the_value_of_class_one(metric, theirs):
    logits, target = SCORES[:, :1], (CLASSES > 0).float().unsqueeze(1)
    expected = pytest.approx(theirs(target, logits > 0), abs=1e-6)
    assert metric()(logits.sigmoid(), target).item() == expected
    assert metric(threshold=0)(logits, target).item() == expected
    two = torch.cat([torch.zeros_like(logits), logits], 1)
    assert metric()(two, target[:, 0].long()).item() == expected


def test_a_class_that_does_not_occur_is_left_out_and_a_division_by_zero_is_zero():
    scores, classes = torch.eye(4)[[0, 0, 1]], torch.tensor([0, 1, 2])
    assert recall(average="macro")(scores, classes).item() == pytest.approx(1 / 3)
    assert precision()(torch.zeros(3, 1), torch.ones(3, 1)).item() == 0


def test_several_classes_need_another_average():
    with pytest.raises(ShapeError, match=r'^precision: average="binary" must have one output .*Pass average="macro"'):
        precision()(SCORES, CLASSES)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_class_out_of_range_is_refused(index):
    with pytest.raises(ShapeError, match=r"^recall: class indices must be from 0 to 3, got "):
        recall(average="macro")(SCORES, CLASSES.clone().fill_(index))
