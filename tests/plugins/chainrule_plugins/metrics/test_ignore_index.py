"""Test that metrics of classes leave out the rows of the class to ignore."""

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import ShapeError
from chainrule.layers import linear
from chainrule.losses import cross_entropy, nll
from chainrule.metrics import (
    accuracy,
    calibration_error,
    confusion_matrix,
    f1,
    perplexity,
    precision,
    recall,
    top_k_accuracy,
)

SCORES = torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = torch.randint(3, (8, 5), generator=torch.Generator().manual_seed(1))
IS_PADDING = torch.arange(40).view(8, 5) % 3 == 0
PADDED = CLASSES.masked_fill(IS_PADDING, -100)

METRICS = [accuracy(), perplexity(), top_k_accuracy(), calibration_error(), confusion_matrix()]
METRICS += [ratio(average=average) for ratio in (f1, precision, recall) for average in ("macro", "micro")]


def settings(metric, **others):
    return type(metric)(**({"average": metric.average} if hasattr(metric, "average") else {}), **others)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_the_value_is_that_of_the_other_rows(metric):
    target = PADDED.expand(2, 8, 5)
    found = settings(metric, ignore_index=-100)(SCORES, target, per_member=True)
    kept = ~IS_PADDING.flatten()
    rows = SCORES.movedim(2, 3).flatten(1, 2)[:, kept]
    assert_close(found, metric(rows, CLASSES.flatten()[kept].expand(2, -1), per_member=True), rtol=1e-12, atol=0)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_a_prediction_that_is_nan_where_it_is_ignored_does_not_count(metric):
    scores = SCORES[0].masked_fill(IS_PADDING.unsqueeze(1), torch.nan)
    ignoring = settings(metric, ignore_index=-100)
    assert_close(ignoring(scores, PADDED), ignoring(SCORES[0], PADDED))


@pytest.mark.parametrize("metric", METRICS, ids=repr)
@pytest.mark.parametrize("wrong", [-100, 3])
def test_an_index_that_is_no_class_is_refused(metric, wrong):
    with pytest.raises(ShapeError, match=f"^{chainrule.label(metric)}: class indices must be"):
        metric(SCORES[0], CLASSES.masked_fill(IS_PADDING, wrong))


@pytest.mark.parametrize("owner", [*METRICS, cross_entropy(), nll()], ids=repr)
def test_an_index_that_is_no_class_is_answered_with_what_makes_it_one_or_leaves_it_out(owner):
    scores, leave_out = (
        SCORES[0].log_softmax(1),
        f", or leave a class out with {chainrule.label(owner)}(ignore_index=…).",
    )
    with pytest.raises(ShapeError) as negative:
        owner(scores, PADDED)
    assert str(negative.value).endswith(f". Number the classes from 0{leave_out}")
    with pytest.raises(ShapeError) as too_large:
        settings(owner, ignore_index=-100)(scores, torch.where(PADDED == 2, 255, PADDED))
    message = str(too_large.value)
    assert message.endswith((f"Give the network 256 outputs{leave_out}", f"class, numbered from 0{leave_out}"))


@pytest.mark.parametrize("owner", [perplexity(), cross_entropy(), nll()], ids=repr)
def test_classes_from_1_on_are_to_be_numbered_from_0(owner):
    with pytest.raises(ShapeError, match=r"got 1 to 3\. Number the classes from 0\.$"):
        owner(SCORES[0].log_softmax(1), CLASSES + 1)


@pytest.mark.parametrize(
    "loss", [cross_entropy(ignore_index=-100), cross_entropy(ignore_index=-100, label_smoothing=0.1)]
)
def test_the_indices_of_the_message_are_those_that_count(loss):
    with pytest.raises(ShapeError, match="from 0 to 2, got 0 to 3"):
        loss(SCORES[0], torch.where(PADDED == 2, 3, PADDED))


def test_perplexity_takes_indices_of_any_width():
    assert perplexity()(SCORES[0], CLASSES.int()) == perplexity()(SCORES[0], CLASSES)


def test_a_fit_has_the_curve_that_the_loss_follows():
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
    y = torch.arange(20) % 3
    y[::4] = -1
    network = linear(4, 3).build(seeds=[0, 1])
    found = chainrule.evaluate(network, cross_entropy(ignore_index=-1), (x, y), metrics=[perplexity(ignore_index=-1)])
    assert_close(found["perplexity"], found["loss"].exp())
