import numpy as np
import pytest
import torch

from chainrule import HyperparameterError
from chainrule.activations import gelu
from tests.oracles import assert_module_equals


@pytest.mark.parametrize("settings", [{}, {"approximate": "tanh"}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(gelu(**settings), torch.nn.GELU(**settings))


@pytest.mark.parametrize(
    ("approximate", "shown"),
    [("erf", "'erf'"), (None, "None"), (torch.zeros(2, 3), "a tensor (2, 3)"), (np.zeros(2), "a numpy array (2,)")],
)
def test_the_approximation_is_one_of_two(approximate, shown):
    with pytest.raises(HyperparameterError) as caught:
        gelu(approximate)
    assert str(caught.value) == f'gelu: approximate must be one of "none", "tanh", got {shown}. Choose one.'
