import pytest
import torch

from chainrule.losses import bce_with_logits
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
P[0, 0], T = 1000 * P[0, 0], T.sigmoid()
T[1] = T[1].round()
W = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)


@pytest.mark.parametrize("settings", [{}, {"weight": W}, {"pos_weight": W}, {"weight": W, "pos_weight": 2 * W}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(bce_with_logits, torch.nn.functional.binary_cross_entropy_with_logits, P, T, **settings)
