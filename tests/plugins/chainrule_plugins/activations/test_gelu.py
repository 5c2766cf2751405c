import pytest
import torch

from chainrule import HyperparameterError
from chainrule.activations import gelu
from tests.oracles import assert_module_equals


@pytest.mark.parametrize("settings", [{}, {"approximate": "tanh"}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(gelu(**settings), torch.nn.GELU(**settings))


@pytest.mark.parametrize("approximate", ["erf", None])
def test_the_approximation_is_one_of_two(approximate):
    with pytest.raises(HyperparameterError, match=f"^gelu: approximate must be .*, got {approximate!r}"):
        gelu(approximate)
