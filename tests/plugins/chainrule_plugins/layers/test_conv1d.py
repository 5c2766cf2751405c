import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import conv1d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SETTINGS = [
    {},
    {"stride": 2, "padding": 2, "dilation": 3, "bias": False},
    {"padding": "same", "groups": 2},
    {"padding": "valid", "groups": 4},
    *({"padding": 3, "stride": (2,), "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
    {"padding": "same", "dilation": (3,), "padding_mode": "circular"},
]


@pytest.mark.parametrize("kernel_size", [2, (3,)])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_it_and_its_gradients_equal_torch(settings, kernel_size):
    layer = conv1d(4, 8, kernel_size, **settings)
    theirs = torch.nn.Conv1d(4, 8, kernel_size, **settings)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((4, 9)) == theirs(X).shape[1:]


@pytest.mark.parametrize("settings", [{"kernel_size": (3, 3)}, {"stride": (1, 2)}, {"padding": (1, 1)}])
def test_a_second_axis_is_refused(settings):
    with pytest.raises(ChainruleError, match=f"^conv1d: {next(iter(settings))} must "):
        conv1d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **settings})


@pytest.mark.parametrize("shape", [(2, 3, 9), (2, 4), (2, 4, 9, 9), (2, 4, 2)])
def test_another_input_is_refused(shape):
    with pytest.raises(ChainruleError, match="conv1d: "):
        conv1d(4, 6, 3).build()(torch.ones(shape))
