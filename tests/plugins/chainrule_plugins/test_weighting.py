import math

import pytest
import torch

from chainrule_plugins.weighting import absorbing_product


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_weight_of_zero_leaves_nothing_of_any_value(value):
    values = torch.tensor([[value, 3.0], [value, 4.0]])
    assert absorbing_product(torch.tensor([[0.0], [-0.0]]), values).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_other_weights_multiply():
    weights = torch.tensor([-2.0, 1e-30, math.nan])
    found = absorbing_product(weights, torch.tensor([math.inf, 1e30, 1.0]))
    torch.testing.assert_close(found, torch.tensor([-math.inf, 1.0, math.nan]), equal_nan=True)
