import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.initializers import constant, zeros
from chainrule.layers import linear

X = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(*sizes, members=1, **settings):
    layer = linear(*sizes, **settings)
    layer.build(seeds=range(members), dtype=torch.float64)
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("members", [1, 3])
def test_it_and_its_gradients_equal_torch(members, bias):
    layer = built(5, 4, members=members, bias=bias)
    y = layer.forward(X.expand(members, 7, 5))
    grad_output = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    dx = layer.backward(grad_output)
    for i in range(members):
        leaves = [X.clone(), *(parameter.data[i].clone() for parameter in layer.parameters())]
        expected = torch.nn.functional.linear(*[leaf.requires_grad_() for leaf in leaves])
        assert_close(y[i], expected.detach())
        grads = torch.autograd.grad(expected, leaves, grad_output[i])
        assert_close([dx[i], *(parameter.grad[i] for parameter in layer.parameters())], list(grads))


def test_the_bias_gradient_sums_over_the_batch():
    layer = built(5, 4)
    layer.forward(X[None])
    layer.backward(torch.ones(1, 7, 4, dtype=torch.float64))
    assert (layer.bias.grad == 7).all()


def test_the_input_gradient_is_left_out_where_nobody_needs_it():
    layer = built(5, 4)
    layer.needs_input_grad = False
    layer.forward(X[None])
    assert layer.backward(torch.ones(1, 7, 4, dtype=torch.float64)) is None
    assert layer.weight.grad.any()


def test_initializers_may_be_chosen():
    layer = built(5, 4, weight_init=constant(2.0), bias_init=zeros())
    assert (layer.weight.data == 2).all()
    assert not layer.bias.data.any()


def test_the_first_values_have_the_bound_of_torch():
    layer = built(100, 50)
    assert 0.09 < layer.weight.data.abs().max() <= 0.1
    assert layer.bias.data.abs().max() <= 0.1


@pytest.mark.parametrize("shape", [(7, 4), (5,), (7, 2, 5), (7, 0), ()])
def test_an_input_of_another_shape_raises(shape):
    with pytest.raises(ShapeError) as caught:
        linear(5, 4).build()(torch.zeros(shape))
    assert str(caught.value) == f"linear: x must have shape (N, 5), got {shape}. Give it rows of that many features."


@pytest.mark.parametrize("members", [1, 2])
def test_an_input_of_another_dtype_raises(members):
    with pytest.raises(ShapeError, match=r"^linear: x must have dtype torch\.float32, got torch\.int64\. Convert"):
        linear(5, 4).build(seeds=range(members))(torch.zeros(7, 5, dtype=torch.int64))


@pytest.mark.parametrize("sizes", [(0, 4), (5, -1), (2.5, 4)])
def test_sizes_must_be_positive_integers(sizes):
    with pytest.raises(ShapeError, match=r"^Parameter: every size must be a positive integer, got "):
        linear(*sizes)
