import pytest
import torch

from chainrule.activations import swiglu
from tests.oracles import assert_module_equals

X = 3 * torch.randn(1, 5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("dim", "axis"), [(-1, 3), (1, 2)])
def test_it_and_its_gradient_equal_a_half_gated_by_the_other(dim, axis):
    def gated(x):
        a, b = x.tensor_split(2, axis)
        return a * torch.nn.functional.silu(b)

    assert_module_equals(swiglu(dim), gated, X)
