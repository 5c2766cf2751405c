import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import dice
from tests.oracles import assert_loss_equals

X, T = torch.randn(2, 6, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
MASKS = (T > 0).double()
MASKS[0] = 0


def formula(prediction, target, *, reduction, from_logits=False, smooth=1.0):
    p = 1 / (1 + (-prediction).exp()) if from_logits else prediction
    product, p_sum, t_sum = (part.sum((2, 3)) for part in (p * target, p, target))
    terms = 1 - (2 * product + smooth) / (p_sum + t_sum + smooth)
    return {"mean": terms.mean(), "sum": terms.sum(), "none": terms}[reduction]


@pytest.mark.parametrize("settings", [{}, {"smooth": 0.01}], ids=str)
def test_it_and_its_gradient_equal_the_formula(settings):
    assert_loss_equals(dice, formula, X.sigmoid(), MASKS, **settings)
    assert_loss_equals(dice, formula, X, MASKS, from_logits=True, **settings)


def test_a_perfect_mask_costs_nothing_and_a_disjoint_one_nearly_1():
    masks = MASKS[1:]
    assert dice()(masks, masks) == 0
    assert dice(smooth=1e-6)(1 - masks, masks) == pytest.approx(1, abs=1e-6)
    assert dice()(MASKS[:1], MASKS[:1]) == 0


def test_a_mask_has_an_axis_behind_its_channels():
    with pytest.raises(
        ShapeError, match=r"^dice: predictions must have an axis behind the channels, .* got \(5, 3\)\."
    ):
        dice()(torch.zeros(5, 3), torch.zeros(5, 3))


def test_logits_must_be_announced():
    with pytest.raises(ShapeError, match=r"^dice: predictions must be from 0 to 1, got "):
        dice()(X, MASKS)
