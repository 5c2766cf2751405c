import pytest
import torch

from chainrule.layers import lstm
from tests.oracles import assert_recurrence_equals


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_and_its_gradients_equal_torch(num_layers, bias, bidirectional):
    assert_recurrence_equals(lstm, torch.nn.LSTM, num_layers=num_layers, bias=bias, bidirectional=bidirectional)
