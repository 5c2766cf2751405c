import pytest
import torch

from chainrule.activations import tanh
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(tanh(), torch.tanh)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_slope_is_one_at_zero_and_zero_far_out(dtype):
    module = tanh()
    module.forward(torch.tensor([[-1e4, -100, -1e-30, 0, 1e-30, 100, 1e4]], dtype=dtype))
    assert module.backward(torch.ones(1, 7, dtype=dtype)).tolist() == [[0, 0, 1, 1, 1, 0, 0]]
