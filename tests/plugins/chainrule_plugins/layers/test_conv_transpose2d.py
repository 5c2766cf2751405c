import pytest
import torch

from chainrule.layers import conv2d, conv_transpose2d
from tests.oracles import assert_layer_equals

X = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SETTINGS = [
    {},
    {"stride": (2, 3), "padding": (0, 1), "output_padding": (1, 2), "bias": False},
    {"padding": 1, "dilation": (3, 1), "groups": 2},
    {"stride": 2, "output_padding": 2, "dilation": (4, 3), "groups": 4},
]


@pytest.mark.parametrize("kernel_size", [3, (2, 3), (4, 1)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_it_and_its_gradients_equal_torch(settings, kernel_size):
    layer = conv_transpose2d(4, 8, kernel_size, **settings)
    theirs = torch.nn.ConvTranspose2d(4, 8, kernel_size, **settings)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((4, 5, 6)) == theirs(X).shape[1:]


def test_the_first_values_have_the_bound_of_torch():
    for parameter in conv_transpose2d(64, 8, 5, groups=2).build().parameters():
        assert 0.07 < parameter.data.abs().max() <= 0.1  # 1/√(4 · 25)


def test_it_is_the_adjoint_of_conv2d():
    settings = {"stride": 2, "padding": 1, "bias": False}
    forth = conv2d(4, 2, 3, **settings).build(dtype=torch.float64)
    back = conv_transpose2d(2, 4, 3, **settings).build(dtype=torch.float64)
    back.load_state_dict(forth.state_dict())
    x = X[..., :5]
    y = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close((forth(x) * y).sum(), (x * back(y)).sum())
