import pytest
import torch

from chainrule import HyperparameterError, registry
from chainrule.activations import relu
from chainrule_plugins.gains import GAINS

INITIALIZERS = ["he_normal", "he_uniform", "xavier_normal", "xavier_uniform"]


@pytest.mark.parametrize("name", sorted(GAINS.keys() - {"identity"}))
def test_a_gain_is_torchs(name):
    assert GAINS[name] == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-12)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_an_activation_stands_for_its_gain(initializer):
    kind = registry.get("initializers", initializer)
    named, number = kind(gain="tanh"), kind(gain=5 / 3)
    assert named.std(3, 4) == number.std(3, 4)
    assert repr(named) == f"{kind.__name__}(gain='tanh')"
    values = torch.empty(2, 3, 4)
    for tensor, one in zip(values, (named, number), strict=True):
        one(tensor, fan_in=4, fan_out=3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(*values)


@pytest.mark.parametrize("gain", ["softplus", "", -1.0, None])
def test_another_word_or_number_is_refused(gain):
    with pytest.raises(HyperparameterError, match=r"^he_normal: gain must be "):
        registry.get("initializers", "he_normal")(gain=gain)


def test_an_activation_in_place_of_its_name_is_not_answered_with_schedules():
    with pytest.raises(HyperparameterError) as caught:
        registry.get("initializers", "xavier_normal")(gain=relu)
    assert str(caught.value) == (
        "xavier_normal: gain must be a number or text, got the class Relu. The default is 1.0."
    )
