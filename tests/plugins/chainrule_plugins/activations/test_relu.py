import pytest
import torch

from chainrule.activations import relu
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(relu(), torch.relu)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_slope_at_zero_is_zero(dtype):
    module = relu()
    module.forward(torch.tensor([[-1e-30, -0.0, 0.0, 1e-30]], dtype=dtype))
    assert module.backward(torch.ones(1, 4, dtype=dtype)).tolist() == [[0, 0, 0, 1]]
