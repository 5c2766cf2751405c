import pytest
import torch

from chainrule.layers import avg_pool1d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "padding": 1, "count_include_pad": False},
        {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
        {"kernel_size": (2,), "stride": (5,)},
    ],
    ids=str,
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_layer_equals(avg_pool1d(**settings), torch.nn.AvgPool1d(**settings), X)
