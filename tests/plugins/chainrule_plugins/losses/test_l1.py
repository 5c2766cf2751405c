import torch

from chainrule.losses import l1
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T[0, 0] = P[0, 0]


def test_it_and_its_gradient_equal_torch():
    assert_loss_equals(l1, torch.nn.functional.l1_loss, P, T)
