import pytest
import sklearn.metrics
import torch

from chainrule import ArgumentError, ShapeError
from chainrule.metrics import accuracy

SCORES = torch.tensor([[[2.0, 1, 0], [0, 2, 1], [0, 1, 2], [2, 0, 1]], [[0.0, 1, 2], [0, 2, 1], [0, 1, 2], [1, 0, 2]]])
CLASSES = torch.tensor([[0, 1, 2, 1], [0, 1, 2, 1]])


def of(prediction, target):
    return accuracy()(prediction, target, per_member=True)


def test_it_is_scikit_learns():
    ((_, scores, classes),) = accuracy.examples()
    assert accuracy()(scores, classes).item() == sklearn.metrics.accuracy_score(classes, scores.argmax(1))


def test_it_is_the_fraction_of_right_rows_of_each_member():
    assert of(SCORES, CLASSES).tolist() == [0.75, 0.5]


def test_it_takes_probabilities_for_targets():
    assert of(SCORES, torch.nn.functional.one_hot(CLASSES, 3).float()).tolist() == [0.75, 0.5]


def test_it_counts_every_position_of_a_sequence():
    scores = SCORES.mT[:1].unsqueeze(1)  # (M, N, C, T) = (1, 1, 3, 4)
    assert of(scores, CLASSES[:1].unsqueeze(1)).tolist() == [0.75]


def test_of_equal_scores_the_first_counts():
    assert accuracy()(torch.ones(3, 2), torch.tensor([0, 1, 0])).item() == pytest.approx(2 / 3)


def test_a_member_that_has_diverged_has_none():
    scores = SCORES.clone()
    scores[0, 0] = -torch.inf  # masked classes alone
    scores[1, 2, 1] = torch.nan
    assert of(scores, CLASSES).isnan().tolist() == [False, True]


def test_a_target_that_is_no_number_is_not_the_first_class():
    probabilities = torch.eye(3)[CLASSES]
    assert of(SCORES, probabilities).tolist() == of(SCORES, CLASSES).tolist()
    probabilities[1, 2] = torch.nan
    classes = CLASSES.float()
    classes[1, 2] = torch.nan
    for target in (probabilities, classes):
        assert of(SCORES, target).isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (SCORES, torch.zeros(2, 4, 1, dtype=torch.int64), "got (4, 1) for (4, 3). Drop an axis with y.squeeze(1)."),
        (
            torch.zeros(2, 4, 5, 3),
            torch.zeros(2, 4, 5, dtype=torch.int64),
            "got (4, 5) for (4, 5, 3). Put the classes on axis 1, with scores.movedim(-1, 1).",
        ),
        (torch.zeros(2, 4, 1), torch.zeros(2, 4, 1), "binary_accuracy takes one output and its target, both (N, 1)."),
        (torch.zeros(2, 4), CLASSES, "Pass scores of two classes or more; binary_accuracy takes one output and"),
        (CLASSES, SCORES, "got (4, 3) for (4,). Pass the network's output first, then the target."),
        (
            SCORES,
            CLASSES[:, :2],
            "prediction and target must have the same rows, at least one, got (2, 4, 3) and (2, 2)",
        ),
        (SCORES[..., :1], CLASSES, "accuracy: target must be class indices (N, …) or probabilities (N, C, …)"),
    ],
)
def test_other_shapes_raise(prediction, target, message):
    with pytest.raises(ShapeError) as caught:
        of(prediction, target)
    assert message in str(caught.value)


def test_rows_passed_to_the_class_are_answered_with_the_call():
    with pytest.raises(
        ArgumentError, match=r"^accuracy: takes arguments by name, got a tensor \(2, 4, 3\)\. Make the metric"
    ):
        accuracy(SCORES, CLASSES)
