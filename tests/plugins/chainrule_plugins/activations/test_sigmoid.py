import pytest
import torch

from chainrule.activations import sigmoid
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(sigmoid(), torch.sigmoid)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_exact_for_logits_of_ten_thousand(dtype):
    module = sigmoid()
    assert module.forward(torch.tensor([[-1e4, 0, 1e4]], dtype=dtype)).tolist() == [[0, 0.5, 1]]
    assert module.backward(torch.ones(1, 3, dtype=dtype)).tolist() == [[0, 0.25, 0]]


def test_the_gradient_printed_in_the_paper_is_another():
    module = sigmoid()
    y = module.forward(torch.ones(1, 1))
    assert not torch.allclose(module.backward(torch.ones(1, 1)), (y - 1) / y)
