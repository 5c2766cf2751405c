import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import transpose
from tests.oracles import assert_layer_equals

X = torch.randn(5, 6, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Twin(torch.nn.Module):
    def __init__(self, order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return torch.einsum(f"nabc->n{self.order}", x)


@pytest.mark.parametrize(
    ("dims", "order"), [((1, 2), "bac"), ((2, 1), "bac"), ((-1, 1), "cba"), ((2, -1), "acb"), ((3, 3), "abc")]
)
def test_it_exchanges_the_axes_and_so_does_its_gradient(dims, order):
    layer, theirs = transpose(*dims), Twin(order)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((6, 2, 4)) == theirs(X).shape[1:]


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ((0, 1), r"dim0 must be an axis of x \(N, …\), got 0\. Axis 0 is the batch\."),
        ((1, 4), r"dim1 must be an axis of x \(N, 6, 2, 4\), got 4\."),
        ((1, 2.5), r"dim1 must be an integer, got 2\.5\."),
    ],
)
def test_what_does_not_fit_is_refused(dims, message):
    with pytest.raises(ChainruleError, match=f"^transpose: {message}"):
        transpose(*dims).build(dtype=torch.float64)(X)
