import numpy as np
import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import conv2d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 4, 7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SETTINGS = [
    {},
    {"stride": (2, 3), "bias": False},
    {"padding": 2, "dilation": (1, 2)},
    {"padding": (0, 2), "stride": 2, "groups": 2},
    {"padding": "valid", "groups": 4},
    {"padding": "same", "dilation": (2, 3)},
    *({"padding": (3, 2), "stride": 2, "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
    *({"padding": "same", "padding_mode": mode} for mode in ("reflect", "replicate", "circular")),
]


@pytest.mark.parametrize("kernel_size", [3, (2, 3), (4, 1)])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_it_and_its_gradients_equal_torch(settings, kernel_size):
    layer = conv2d(4, 8, kernel_size, **settings)
    theirs = torch.nn.Conv2d(4, 8, kernel_size, **settings)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((4, 7, 9)) == theirs(X).shape[1:]


def test_the_first_values_have_the_bound_of_torch():
    network = conv2d(8, 64, 5, groups=2).build()
    for parameter in network.parameters():
        assert 0.08 < parameter.data.abs().max() <= 0.1  # 1/√(4 · 25)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": 3}, "in_channels must be divisible by groups=3, got 4"),
        ({"stride": 0}, "stride must be"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size must have 2 numbers"),
        ({"padding": -1}, "padding must be"),
        ({"padding": True}, "padding must be"),
        ({"padding": np.array([1, 1])}, "padding must be"),
        ({"padding": "full"}, "padding must be"),
        ({"padding": "same", "stride": 2}, "stride must be 1 with padding=.same."),
        ({"padding_mode": "mirror"}, "padding_mode must be one of"),
        ({"bias": 2}, "bias must be"),
    ],
)
def test_a_wrong_setting_raises(settings, words):
    with pytest.raises(ChainruleError, match=f"^conv2d: {words}"):
        conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **settings})


@pytest.mark.parametrize("two", [np.int64(2), torch.tensor(2), [2, np.int32(2)]])
def test_sizes_are_integers_of_any_kind_and_kept_as_their_numbers(two):
    names = ("kernel_size", "stride", "padding", "dilation")
    assert repr(conv2d(4, 6, **dict.fromkeys(names, two))) == repr(conv2d(4, 6, **dict.fromkeys(names, (2, 2))))


@pytest.mark.parametrize(("mode", "least"), [("zeros", 1), ("reflect", 3), ("replicate", 1), ("circular", 2)])
def test_the_smallest_image_is_that_of_torch(mode, least):
    network = conv2d(1, 1, 3, padding=2, padding_mode=mode).build()
    assert network(torch.ones(1, 1, least, least)).shape[-1] == least + 2
    with pytest.raises(ChainruleError, match=f"must have at least {least} entries"):
        network(torch.ones(1, 1, least, least - 1))
