from functools import partial

import pytest
import torch
from torch.nn.init import orthogonal_
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.initializers import orthogonal
from chainrule.layers import linear
from tests.oracles import assert_fills_as


@pytest.mark.parametrize(("initializer", "gain"), [(orthogonal(), 1.0), (orthogonal("relu"), 2**0.5)])
def test_its_values_equal_those_of_torch(initializer, gain):
    assert_fills_as(initializer, partial(orthogonal_, gain=gain))


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (8, 2, 3), (1, 3)])
def test_the_shorter_side_is_orthonormal_times_the_gain(shape):
    tensor = torch.empty(shape, dtype=torch.float64)
    orthogonal(0.5)(tensor, fan_in=1, fan_out=1, generator=torch.Generator().manual_seed(0))
    matrix = tensor.flatten(1)
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    assert_close(product, 0.25 * torch.eye(len(product), dtype=torch.float64))


def test_each_member_has_a_matrix_of_its_own():
    first, second = linear(3, 3, weight_init=orthogonal()).build(seeds=[0, 1]).parameters()[0].data
    assert not (first == second).any()


def test_a_vector_is_refused():
    with pytest.raises(ShapeError, match=r"^orthogonal: a tensor must have at least two axes, got shape \(3,\)\."):
        orthogonal()(torch.empty(3), fan_in=3, fan_out=3, generator=torch.Generator())
