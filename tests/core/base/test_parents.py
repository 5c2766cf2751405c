"""A component may have other parents beside its own, and be written wherever Python takes a class."""

import dataclasses
import inspect
import types
from typing import Generic, Protocol, TypeVar, runtime_checkable

import pytest
import torch

import chainrule
from chainrule import ContractError, HyperparameterError, Initializer, Loss, ModuleLike, Optimizer
from chainrule.activations import relu, tanh
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd

Of = TypeVar("Of")


@runtime_checkable
class Named(Protocol):
    """A protocol of another package."""

    def name(self) -> str: ...


class Sized:
    """A mixin with a constructor."""

    def __init__(self, size):
        self.size = size


class RegisteredType(type(Named)):
    """A metaclass that knows nothing of chainrule, from the standard one for protocols."""


@pytest.mark.parametrize("parent", [tanh, linear, mse, sgd, Initializer, chainrule.Task], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    "other", [Named, Generic[Of], RegisteredType("Registered", (), {})], ids=["protocol", "generic", "metaclass"]
)
def test_a_parent_may_be_a_protocol_generic_or_have_a_metaclass(parent, other):
    made = types.new_class("Mixed", (parent, other))
    assert issubclass(made, parent)
    assert inspect.signature(made) == inspect.signature(parent)


def test_protocols_of_chainrule_may_be_named_as_parents():
    class Passing(chainrule.Module, ModuleLike):
        def forward(self, x):
            return x

        def backward(self, grad_output):
            return grad_output

    assert torch.equal(Passing().build()(torch.ones(2, 2)), torch.ones(2, 2))


def test_a_constructor_may_be_that_of_a_mixin():
    class Shaped(relu, Sized):
        pass

    assert Shaped(3).size == 3
    assert repr(Shaped(3)) == "Shaped(size=3)"
    with pytest.raises(TypeError, match=r"^shaped: needs size, got none\. Write shaped\(size\)\.$"):
        Shaped()


def test_the_constructor_whose_call_does_not_fit_is_named():
    class Square(linear):
        def __init__(self, size):
            super().__init__(size)

    with pytest.raises(TypeError, match=r"^linear: needs out_features, got none\."):
        Square(3)
    with pytest.raises(TypeError, match=r"^square: needs size, got none\."):
        Square()


def test_an_error_within_a_property_is_that_of_its_own_code():
    class Doubled(sgd):
        @property
        def doubled(self):
            return 2 * self.rate

    with pytest.raises(AttributeError, match=r'^doubled: has no "rate"\.$'):
        _ = Doubled().doubled


@pytest.mark.parametrize("slots", ["weight", ("weight",), {"weight": "its documentation"}], ids=str)
@pytest.mark.parametrize("parent", [tanh, Loss, Optimizer], ids=lambda cls: cls.__name__)
def test_slots_in_which_no_part_would_be_found_are_refused(parent, slots):
    with pytest.raises(
        ContractError, match=r'^mine: attributes must stand in __dict__, .* got __slots__ with "weight"\.'
    ):
        type("Mine", (parent,), {"__slots__": slots})


def test_settings_may_be_declared_in_a_module_that_is_not_in_sys_modules():
    names = {"__name__": "loaded_by_hand"}
    lines = (
        "from __future__ import annotations",
        "from typing import ClassVar, Literal",
        "from chainrule import Optimizer",
        "class Rule(Optimizer):",
        "    kinds: ClassVar[int] = 2",
        "    mode: Literal['fast', 'slow'] = 'fast'",
        "    def update(self, parameter, grad, state, step): return grad",
    )
    exec("\n".join(lines), names)  # noqa: S102
    assert repr(names["Rule"](mode="slow")) == "Rule(lr=0.001, schedule=None, mode='slow')"
    with pytest.raises(HyperparameterError, match=r"^rule: mode must be one of 'fast', 'slow', got 'quick'\."):
        names["Rule"](mode="quick")


@pytest.mark.parametrize(
    ("annotation", "default", "words"),
    [
        (list, [], r"rule: mutable default .* pass a tuple, or dataclasses\.field\(default_factory=…\)\.$"),
        (dataclasses.InitVar[int], 3, r"rule: size must be a setting that is kept, got an InitVar\."),
    ],
    ids=["mutable", "InitVar"],
)
def test_a_field_that_cannot_be_a_setting_is_named_with_its_class(annotation, default, words):
    with pytest.raises(HyperparameterError, match=words):
        type("Rule", (sgd,), {"__annotations__": {"size": annotation}, "size": default})
