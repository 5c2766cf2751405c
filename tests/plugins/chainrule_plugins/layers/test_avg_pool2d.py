import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import avg_pool2d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 3, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 2},
        {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)},
        {"kernel_size": 3, "padding": 1, "count_include_pad": False},
        {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
        {"kernel_size": 2, "padding": 1, "divisor_override": 3},
    ],
    ids=str,
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_layer_equals(avg_pool2d(**settings), torch.nn.AvgPool2d(**settings), X)


def test_a_divisor_of_zero_is_refused():
    with pytest.raises(ShapeError, match=r"^avg_pool2d: divisor_override must be an integer of at least 1, got 0\."):
        avg_pool2d(2, divisor_override=0)
