import pytest
import torch

from chainrule import ShapeError
from chainrule.metrics import accuracy, binary_accuracy

SCORES = torch.tensor([[[2.0, 1, 0], [0, 2, 1], [0, 1, 2], [2, 0, 1]], [[0.0, 1, 2], [0, 2, 1], [0, 1, 2], [1, 0, 2]]])
CLASSES = torch.tensor([[0, 1, 2, 1], [0, 1, 2, 1]])


def test_accuracy_is_the_fraction_of_right_rows_of_each_member():
    assert accuracy(SCORES, CLASSES).tolist() == [0.75, 0.5]


def test_accuracy_takes_probabilities_for_targets():
    assert accuracy(SCORES, torch.nn.functional.one_hot(CLASSES, 3).float()).tolist() == [0.75, 0.5]


def test_binary_accuracy_decides_at_one_half():
    prediction = torch.tensor([[0.2, 0.5, 0.6, 0.9], [0.9, 0.9, 0.1, 0.1]]).unsqueeze(-1)
    target = torch.tensor([[0.0, 0, 1, 0], [1, 1, 1, 0]]).unsqueeze(-1)
    assert binary_accuracy(prediction, target).tolist() == [0.75, 0.75]


def test_a_member_that_has_diverged_has_no_accuracy():
    scores = SCORES.clone()
    scores[0, 0] = -torch.inf  # masked classes alone
    scores[1, 2, 1] = torch.nan
    assert accuracy(scores, CLASSES).isnan().tolist() == [False, True]
    probabilities = SCORES[..., :1] / 2
    probabilities[1, 3] = torch.nan
    assert binary_accuracy(probabilities, torch.ones(2, 4, 1)).isnan().tolist() == [False, True]


def test_a_target_that_is_no_number_is_not_the_first_class():
    probabilities = torch.eye(3)[CLASSES]
    assert accuracy(SCORES, probabilities).tolist() == accuracy(SCORES, CLASSES).tolist()
    probabilities[1, 2] = torch.nan
    classes = CLASSES.float()
    classes[1, 2] = torch.nan
    for target in (probabilities, classes):
        assert accuracy(SCORES, target).isnan().tolist() == [False, True]
    binary = torch.zeros(2, 4, 1)
    binary[1, 3] = torch.nan
    assert binary_accuracy(torch.zeros(2, 4, 1), binary).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (SCORES, CLASSES[:, :2], "got (2,) for (4, 3). Use binary_accuracy for one output."),
        (SCORES, torch.zeros(2, 4, 1, dtype=torch.int64), "got (4, 1) for (4, 3)."),
        (SCORES[0], CLASSES, "accuracy: target must be class indices (N,) for scores (N, C)"),
    ],
)
def test_accuracy_of_other_shapes_raises(prediction, target, message):
    with pytest.raises(ShapeError) as caught:
        accuracy(prediction, target)
    assert message in str(caught.value)


def test_binary_accuracy_of_other_shapes_raises():
    with pytest.raises(ShapeError, match=r"^binary_accuracy: .* shape \(N, 1\), got \(4, 3\) and \(4, 3\)\."):
        binary_accuracy(SCORES, SCORES)
