"""Whole transformers against twins of torch.nn with the same weights, in float64."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from chainrule.activations import gelu
from chainrule.initializers import normal
from chainrule.layers import (
    embedding,
    layer_norm,
    linear,
    positional_embedding,
    sequential,
    transformer_block,
    transpose,
)
from chainrule.losses import cross_entropy

EXAMPLE = Path(__file__).parents[2] / "examples" / "char_transformer.py"


class Positions(nn.Embedding):
    def forward(self, x):
        return x + super().forward(torch.arange(x.shape[1]))


class Block(nn.TransformerEncoderLayer):
    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        return super().forward(x, src_mask=mask)


class ScoresFirst(nn.Module):
    def forward(self, x):
        return x.mT


def twin(characters, positions, width, heads, blocks, activation, bias):
    """Return the same network by torch.nn, the names of whose parameters are ours."""
    settings = {"dropout": 0.0, "activation": activation, "batch_first": True, "norm_first": True}
    return nn.Sequential(
        nn.Embedding(characters, width),
        Positions(positions, width),
        *[Block(width, heads, 4 * width, **settings) for _ in range(blocks)],
        nn.LayerNorm(width),
        nn.Linear(width, characters, bias=bias),
        ScoresFirst(),
    ).double()


def perturb(network):
    """Make every parameter random, also those that start as zeros or ones."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.empty_like(network.flat.data).normal_(0, 0.02, generator=generator)
    network.flat.data.add_(noise)
    return network


def assert_same_loss_and_gradients(network, theirs, x, y, tolerance):
    loss = cross_entropy()
    value = loss(network(x), y)
    network.backward(loss.backward())
    expected = nn.functional.cross_entropy(theirs(x), y)
    expected.backward()
    assert_close(value, expected.detach(), rtol=tolerance, atol=0)
    twins = dict(theirs.named_parameters())
    assert {name for name, _ in network.named_parameters()} == set(twins)
    for name, parameter in network.named_parameters():
        grad = twins[name].grad
        assert_close(parameter.grad[0], grad, rtol=tolerance, atol=tolerance * float(grad.abs().max()))


def test_the_example_has_the_loss_and_the_gradients_of_its_twin():
    example = runpy.run_path(str(EXAMPLE))
    network = perturb(example["model"](width=8, heads=2, blocks=2).build(dtype=torch.float64))
    theirs = twin(len(example["CHARACTERS"]), example["LENGTH"], 8, 2, 2, "gelu", bias=True)
    theirs.load_state_dict(network.state_dict())
    x, y = example["windows"](example["TEXT"][:257])
    assert_same_loss_and_gradients(network, theirs, x, y, tolerance=1e-10)


@pytest.mark.slow
def test_gpt2_small_has_the_loss_and_the_gradients_of_its_twin():
    table = embedding(50257, 768, weight_init=normal(scale=0.02))
    head = linear(768, 50257, bias=False)
    head.weight = table.weight
    blocks = [transformer_block(768, 12, causal=True, activation=gelu("tanh")) for _ in range(12)]
    module = sequential(table, positional_embedding(1024, 768), *blocks, layer_norm(768), head, transpose(1, 2))
    network = perturb(module.build(dtype=torch.float64))
    assert network.flat.data.numel() == 124_439_808

    theirs = twin(50257, 1024, 768, 12, 12, lambda x: nn.functional.gelu(x, approximate="tanh"), bias=False)
    theirs[-2].weight = theirs[0].weight
    missing, unexpected = theirs.load_state_dict(network.state_dict(), strict=False)
    assert (missing, unexpected) == (["15.weight"], [])

    x, y = torch.randint(50257, (2, 2, 16), generator=torch.Generator().manual_seed(0))
    assert_same_loss_and_gradients(network, theirs, x, y, tolerance=1e-8)
