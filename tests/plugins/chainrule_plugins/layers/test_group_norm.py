import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import group_norm
from tests.oracles import assert_layer_equals

X = 3 + 2 * torch.randn(5, 6, 4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("x", [X, X[..., 0], X[..., 0, 0]], ids=["images", "sequences", "rows"])
@pytest.mark.parametrize("settings", [{}, {"eps": 0.1}, {"affine": False}], ids=str)
def test_it_and_its_gradients_equal_torch(groups, x, settings):
    assert_layer_equals(group_norm(groups, 6, **settings), torch.nn.GroupNorm(groups, 6, **settings), x)


def test_it_starts_as_torchs_does():
    torch.testing.assert_close(group_norm(2, 6).build().state_dict(), dict(torch.nn.GroupNorm(2, 6).state_dict()))


def test_the_input_gradient_is_left_out_where_nobody_needs_it():
    layer = group_norm(2, 6)
    layer.build(dtype=torch.float64)
    layer.needs_input_grad = False
    layer.forward(X.unsqueeze(0))
    assert layer.backward(X.unsqueeze(0)) is None


def test_groups_of_unequal_size_are_refused():
    with pytest.raises(ShapeError) as caught:
        group_norm(4, 6)
    assert str(caught.value) == "group_norm: num_groups must divide num_channels, 6, got 4. Groups are of one size."


def test_another_number_of_channels_is_refused():
    with pytest.raises(ShapeError, match=r"^group_norm: x must have shape \(N, 4, \?, \?\), got \(N, 6, 4, 2\)\."):
        group_norm(2, 4).build(dtype=torch.float64)(X)
