import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError
from chainrule.layers import dropout, self_attention
from tests.oracles import assert_layer_equals

LENGTH = 5
X = torch.randn(3, LENGTH, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LATER = torch.full((LENGTH, LENGTH), -math.inf, dtype=torch.float64).triu(1)


class OfTorch(torch.nn.MultiheadAttention):
    """Torch's layer, its three inputs the same."""

    def forward(self, x, causal=False):
        return super().forward(x, x, x, need_weights=False, attn_mask=LATER if causal else None)[0]


class Grouped(torch.nn.Module):
    """Each head of queries apart, the formula of rotation by complex numbers."""

    def __init__(self, heads, kv_heads, causal, base):
        super().__init__()
        self.heads, self.kv_heads, self.causal, self.base = heads, kv_heads, causal, base
        self.width = 8 // heads
        self.in_proj_weight = torch.nn.Parameter(torch.empty((heads + 2 * kv_heads) * self.width, 8))
        self.in_proj_bias = torch.nn.Parameter(torch.empty((heads + 2 * kv_heads) * self.width))
        self.out_proj = torch.nn.Linear(8, 8)

    def turned(self, x):
        if self.base is None:
            return x
        half = self.width // 2
        angles = [[t / self.base ** (2 * i / self.width) for i in range(half)] for t in range(LENGTH)]
        turns = torch.exp(1j * torch.tensor(angles, dtype=torch.float64))
        turned = torch.complex(x[..., :half], x[..., half:]) * turns
        return torch.cat([turned.real, turned.imag], -1)

    def forward(self, x):
        heads = (x @ self.in_proj_weight.T + self.in_proj_bias).split(self.width, -1)
        queries, keys, values = heads[: self.heads], heads[self.heads : -self.kv_heads], heads[-self.kv_heads :]
        outputs = []
        for number, query in enumerate(queries):
            shared = number * self.kv_heads // self.heads
            scores = self.turned(query) @ self.turned(keys[shared]).mT / math.sqrt(self.width)
            outputs.append((scores + LATER if self.causal else scores).softmax(-1) @ values[shared])
        return self.out_proj(torch.cat(outputs, -1))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("heads", "bias"), [(1, True), (2, False), (8, True)])
def test_it_and_its_gradients_equal_torch(heads, bias, causal):
    theirs = OfTorch(8, heads, bias=bias, batch_first=True)
    theirs.forward = lambda x, plain=theirs.forward: plain(x, causal)
    assert_layer_equals(self_attention(8, heads, causal=causal, bias=bias), theirs, X)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("base", [None, 10000.0, 3.0])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (4, 1)])
def test_shared_keys_and_rotation_follow_the_formula(heads, kv_heads, base, causal):
    layer = self_attention(8, heads, kv_heads, causal=causal, rotary_base=base)
    assert_layer_equals(layer, Grouped(heads, kv_heads, causal, base), X)


def test_dropout_acts_on_the_weights_of_the_mean_and_in_train_mode_alone():
    network = self_attention(8, 2, dropout=0.5).build(seeds=[3, 4], dtype=torch.float64)
    plain = self_attention(8, 2).build(seeds=[3, 4], dtype=torch.float64)
    assert_close(network.eval()(X), plain.eval()(X))
    network.train()
    mask = dropout(0.5).build(seeds=[3, 4], dtype=torch.float64)
    mask.load_random_state({"random": network.random_state()["drop.random"]})
    factor = mask(torch.ones(3, 2, 1, LENGTH, LENGTH, dtype=torch.float64))[:, :, :, 0]  # (M, N, H, T, T)
    y, dx = network(X), network.backward(X.expand(2, -1, -1, -1), input_grad=True)
    for member in range(2):
        single, leaf = plain.member(member).module, X.clone().requires_grad_()
        joined = leaf @ single.in_proj_weight.data[0].T + single.in_proj_bias.data[0]
        queries, keys, values = joined.unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        weights = (queries @ keys.mT / 2).softmax(-1) * factor[member]
        output = (weights @ values).transpose(1, 2).flatten(2)
        expected = output @ single.out_proj.weight.data[0].T + single.out_proj.bias.data[0]
        assert_close(y[member], expected.detach())
        assert_close(dx[member], torch.autograd.grad(expected, leaf, X)[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((8, 3), "embed_dim must be divisible by num_heads=3, got 8"),
        ((8, 4, 3), "num_heads must be divisible by num_kv_heads=3, got 4"),
        ((8, 0), "num_heads must be"),
    ],
)
def test_heads_that_do_not_fit_raise(arguments, words):
    with pytest.raises(ChainruleError, match=f"^self_attention: {words}"):
        self_attention(*arguments)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rotary_base": 10.0, "num_heads": 8}, "embed_dim / num_heads must be even for rotary_base, got 1"),
        ({"rotary_base": 0.0}, "rotary_base must be"),
        ({"causal": 1}, "causal must be"),
        ({"dropout": 1.5}, "dropout must be a number from 0 to 1, got 1.5"),
        ({"dropout": None}, "dropout must be"),
    ],
)
def test_a_wrong_setting_raises(settings, words):
    with pytest.raises(ChainruleError, match=f"^self_attention: {words}"):
        self_attention(**{"embed_dim": 8, "num_heads": 2, **settings})
