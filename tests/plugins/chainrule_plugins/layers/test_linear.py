import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError, label
from chainrule.activations import softmax
from chainrule.initializers import constant, zeros
from chainrule.layers import flatten, layer_norm, linear, sequential

X = torch.randn(1, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def built(*sizes, **settings):
    layer = linear(*sizes, **settings)
    layer.build(dtype=torch.float64)
    return layer


@pytest.mark.parametrize("bias", [True, False])
def test_it_and_its_gradients_equal_torch(bias):
    layer = built(5, 4, bias=bias)
    y = layer.forward(X)
    grad_output = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    dx = layer.backward(grad_output)
    leaves = [leaf.clone().requires_grad_() for leaf in (X[0], *(p.data[0] for p in layer.parameters()))]
    expected = torch.nn.functional.linear(*leaves)
    assert_close(y[0], expected.detach())
    found = [dx[0], *(parameter.grad[0] for parameter in layer.parameters())]
    assert_close(found, list(torch.autograd.grad(expected, leaves, grad_output[0])))


def test_the_input_gradient_is_left_out_where_nobody_needs_it():
    layer = built(5, 4)
    layer.needs_input_grad = False
    layer.forward(X)
    assert layer.backward(torch.ones(1, 7, 4, dtype=torch.float64)) is None


def test_initializers_may_be_chosen():
    layer = built(5, 4, weight_init=constant(2.0), bias_init=zeros())
    assert (layer.weight.data == 2).all()
    assert not layer.bias.data.any()


def test_the_first_values_have_the_bound_of_torch():
    layer = built(100, 50)
    assert 0.09 < layer.weight.data.abs().max() <= 0.1
    assert layer.bias.data.abs().max() <= 0.1


@pytest.mark.parametrize(("shape", "shown"), [((7, 4), "(N, 4)"), ((5,), "(N)"), ((7, 5, 0), "(N, 5, 0)"), ((), "(N)")])
def test_an_input_of_another_shape_is_told_with_the_one_that_fits(shape, shown):
    with pytest.raises(ShapeError) as caught:
        linear(5, 4).build()(torch.zeros(shape))
    assert str(caught.value) == (
        f"linear: x must have shape (N, …, 5), got {shown}. Reshape x, or declare the layer for it."
    )


@pytest.mark.parametrize("seeds", [{"seed": 0}, {"seeds": [0, 1, 2]}])
def test_leading_axes_are_those_of_torch(seeds):
    network = linear(5, 4).build(dtype=torch.float64, **seeds)
    x = torch.randn(7, 3, 2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = network(x)
    grad_output = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    dx = network.backward(grad_output, input_grad=True)
    outputs = (y, grad_output, dx) if network.is_ensemble else (y[None], grad_output[None], dx[None])
    for member, (got, grad, input_grad) in enumerate(zip(*outputs, strict=True)):
        leaves = [leaf.clone().requires_grad_() for leaf in (x, *(p.data[member] for p in network.parameters()))]
        expected = torch.nn.functional.linear(*leaves)
        assert_close(got, expected.detach())
        found = [input_grad, *(parameter.grad[member] for parameter in network.parameters())]
        assert_close(found, list(torch.autograd.grad(expected, leaves, grad)))


@pytest.mark.parametrize("layer", [flatten(), layer_norm((3, 4)), softmax(2)], ids=label)
def test_a_layer_behind_it_may_look_at_axes_that_are_not_known_yet(layer):
    network = sequential(linear(5, 4), layer).build(dtype=torch.float64)
    assert network(torch.zeros(7, 3, 5, dtype=torch.float64)).numel() == 7 * 3 * 4


def test_an_input_of_another_dtype_raises():
    with pytest.raises(ShapeError, match=r"^network: x must have dtype torch\.float32, got torch\.int64\. Convert"):
        linear(5, 4).build()(torch.zeros(7, 5, dtype=torch.int64))
