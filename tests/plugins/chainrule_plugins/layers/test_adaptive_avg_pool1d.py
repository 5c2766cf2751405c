import pytest
import torch

from chainrule.layers import adaptive_avg_pool1d
from tests.oracles import assert_layer_equals

X = torch.randn(5, 3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "settings",
    [
        {"output_size": 1},
        {"output_size": 4},
        {"output_size": (11,)},
    ],
    ids=str,
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_layer_equals(adaptive_avg_pool1d(**settings), torch.nn.AdaptiveAvgPool1d(**settings), X)
