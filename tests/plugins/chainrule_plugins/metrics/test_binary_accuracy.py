import pytest
import sklearn.metrics
import torch

from chainrule import ShapeError
from chainrule.metrics import binary_accuracy
from chainrule_plugins.class_scores import OF_SEVERAL_LABELS

PROBABILITIES = torch.tensor([[0.2, 0.5, 0.6, 0.9], [0.9, 0.9, 0.1, 0.1]]).unsqueeze(-1)
TARGET = torch.tensor([[0.0, 0, 1, 0], [1, 1, 1, 0]]).unsqueeze(-1)


def test_it_is_scikit_learns():
    for metric, output, target in binary_accuracy.examples():
        expected = sklearn.metrics.accuracy_score(target, output > metric.threshold)
        assert metric(output, target).item() == expected


def test_it_decides_at_one_half():
    assert binary_accuracy()(PROBABILITIES, TARGET, per_member=True).tolist() == [0.75, 0.75]


def test_logits_are_decided_at_zero():
    logits = torch.logit(PROBABILITIES)
    assert binary_accuracy(threshold=0)(logits, TARGET, per_member=True).tolist() == [0.75, 0.75]


def test_a_member_or_target_without_a_number_has_none():
    for at in (PROBABILITIES.clone(), TARGET.clone()):
        at[1, 3] = torch.nan
        pair = (at, TARGET) if at[0, 1] else (PROBABILITIES, at)
        assert binary_accuracy()(*pair, per_member=True).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        ((4, 3), (4, 3), f"got (4, 3) and (4, 3). Use accuracy for several classes. {OF_SEVERAL_LABELS}"),
        ((4, 1, 2, 2), (4, 1, 2, 2), f"got (4, 1, 2, 2) and (4, 1, 2, 2). {OF_SEVERAL_LABELS}"),
        ((4, 3), (4,), "got (4, 3) and (4,). Use accuracy for several classes."),
        ((4, 1), (4,), "got (4, 1) and (4,). Give the axis with y.unsqueeze(1)."),
        ((4,), (4, 1), "got (4,) and (4, 1). Give the axis with prediction.unsqueeze(1)."),
        ((4,), (4,), "got (4,) and (4,). Give the axis with prediction.unsqueeze(1) and y.unsqueeze(1)."),
    ],
)
def test_other_shapes_raise(prediction, target, message):
    with pytest.raises(ShapeError) as caught:
        binary_accuracy()(torch.zeros(prediction), torch.zeros(target))
    assert str(caught.value) == f"binary_accuracy: prediction and target must have shape (N, 1), {message}"
