"""What recurrent layers share: dropout, first values and the rules of their settings."""

import copy
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError, registry
from tests.oracles import assert_recurrence_equals

TWINS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
X = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("name", TWINS)
def test_dropout_acts_on_the_inputs_of_layers_but_the_first(name):
    network = registry.create("layers", name, 3, 2, num_layers=2, dropout=0.25).build(dtype=torch.float64)
    mask = copy.deepcopy(network).module.random.bernoulli(0.75, (5, 4, 2))[0] / 0.75
    assert 0 < mask.count_nonzero() < mask.numel()
    first, second = (TWINS[name](size, 2, batch_first=True).double() for size in (3, 2))
    for layer, theirs in enumerate([first, second]):
        own = {key: value for key, value in network.state_dict().items() if f"_l{layer}" in key}
        theirs.load_state_dict({key.replace("_l1", "_l0"): value for key, value in own.items()})
    assert_close(network(X), second(first(X)[0] * mask)[0].detach())
    assert_close(network.eval()(X), second(first(X)[0])[0].detach())


@pytest.mark.parametrize("name", TWINS)
def test_dropout_with_probability_1_leaves_the_biases(name):
    settings = {"num_layers": 2, "dropout": 1.0}
    assert_recurrence_equals(partial(registry.create, "layers", name), TWINS[name], **settings)


@pytest.mark.parametrize("name", TWINS)
def test_the_first_values_have_the_bound_of_torch(name):
    for parameter in registry.create("layers", name, 100, 25, bidirectional=True).build().parameters():
        assert 0.17 < parameter.data.abs().max() <= 0.2  # 1/√25


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_size": 0}, "hidden_size must be"),
        ({"num_layers": 0}, "num_layers must be"),
        ({"dropout": 1.5, "num_layers": 2}, "dropout must be a number from 0 to 1, got 1.5"),
        ({"dropout": 0.5}, "dropout must be 0 with num_layers=1, got 0.5"),
        ({"output": "state"}, 'output must be one of "sequence", "last", got \'state\''),
        ({"bias": 2}, "bias must be"),
        ({"batch_first": False}, 'takes no argument "batch_first"'),
    ],
)
def test_a_wrong_setting_raises(name, settings, words):
    with pytest.raises(ChainruleError, match=f"^{name}: {words}"):
        registry.create("layers", name, **{"input_size": 3, "hidden_size": 2, **settings})


@pytest.mark.parametrize("name", TWINS)
def test_an_empty_sequence_is_refused(name):
    with pytest.raises(ChainruleError, match=f"^{name}: a sequence must have at least 1 step, got 0"):
        registry.create("layers", name, 3, 2).build(dtype=torch.float64)(X[:, :0])
