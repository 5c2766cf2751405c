import pytest
import torch

from chainrule import HyperparameterError, ShapeError, label
from chainrule.losses import hinge, soft_margin
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


@pytest.mark.parametrize("loss", [hinge(), soft_margin()], ids=repr)
@pytest.mark.parametrize(
    ("wrong", "shown"), [(torch.zeros(4, 1), "0"), (torch.tensor([[1.0], [-1], [0.5], [1]]), "0.5")]
)
def test_labels_other_than_minus_1_and_1_are_refused(loss, wrong, shown):
    message = f"^{label(loss)}: targets must be labels -1 and 1, got {shown}. Convert labels 0 and 1 with 2 \\* y - 1."
    with pytest.raises(ShapeError, match=message):
        loss(torch.ones(4, 1), wrong)
