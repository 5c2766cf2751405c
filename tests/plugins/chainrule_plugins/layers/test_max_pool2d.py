import pytest
import torch

from chainrule.layers import max_pool2d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 3, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 2},
        {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)},
        {"kernel_size": 2, "stride": 1, "dilation": (3, 2)},
        {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
    ],
    ids=str,
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_layer_equals(max_pool2d(**settings), torch.nn.MaxPool2d(**settings), X)


def test_the_first_of_equal_maxima_has_the_gradient():
    network = max_pool2d((1, 3)).build(dtype=torch.float64)
    network(torch.tensor([[[[0.0, 2.0, 2.0]]]], dtype=torch.float64))
    dx = network.backward(torch.ones(1, 1, 1, 1, dtype=torch.float64), input_grad=True)
    assert dx.flatten().tolist() == [0, 1, 0]
