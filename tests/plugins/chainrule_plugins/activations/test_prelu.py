import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.activations import prelu

X = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
X[0, 0] = 0.0


@pytest.mark.parametrize("num_parameters", [1, 3])
@pytest.mark.parametrize("x", [X, X[..., 0]], ids=["images", "rows"])
def test_it_and_its_gradients_equal_torch(num_parameters, x):
    network = prelu(num_parameters, 0.3).build(seeds=[0, 1], dtype=torch.float64)
    (weight,) = network.parameters()
    weight.data[1] = torch.linspace(-0.5, 0.5, num_parameters)
    y = network(x)
    grad_output = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    dx = network.backward(grad_output, input_grad=True)
    for i in (0, 1):
        leaves = x.clone().requires_grad_(), weight.data[i].clone().requires_grad_()
        expected = torch.nn.functional.prelu(*leaves)
        assert_close(y[i], expected.detach())
        assert_close([dx[i], weight.grad[i]], list(torch.autograd.grad(expected, leaves, grad_output[i])))


def test_it_starts_as_torchs_does():
    assert prelu(3).build().state_dict()["weight"].tolist() == torch.nn.PReLU(3).weight.tolist()


def test_channels_are_the_first_axis_of_an_example():
    with pytest.raises(ShapeError, match=r"^prelu: x must have shape \(N, 3, \?\), got \(N, 4, 3\)\."):
        prelu(3).build()(torch.zeros(2, 4, 3))
