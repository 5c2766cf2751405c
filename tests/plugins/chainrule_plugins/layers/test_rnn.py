import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import rnn
from tests.oracles import assert_recurrence_equals


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_and_its_gradients_equal_torch(num_layers, nonlinearity, bias, bidirectional):
    settings = {"num_layers": num_layers, "nonlinearity": nonlinearity, "bias": bias, "bidirectional": bidirectional}
    assert_recurrence_equals(rnn, torch.nn.RNN, **settings)


def test_another_nonlinearity_is_refused():
    with pytest.raises(ChainruleError) as caught:
        rnn(3, 2, nonlinearity="sigmoid")
    assert str(caught.value) == ('rnn: nonlinearity must be one of "tanh", "relu", got \'sigmoid\'. Choose one.')
