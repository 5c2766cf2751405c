import numpy as np
import pytest
import torch

from chainrule import HyperparameterError, ShapeError
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.ops import expect_shape, expect_weights


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3,), (3,)),
        ((3,), (..., 3)),
        ((7, 2, 3), (..., 3)),
        ((None,), (3,)),
        ((...,), (3,)),
        ((..., 3), (2, 3)),
        ((..., None, 3), (..., 2, 3)),
        ((2, 3), (None, 3)),
    ],
)
def test_a_shape_that_may_fit_is_accepted(shape, expected):
    expect_shape(linear(1, 1), shape, expected)


@pytest.mark.parametrize(
    ("shape", "expected", "shown"),
    [
        ((4,), (3,), "(N, 3), got (N, 4)"),
        ((), (..., 3), "(N, …, 3), got (N)"),
        ((7, 3), (3,), "(N, 3), got (N, 7, 3)"),
        ((..., 4), (2, 3), "(N, 2, 3), got (N, …, 4)"),
        ((..., 1, 2, 3), (2, 3), "(N, 2, 3), got (N, …, 1, 2, 3)"),
        ((None, 4), (..., 3), "(N, …, 3), got (N, ?, 4)"),
    ],
)
def test_a_shape_that_cannot_fit_is_told_with_the_one_that_does(shape, expected, shown):
    with pytest.raises(ShapeError) as caught:
        expect_shape(linear(1, 1), shape, expected)
    assert str(caught.value) == f"linear: x must have shape {shown}. Reshape x, or declare the layer for it."


@pytest.mark.parametrize(
    ("shape", "expected", "call"),
    [
        ((8, 9, 3), (3, None, None), ("movedim", -1, 1)),
        ((3, 8), (None, 3), ("movedim", -1, 1)),
        ((8, 9), (1, None, None), ("unsqueeze", 1)),
        ((8,), (None, 1), ("unsqueeze", 2)),
        ((), (..., 1), ("unsqueeze", 1)),
    ],
)
def test_the_call_that_mends_a_shape_is_told(shape, expected, call):
    with pytest.raises(ShapeError) as caught:
        expect_shape(linear(1, 1), shape, expected)
    method, *axes = call
    assert str(caught.value).endswith(f" with x.{method}({', '.join(map(str, axes))}).")
    mended = getattr(torch.zeros(5, *shape), method)(*axes)
    expect_shape(linear(1, 1), tuple(mended.shape[1:]), expected)


@pytest.mark.parametrize("weights", [np.array([2.0, 1.0])[::-1], np.array([1.0, 2.0], dtype=">f8"), [1, np.uint16(2)]])
def test_weights_may_be_an_array_of_any_layout(weights):
    assert expect_weights(mse(), "weight", weights).tolist() == [1, 2]


@pytest.mark.parametrize("weights", [["1", "2"], torch.tensor([1 + 1j]), torch.ones(2, device="meta"), [1, np.nan]])
def test_weights_that_are_no_finite_numbers_are_refused(weights):
    with pytest.raises(HyperparameterError, match=r"^mse: weight must be finite numbers, got "):
        expect_weights(mse(), "weight", weights)
