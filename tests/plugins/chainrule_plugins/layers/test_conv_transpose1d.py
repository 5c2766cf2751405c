import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import conv_transpose1d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SETTINGS = [
    (),
    (2, 1),
    (3, 2, 2, 2, False),
    ((2,), 3, (1,), 4),
    (1, 0, 0, 1, True, 4),
    (2, 0, 2, 2, False, 3),
]


@pytest.mark.parametrize("kernel_size", [2, (3,)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_it_and_its_gradients_equal_torch(settings, kernel_size):
    layer = conv_transpose1d(4, 8, kernel_size, *settings)
    theirs = torch.nn.ConvTranspose1d(4, 8, kernel_size, *settings)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((4, 6)) == theirs(X).shape[1:]


@pytest.mark.parametrize("settings", [{"output_padding": 2}, {"padding": -1}, {"padding": "same"}, {"padding": (1, 1)}])
def test_what_torch_refuses_is_refused(settings):
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        torch.nn.ConvTranspose1d(4, 8, 3, stride=2, **settings)(X.float())
    with pytest.raises(ChainruleError, match=f"^conv_transpose1d: {next(iter(settings))} must "):
        conv_transpose1d(4, 8, 3, stride=2, **settings)


@pytest.mark.parametrize(
    ("settings", "least"), [({}, 1), ({"stride": 2, "padding": 3}, 3), ({"padding": 4}, 7), ({"dilation": 2}, 1)]
)
def test_the_shortest_sequence_is_that_of_torch(settings, least):
    network, theirs = conv_transpose1d(1, 1, 3, **settings).build(), torch.nn.ConvTranspose1d(1, 1, 3, **settings)
    assert network(torch.ones(1, 1, least)).shape == theirs(torch.ones(1, 1, least)).shape
    with pytest.raises(ChainruleError, match=f"must have at least {least} entries"):
        network(torch.ones(1, 1, least - 1))
    with pytest.raises(RuntimeError):
        theirs(torch.ones(1, 1, least - 1))
