"""Test that metrics of classes take targets in the shape of the scores for probabilities only where they are."""

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import ShapeError
from chainrule.layers import conv2d, linear
from chainrule.losses import bce_with_logits
from chainrule.metrics import accuracy, calibration_error, confusion_matrix, f1, precision, recall, top_k_accuracy
from chainrule_plugins.class_scores import OF_SEVERAL_LABELS

SCORES = torch.randn(2, 12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = (torch.arange(12) % 3).expand(2, -1)
ROWS = torch.eye(3, dtype=torch.float64)[CLASSES]

METRICS = [accuracy(), top_k_accuracy(), calibration_error(), confusion_matrix()]
METRICS += [ratio(average=average) for ratio in (f1, precision, recall) for average in ("macro", "micro")]


@pytest.mark.parametrize("metric", METRICS, ids=repr)
@pytest.mark.parametrize("row", [[1.0, 1.0, 0.0], [-0.5, 1.5, 0.0], [-1.0, 1.0, 0.0], [0.2, 0.3, 0.4]])
def test_rows_that_are_no_probabilities_are_refused(metric, row):
    target = ROWS.clone()
    target[1, 2:4] = torch.tensor(row)
    with pytest.raises(ShapeError, match=f"^{chainrule.label(metric)}: .* got 2 that are none") as caught:
        metric(SCORES, target, per_member=True)
    assert str(caught.value).endswith(OF_SEVERAL_LABELS)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_rows_of_zeros_do_not_count(metric):
    target, kept = ROWS.clone(), torch.arange(12) % 4 != 0
    target[:, ~kept] = 0.0
    found = metric(SCORES, target, per_member=True)
    assert_close(found, metric(SCORES[:, kept], CLASSES[:, kept], per_member=True))


def test_several_labels_a_row_are_not_sent_to_an_average_first():
    with pytest.raises(ShapeError, match="that are none"):
        f1()(SCORES[0], torch.ones(12, 3))


@pytest.mark.parametrize("metric", [accuracy(), f1()], ids=repr)
def test_a_mask_is_not_sent_to_a_metric_that_refuses_it_too(metric):
    mask = torch.ones(4, 1, 2, 2)
    with pytest.raises(ShapeError) as caught:
        metric(mask, mask)
    assert str(caught.value).endswith(OF_SEVERAL_LABELS)


@pytest.mark.parametrize(
    ("module", "x"), [(linear(3, 4), torch.randn(6, 3)), (conv2d(3, 1, 1), torch.randn(6, 3, 2, 2))]
)
def test_the_function_of_the_message_is_the_fraction_of_right_labels(module, x):
    network = module.build(seed=0)
    y = (torch.arange(network(x).numel()) % 3 == 0).float().view_as(network(x))
    function = eval(OF_SEVERAL_LABELS[OF_SEVERAL_LABELS.index("lambda") : -1])  # noqa: S307 - a fixed text
    found = chainrule.evaluate(network, bce_with_logits(), (x, y), metrics={"right": function})["right"]
    assert found.item() == pytest.approx(((network(x) > 0) == (y == 1)).double().mean().item())
