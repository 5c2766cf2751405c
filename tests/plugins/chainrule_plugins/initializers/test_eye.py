import pytest
import torch

from chainrule import ShapeError
from chainrule.initializers import eye


def filled(*shape):
    tensor = torch.full(shape, torch.nan)
    eye()(tensor, fan_in=1, fan_out=1, generator=torch.Generator())
    return tensor


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 2)])
def test_its_values_equal_those_of_torch(shape):
    assert torch.equal(filled(*shape), torch.nn.init.eye_(torch.empty(shape)))


@pytest.mark.parametrize("shape", [(3,), (3, 3, 1)])
def test_others_than_matrices_are_refused(shape):
    with pytest.raises(ShapeError, match=r"^eye: a tensor must have two axes, got shape \(3,.*\)\. Use dirac for conv"):
        filled(*shape)
