import pytest
import torch
from torch.testing import assert_close

from chainrule import HyperparameterError, ShapeError
from chainrule.layers import batch_norm
from tests.oracles import assert_layer_equals

X = 3 + 2 * torch.randn(5, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
INPUTS = [
    (torch.nn.BatchNorm1d, X[..., 0, 0, 0]),
    (torch.nn.BatchNorm1d, X[..., 0, 0]),
    (torch.nn.BatchNorm2d, X[..., 0]),
    (torch.nn.BatchNorm3d, X),
]
SETTINGS = [
    {},
    {"eps": 0.1, "momentum": 0.7},
    {"momentum": None},
    {"affine": False},
    {"bias": False},
    {"track_running_stats": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("theirs", "x"), INPUTS, ids=["rows", "sequences", "images", "volumes"])
def test_it_its_gradients_and_its_statistics_equal_torch(theirs, x, settings):
    assert_layer_equals(batch_norm(4, **settings), theirs(4, **settings), x)


@pytest.mark.parametrize("momentum", [0.3, None])
def test_statistics_of_several_batches_equal_torch(momentum):
    network, theirs = batch_norm(4, momentum=momentum).build(), torch.nn.BatchNorm3d(4, momentum=momentum)
    assert_close(network.state_dict(), dict(theirs.state_dict()))
    for x in (X.float(), 2 * X[:2].float(), X.float() - 7):
        network(x), theirs(x)
        assert_close(network.state_dict(), dict(theirs.state_dict()))


@pytest.mark.parametrize("momentum", ["0.1", 1.5, -0.1])
def test_a_momentum_that_is_no_share_is_refused(momentum):
    with pytest.raises(HyperparameterError, match=r"^batch_norm: momentum must be a number from 0 to 1, got "):
        batch_norm(4, momentum=momentum)


def test_a_single_value_for_a_channel_is_refused_in_train_mode():
    network = batch_norm(4).build(dtype=torch.float64)
    assert network(X[:1]).shape == (1, 4, 3, 2, 2)
    with pytest.raises(ShapeError) as caught:
        network(X[:1, :, 0, 0, 0])
    assert str(caught.value) == (
        "batch_norm: a batch must have at least 2 values for each channel, got 1. Pass more rows; if only the last "
        "batch of an epoch is too small, change batch_size or drop a row."
    )
    assert network.eval()(X[:1, :, 0, 0, 0]).shape == (1, 4)
