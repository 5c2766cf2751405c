import math

import pytest
import torch

from chainrule import ShapeError
from chainrule.initializers import sparse


def filled(initializer, *shape):
    tensor = torch.full(shape, torch.nan, dtype=torch.float64)
    initializer(tensor, fan_in=1, fan_out=1, generator=torch.Generator().manual_seed(0))
    return tensor


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 1.0])
def test_each_column_has_its_share_of_zeros_as_in_torch(sparsity):
    values = filled(sparse(sparsity=sparsity), 15, 40)
    theirs = torch.nn.init.sparse_(torch.empty(15, 40), sparsity)
    assert (values == 0).sum(0).tolist() == (theirs == 0).sum(0).tolist() == [math.ceil(15 * sparsity)] * 40


def test_zeros_are_at_other_rows_in_other_columns_and_the_rest_is_normal():
    values = filled(sparse(sparsity=0.2, scale=3.0), 100, 200)
    assert ((values == 0).sum(1) - 40).abs().max() < 30
    assert values[values != 0].std().item() == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("shape", [(3,), (3, 3, 1)])
def test_others_than_matrices_are_refused(shape):
    with pytest.raises(ShapeError, match=r"^sparse: a tensor must have two axes, got shape \(3,.*\)\. Use normal for "):
        filled(sparse(), *shape)
