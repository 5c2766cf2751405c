"""The activations against torch's, and what each does at its edges."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from chainrule.activations import identity, relu, sigmoid, tanh

PAIRS = [(identity, lambda x: x), (relu, torch.relu), (sigmoid, torch.sigmoid), (tanh, torch.tanh)]
EDGES = torch.tensor([[-1e4, -100.0, -1e-30, -0.0, 0.0, 1e-30, 100.0, 1e4]])


@pytest.mark.parametrize(("cls", "function"), PAIRS)
@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=5), scale=st.floats(1e-3, 1e3))
def test_it_and_its_gradient_equal_torch(cls, function, shape, scale):
    x = (scale * torch.randn(shape, generator=torch.manual_seed(0), dtype=torch.float64)).requires_grad_()
    grad_output = torch.randn(shape, generator=torch.manual_seed(1), dtype=torch.float64)
    module, expected = cls(), function(x)
    assert_close(module.forward(x.detach()), expected.detach())
    assert_close(module.backward(grad_output), torch.autograd.grad(expected, x, grad_output)[0])


@pytest.mark.parametrize(("cls", "slopes"), [(relu, [0, 0, 0, 0, 0, 1, 1, 1]), (tanh, [0, 0, 1, 1, 1, 1, 0, 0])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slopes_at_the_edges(cls, slopes, dtype):
    module = cls()
    module.forward(EDGES.to(dtype))
    assert module.backward(torch.ones_like(EDGES, dtype=dtype)).tolist() == [slopes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigmoid_is_exact_for_logits_of_ten_thousand(dtype):
    module = sigmoid()
    assert module.forward(torch.tensor([[-1e4, 0, 1e4]], dtype=dtype)).tolist() == [[0, 0.5, 1]]
    assert module.backward(torch.ones(1, 3, dtype=dtype)).tolist() == [[0, 0.25, 0]]


def test_the_gradient_printed_in_the_paper_is_not_that_of_sigmoid():
    module = sigmoid()
    y = module.forward(torch.ones(1, 1))
    assert not torch.allclose(module.backward(torch.ones(1, 1)), (y - 1) / y)
