import pytest
import torch

from chainrule import HyperparameterError
from chainrule.layers import dropout
from tests.oracles import assert_drops_as

X = torch.randn(20, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_and_its_gradient_equal_torch_given_the_mask():
    assert_drops_as(dropout, torch.nn.functional.dropout, X)


def test_a_p_above_one_is_refused():
    with pytest.raises(HyperparameterError) as caught:
        dropout(1.5)
    assert str(caught.value) == "dropout: p must be a number from 0 to 1, got 1.5. Pass one."
