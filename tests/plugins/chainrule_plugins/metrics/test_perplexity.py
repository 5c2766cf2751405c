import math

import pytest
import sklearn.metrics
import torch

from chainrule import ShapeError
from chainrule.metrics import perplexity

LOGITS = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = torch.randint(4, (30,), generator=torch.Generator().manual_seed(1))


def test_it_is_the_exponential_of_scikit_learns_log_loss():
    expected = math.exp(sklearn.metrics.log_loss(CLASSES, LOGITS.softmax(1), labels=range(4)))
    assert perplexity()(LOGITS, CLASSES).item() == pytest.approx(expected)


def test_every_position_of_a_sequence_counts():
    tokens = LOGITS.view(10, 3, 4).mT, CLASSES.view(10, 3)
    assert perplexity()(*tokens).item() == pytest.approx(perplexity()(LOGITS, CLASSES).item())


def test_equal_scores_of_four_classes_have_perplexity_four():
    assert perplexity()(torch.zeros(3, 4), torch.tensor([0, 1, 3])).item() == pytest.approx(4)


@pytest.mark.parametrize("target", [CLASSES + 1, CLASSES - 1, CLASSES.double()], ids=["above", "below", "floats"])
def test_what_is_no_class_index_is_refused(target):
    with pytest.raises(ShapeError, match=r"^perplexity: "):
        perplexity()(LOGITS, target)
