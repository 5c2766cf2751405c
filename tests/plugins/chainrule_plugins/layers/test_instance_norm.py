import pytest
import torch

from chainrule import HyperparameterError, ShapeError
from chainrule.layers import instance_norm
from tests.oracles import assert_layer_equals

X = 3 + 2 * torch.randn(5, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
INPUTS = [
    (torch.nn.InstanceNorm1d, X[..., 0, 0]),
    (torch.nn.InstanceNorm2d, X[..., 0]),
    (torch.nn.InstanceNorm3d, X),
]
SETTINGS = [
    {},
    {"eps": 0.1, "affine": True},
    {"affine": True, "bias": False},
    {"momentum": 0.7, "track_running_stats": True},
    {"affine": True, "track_running_stats": True},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("theirs", "x"), INPUTS, ids=["sequences", "images", "volumes"])
def test_it_its_gradients_and_its_statistics_equal_torch(theirs, x, settings):
    assert_layer_equals(instance_norm(4, **settings), theirs(4, **settings), x)


def test_a_cumulative_mean_is_refused_which_torch_ignores():
    with pytest.raises(HyperparameterError, match=r"^instance_norm: momentum must be a number from 0 to 1, got None\."):
        instance_norm(4, momentum=None)


@pytest.mark.parametrize("x", [X[..., 0, 0, 0], X[..., :1, 0, 0]], ids=["rows", "one position"])
def test_a_single_position_is_refused(x):
    with pytest.raises(ShapeError) as caught:
        instance_norm(4).build(dtype=torch.float64)(x)
    assert str(caught.value) == (
        "instance_norm: x must have at least 2 positions for each channel, got 1. The variance of one value is 0."
    )
