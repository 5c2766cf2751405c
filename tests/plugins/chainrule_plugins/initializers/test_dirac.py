import pytest
import torch

from chainrule import ShapeError
from chainrule.initializers import dirac


def filled(shape, groups=1):
    tensor = torch.full(shape, torch.nan)
    dirac(groups=groups)(tensor, fan_in=1, fan_out=1, generator=torch.Generator())
    return tensor


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("shape", [(6, 2, 3), (6, 4, 3, 5), (6, 1, 2, 1, 4)])
def test_its_values_equal_those_of_torch(shape, groups):
    assert torch.equal(filled(shape, groups), torch.nn.init.dirac_(torch.empty(shape), groups))


def test_a_convolution_passes_its_input_on():
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.conv2d(x, filled((4, 4, 3, 3)), padding=1), x)
    assert torch.equal(torch.conv2d(x, filled((4, 2, 3, 3), groups=2), padding=1, groups=2), x)


@pytest.mark.parametrize(("shape", "groups"), [((6, 3), 1), ((6,), 1), ((6, 2, 3), 4), ((6, 1, 1, 1, 1, 1), 1)])
def test_other_shapes_are_refused(shape, groups):
    with pytest.raises(
        ShapeError, match=rf"^dirac: a tensor must have from three to five axes, .* groups = {groups}, "
    ):
        filled(shape, groups)
