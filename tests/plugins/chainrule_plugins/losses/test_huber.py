import pytest
import torch

from chainrule.losses import huber
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T[0, 0, :2] = P[0, 0, :2] + torch.tensor([0.0, 1.0])


@pytest.mark.parametrize("settings", [{}, {"delta": 0.3}, {"delta": 2.0}], ids=str)
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(huber, torch.nn.functional.huber_loss, P, T, **settings)
