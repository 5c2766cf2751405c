import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.layers import positional_embedding
from tests.oracles import assert_layer_equals


class Theirs(torch.nn.Module):
    """Learned positions, added."""

    def __init__(self, positions, dim):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(positions, dim))

    def forward(self, x):
        return x + torch.nn.functional.embedding(torch.arange(x.shape[1]), self.weight)


@pytest.mark.parametrize("length", [1, 4, 7])
def test_learned_positions_and_their_gradients_equal_an_embedding_of_torch(length):
    x = torch.randn(3, length, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert_layer_equals(positional_embedding(7, 5), Theirs(7, 5), x)


@pytest.mark.parametrize("dim", [6, 7])
def test_fixed_positions_are_sines_and_cosines_of_every_wavelength(dim):
    network = positional_embedding(50, dim, learned=False).build(seeds=[0, 1], dtype=torch.float64)
    expected = [
        [(math.cos if i % 2 else math.sin)(t / 10000 ** (2 * (i // 2) / dim)) for i in range(dim)] for t in range(40)
    ]
    assert_close(network(torch.zeros(1, 40, dim).double())[1, 0], torch.tensor(expected, dtype=torch.float64))
    assert network.member(0).state_dict() == {}


def test_a_sequence_that_is_too_long_raises():
    with pytest.raises(ShapeError, match=r"^positional_embedding: x must have at most 7 positions, got 8\."):
        positional_embedding(7, 5).build()(torch.zeros(2, 8, 5))
