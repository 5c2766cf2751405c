import pytest
import torch

from chainrule.losses import smooth_l1
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T[0, 0, :2] = P[0, 0, :2] + torch.tensor([0.0, 1.0])


@pytest.mark.parametrize("settings", [{}, {"beta": 0.3}, {"beta": 2.0}], ids=str)
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(smooth_l1, torch.nn.functional.smooth_l1_loss, P, T, **settings)
