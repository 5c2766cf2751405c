import pytest
import sklearn.metrics
import torch

from chainrule import ShapeError
from chainrule.metrics import accuracy, top_k_accuracy

SCORES = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
CLASSES = torch.randint(5, (40,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_it_is_scikit_learns(k):
    expected = sklearn.metrics.top_k_accuracy_score(CLASSES, SCORES, k=k, labels=range(5))
    assert top_k_accuracy(k=k)(SCORES, CLASSES).item() == pytest.approx(expected)


def test_with_one_guess_it_is_the_accuracy():
    assert top_k_accuracy(k=1)(SCORES, CLASSES) == accuracy()(SCORES, CLASSES)


def test_more_guesses_than_classes_are_refused():
    with pytest.raises(ShapeError, match=r"^top_k_accuracy: k must be at most the number of classes, 5, got 6\."):
        top_k_accuracy(k=6)(SCORES, CLASSES)
