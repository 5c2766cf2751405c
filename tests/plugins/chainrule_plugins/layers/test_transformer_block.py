import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import HyperparameterError
from chainrule.layers import transformer_block
from tests.oracles import assert_layer_equals

X = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LATER = torch.full((5, 5), -math.inf, dtype=torch.float64).triu(1)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_it_and_its_gradients_equal_torch(activation, bias, causal, norm_first):
    settings = {"norm_first": norm_first, "bias": bias, "activation": activation}
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 20, dropout=0.0, batch_first=True, **settings)
    theirs.forward = lambda x, plain=theirs.forward: plain(x, src_mask=LATER if causal else None)
    assert_layer_equals(transformer_block(8, 2, 20, causal=causal, **settings), theirs, X)


class WithRms(torch.nn.Module):
    """The block of Llama, by torch.nn and formulas."""

    def __init__(self):
        super().__init__()
        self.self_attn = torch.nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
        self.linear1, self.linear2 = torch.nn.Linear(8, 12, bias=False), torch.nn.Linear(6, 8, bias=False)
        self.norm1, self.norm2 = torch.nn.RMSNorm(8), torch.nn.RMSNorm(8)

    def forward(self, x):
        normalized = self.norm1(x)
        x = x + self.self_attn(normalized, normalized, normalized, attn_mask=LATER)[0]
        a, b = self.linear1(self.norm2(x)).chunk(2, -1)
        return x + self.linear2(a * torch.nn.functional.silu(b))


def test_root_mean_squares_and_a_gated_activation_follow_the_formula():
    layer = transformer_block(8, 2, 12, activation="swiglu", norm="rms_norm", causal=True, bias=False)
    assert_layer_equals(layer, WithRms(), X)


def test_settings_of_attention_reach_it():
    attention = transformer_block(8, 4, num_kv_heads=2, rotary_base=100.0, causal=True, dropout=0.1).self_attn
    assert (attention.num_kv_heads, attention.rotary_base, attention.causal, attention.dropout) == (2, 100.0, True, 0.1)


@pytest.mark.parametrize("norm_first", [True, False])
def test_dropout_acts_in_four_places_and_in_train_mode_alone(norm_first):
    network = transformer_block(8, 2, dropout=0.5, norm_first=norm_first).build(dtype=torch.float64)
    plain = transformer_block(8, 2, norm_first=norm_first).build(dtype=torch.float64)
    assert len(network.random_state()) == 4
    assert_close(network.eval()(X), plain(X))
    network.train()(X)
    assert all(state["counter"] == 1 for state in network.random_state().values())
    assert network.backward(torch.ones_like(X), input_grad=True).isfinite().all()


def test_another_norm_raises():
    with pytest.raises(
        HyperparameterError, match=r'^transformer_block: norm must be one of "layer_norm", "rms_norm", got'
    ):
        transformer_block(8, 2, norm="batch_norm")
