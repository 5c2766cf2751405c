import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import dropout2d
from tests.oracles import assert_drops_as

X = torch.randn(20, 6, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_it_and_its_gradient_equal_torch_given_the_mask(dim):
    x = {1: X[..., 0], 2: X, 3: X.unsqueeze(2)}[dim]
    assert_drops_as(dropout2d, getattr(torch.nn.functional, f"dropout{dim}d"), x)


def test_a_channel_is_dropped_whole_or_not_at_all():
    dropped = dropout2d().build(dtype=torch.float64)(X).eq(0).flatten(2)
    assert dropped.any(2).equal(dropped.all(2))
    assert 0.3 < dropped.double().mean() < 0.7


def test_rows_without_positions_are_refused():
    with pytest.raises(ShapeError, match=r"^dropout2d: x must have shape \(N, …, \?, \?\), got \(N, 6\)\."):
        dropout2d().build(dtype=torch.float64)(X[..., 0, 0])
