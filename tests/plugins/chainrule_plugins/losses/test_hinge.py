import pytest
import torch

from chainrule import HyperparameterError
from chainrule.losses import hinge
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def formula(prediction, target, *, reduction, margin=1.0):
    terms = (margin - prediction * target).relu()
    return {"mean": terms.mean(), "sum": terms.sum(), "none": terms}[reduction]


@pytest.mark.parametrize("settings", [{}, {"margin": 0.3}], ids=str)
def test_it_and_its_gradient_equal_the_formula(settings):
    assert_loss_equals(hinge, formula, P, T.sign(), **settings)


@pytest.mark.parametrize("margin", [0, -1.0, "wide"])
def test_the_margin_is_above_0(margin):
    with pytest.raises(HyperparameterError, match=rf"^hinge: margin must be a number above 0, got {margin!r}\."):
        hinge(margin=margin)
