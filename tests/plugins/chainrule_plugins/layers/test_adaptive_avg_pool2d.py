import pytest
import torch

from chainrule.layers import adaptive_avg_pool2d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 3, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "settings",
    [
        {"output_size": 1},
        {"output_size": 4},
        {"output_size": (7, 2)},
        {"output_size": (None, 4)},
    ],
    ids=str,
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_layer_equals(adaptive_avg_pool2d(**settings), torch.nn.AdaptiveAvgPool2d(**settings), X)
