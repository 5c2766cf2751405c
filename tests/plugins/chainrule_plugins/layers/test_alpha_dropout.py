import torch

from chainrule.layers import alpha_dropout
from tests.oracles import assert_drops_as

X = torch.randn(100, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_and_its_gradient_equal_torch_given_the_mask():
    assert_drops_as(alpha_dropout, torch.nn.functional.alpha_dropout, X)


def test_it_keeps_mean_and_variance():
    y = alpha_dropout(0.4).build(dtype=torch.float64)(X)
    assert abs(y.mean() - X.mean()) < 0.03
    assert abs(y.var() - X.var()) < 0.05
