"""The repr of a module, which makes the same again, and the modules inside it."""

import numpy as np
import pytest

from chainrule import ContractError, Module, Parameter
from chainrule.activations import identity
from chainrule.initializers import zeros
from chainrule.layers import linear
from chainrule.losses import mse


class Gated(identity):
    """Hold a parameter for each of two flags."""

    def __init__(self, *, bias: bool = True, gate: bool = False) -> None:
        self.bias, self.gate = (
            Parameter(2, init=zeros(), fan_in=1, fan_out=1) if flag else None for flag in (bias, gate)
        )


@pytest.mark.parametrize(
    ("settings", "shown"),
    [({}, ""), ({"bias": False}, "bias=False"), ({"gate": True}, "gate=True"), ({"bias": True, "gate": False}, "")],
)
def test_repr_shows_the_flag_of_a_parameter_of_its_name(settings, shown):
    assert repr(Gated(**settings)) == f"Gated({shown})"


class Scaled(identity):
    """Hold an array."""

    def __init__(self, scale: np.ndarray = np.ones(2)) -> None:  # noqa: B008
        self.scale = scale


def test_repr_shows_an_array_that_is_not_the_default():
    assert repr(Scaled(np.ones(2))) == "Scaled()"
    assert repr(Scaled(np.array([1, 2]))) == "Scaled(scale=array([1, 2]))"


@pytest.mark.parametrize(
    ("name", "method"),
    [("forward", lambda self, x, y: x), ("backward", lambda self: None), ("output_shape", lambda self: (2,))],
)
def test_a_method_with_other_arguments_than_its_parents_is_refused(name, method):
    with pytest.raises(ContractError, match=f"^other: {name} must take"):
        type("Other", (identity,), {name: method})


def train_in_the_class():
    return type("Of", (Module,), {"train": True})


def parameters_in_the_constructor():
    Named("parameters")


def mean_of_a_loss():
    mse().mean = 3.0


class Named(Module):
    def __init__(self, name):
        setattr(self, name, 3)

    def forward(self, x):
        return x

    def backward(self, grad_output):
        return grad_output


@pytest.mark.parametrize("given", [train_in_the_class, parameters_in_the_constructor, mean_of_a_loss])
def test_a_value_in_the_place_of_a_method_is_refused(given):
    with pytest.raises(ContractError, match=f"{given.__name__.split('_')[0]} must be a method, as of its parent, got"):
        given()


@pytest.mark.parametrize("shape", [None, 2])
def test_what_is_no_shape_has_no_output_shape(shape):
    with pytest.raises(ContractError, match=f"linear: the shape of x must be a tuple, got {shape}"):
        linear(2, 2).output_shape(shape)


class Alike:
    """What has all members of a module is one, of whatever class."""

    training = needs_input_grad = True

    def forward(self, x):
        return x

    def backward(self, grad_output):
        return grad_output

    def named_children(self):
        return []

    def own_parameters(self):
        return []


class OnlyForward:
    def forward(self, x):
        return x


class Entries(dict):
    __getattr__ = dict.__getitem__


def test_children_are_what_has_all_members_of_a_module():
    module = Gated()
    module._inner = [identity(), Alike(), OnlyForward(), Alike, Entries(rate=0.1)]
    assert [name for name, _ in module.named_children()] == ["_inner.0", "_inner.1"]
