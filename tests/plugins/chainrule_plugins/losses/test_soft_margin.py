import torch

from chainrule.losses import soft_margin
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T = T.sign()
P[0, 0] *= 100


def test_it_and_its_gradient_equal_torch():
    assert_loss_equals(soft_margin, torch.nn.functional.soft_margin_loss, P, T.sign())
