import pytest

from chainrule import ShapeError
from chainrule.layers import linear
from chainrule.ops import expect_shape


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
