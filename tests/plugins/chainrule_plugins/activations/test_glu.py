import pytest
import torch

from chainrule import ShapeError
from chainrule.activations import glu
from tests.oracles import assert_module_equals

X = 3 * torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dim", [-1, -2, 1, 2])
def test_it_and_its_gradient_equal_torch(dim):
    def member(x):
        return torch.nn.GLU(dim)(x[0]).unsqueeze(0)

    assert_module_equals(glu(dim), member, X.unsqueeze(0))


@pytest.mark.parametrize("dim", [0, 3, -3])
def test_another_axis_than_one_of_an_example_is_refused(dim):
    with pytest.raises(ShapeError, match=rf"^glu: dim must be an axis of x \(N, .*\), got {dim}\."):
        glu(dim).build(dtype=torch.float64)(X)


def test_an_odd_axis_is_refused():
    with pytest.raises(ShapeError, match=r"^glu: axis -1 of x \(N, 5\) must be even, got 5\."):
        glu().build()(torch.zeros(2, 5))
