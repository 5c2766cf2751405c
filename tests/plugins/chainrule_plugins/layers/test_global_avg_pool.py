import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import global_avg_pool
from tests.oracles import assert_layer_equals

X = torch.randn(5, 3, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_it_and_its_gradient_equal_torch(dim):
    theirs = getattr(torch.nn, f"AdaptiveAvgPool{dim}d")(1)
    x = {1: X[..., 0, 0], 2: X[..., 0], 3: X}[dim]
    assert_layer_equals(global_avg_pool(), torch.nn.Sequential(theirs, torch.nn.Flatten()), x)


def test_rows_without_positions_are_refused():
    with pytest.raises(ShapeError, match=r"^global_avg_pool: x must have shape \(N, …, \?, \?\), got \(N, 3\)\."):
        global_avg_pool().build(dtype=torch.float64)(X[..., 0, 0, 0])
