"""An operator on what is no number and no tensor is answered with where its number or its values are."""

import pickle

import pytest
import torch

from chainrule import Buffer, ContractError, UnknownAttributeError
from chainrule.base.step import Step
from chainrule.layers import linear

X = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("symbol", "use"),
    [
        ("==", lambda step: step == 1),
        (">", lambda step: step > 10),
        ("%", lambda step: step % 2),
        ("**", lambda step: 0.9**step),
        ("*", lambda step: X * step),
        ("int", range),
        ("float", float),
    ],
)
def test_a_step_is_no_number(symbol, use):
    with pytest.raises(ContractError) as caught:
        use(Step(1, 0.1, rule="adam"))
    assert str(caught.value) == f'adam: step has no operator "{symbol}". Write step.t.'


def minus(one):
    one -= X
    return one


@pytest.mark.parametrize("make", [lambda: linear(3, 2).build().parameters()[0], lambda: Buffer(3)])
@pytest.mark.parametrize(
    ("symbol", "use"),
    [
        ("-", minus),
        ("*", lambda one: 0.1 * one),
        ("@", lambda one: X @ one),
        ("<", lambda one: one < 0),
        ("[…]", lambda one: one[0]),
        ("[…]", list),
    ],
)
def test_a_parameter_and_a_buffer_are_no_tensors(make, symbol, use):
    one = make()
    name = type(one).__name__.lower()
    with pytest.raises(ContractError) as caught:
        use(one)
    fix = f"Its values are {name}.data, with the member axis in front."
    assert str(caught.value) == f'{name}: has no operator "{symbol}". {fix}'


@pytest.mark.parametrize(
    ("make", "name", "fix"),
    [
        (lambda: linear(3, 2).weight, "sub_", "Its values are parameter.data, "),
        (lambda: linear(3, 2).weight, "permute", "Its values are parameter.data, "),
        (lambda: linear(3, 2).weight, "T", "Write parameter.transposed, for a matrix."),
        (lambda: linear(3, 2).weight, "numel", "Its shape without the member axis is parameter.shape."),
        (lambda: Buffer(3), "sub_", "Its values are buffer.data, "),
        (lambda: Buffer(3), "numel", "Its shape without the member axis is buffer.shape."),
        (lambda: Buffer(3), "grad", "No gradient goes through a buffer."),
        (lambda: Buffer(3), "row", "Its values are buffer.data, "),
    ],
)
def test_an_attribute_of_tensors_is_answered_with_where_the_values_are(make, name, fix):
    with pytest.raises(UnknownAttributeError) as caught:
        getattr(make(), name)
    assert f'has no "{name}". {fix}' in str(caught.value)


@pytest.mark.parametrize("make", [lambda: linear(3, 2).weight, lambda: Buffer(3)])
def test_parameters_and_buffers_are_equal_to_themselves_alone_and_keys_of_dicts(make):
    one, other = make(), make()
    assert {one: 1}[one] == 1
    assert (one == one, one == other, bool(one)) == (True, False, True)
    assert pickle.loads(pickle.dumps(one)).shape == one.shape  # noqa: S301 - our own


def test_a_step_is_a_key_by_its_identity():
    step = Step(1, 0.1)
    assert {step: 1}[step] == 1
    assert step in [None, Step(1, 0.1), step]
    assert step != None  # noqa: E711 - as code that compares anything does
