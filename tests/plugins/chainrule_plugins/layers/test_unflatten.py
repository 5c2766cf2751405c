import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import unflatten
from tests.oracles import assert_layer_equals

X = torch.randn(5, 6, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("dim", "sizes"), [(1, (2, 3)), (1, [-1, 2]), (-3, (3, -1, 1)), (3, (-1,)), (-1, (2, 2)), (2, (1, 2, 1))]
)
def test_it_and_its_gradient_equal_torch(dim, sizes):
    layer, theirs = unflatten(dim, sizes), torch.nn.Unflatten(dim, sizes)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((6, 2, 4)) == theirs(X).shape[1:]


def test_an_unknown_size_stays_unknown():
    assert unflatten(1, (2, -1)).output_shape((None, 4)) == (2, None, 4)
    assert unflatten(-1, (2, 2)).output_shape((None, None)) == (None, 2, 2)


@pytest.mark.parametrize(
    ("dim", "sizes", "message"),
    [
        (1, (4, -1), r"axis 1 of x must have a multiple of 4 entries for unflattened_size=\(4, -1\), got 6\."),
        (-1, (2, 3), r"axis -1 of x must have 6 entries for unflattened_size=\(2, 3\), got 4\."),
        (0, (5, 1), r"dim must be an axis of x \(N, …\), got 0\."),
        (4, (2, 2), r"dim must be an axis of x \(N, 6, 2, 4\), got 4\."),
        (1, (-1, -1), r"unflattened_size must be sizes, at most one of them -1, got \(-1, -1\)\."),
        (1, (), r"unflattened_size must be sizes, at most one of them -1, got \(\)\."),
        (1, 6, r"unflattened_size must be sizes, at most one of them -1, got 6\."),
        (1, (0, 6), r"unflattened_size must be an integer of at least 1, got 0\."),
    ],
)
def test_what_does_not_fit_is_refused(dim, sizes, message):
    with pytest.raises(ShapeError, match=f"^unflatten: {message}"):
        unflatten(dim, sizes).build(dtype=torch.float64)(X)
