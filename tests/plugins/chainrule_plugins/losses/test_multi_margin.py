import pytest
import torch

from chainrule import HyperparameterError, ShapeError
from chainrule.losses import multi_margin
from tests.oracles import assert_loss_equals

SCORES = torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = SCORES.flip(0).argmax(1)
W = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)


@pytest.mark.parametrize(
    "settings", [{}, {"p": 2}, {"margin": 0.3, "weight": W}, {"p": 2, "margin": -0.2, "weight": W}], ids=str
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(multi_margin, torch.nn.functional.multi_margin_loss, SCORES, CLASSES, **settings)


def test_scores_at_the_margin_have_no_gradient():
    loss = multi_margin()
    loss(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert not loss.backward().any()


def test_the_power_is_1_or_2():
    with pytest.raises(HyperparameterError, match=r"^multi_margin: p must be 1 or 2, got 3\."):
        multi_margin(p=3)


@pytest.mark.parametrize("shape", [(7,), (7, 4, 2)])
def test_scores_have_one_axis_of_classes(shape):
    with pytest.raises(ShapeError, match=r"^multi_margin: target must be class indices \(N\) for predictions \(N, C\)"):
        multi_margin()(torch.zeros(shape), torch.zeros(7, *shape[2:]).long())
