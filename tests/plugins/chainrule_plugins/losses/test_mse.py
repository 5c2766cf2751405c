import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import mse
from tests.oracles import assert_loss_equals


@pytest.mark.parametrize("shape", [(1,), (7,), (7, 3), (5, 1), (2, 3, 4)])
def test_it_and_its_gradient_equal_torch(shape):
    prediction, target = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert_loss_equals(mse, torch.nn.functional.mse_loss, prediction, target)


@pytest.mark.parametrize("target", [torch.zeros(4), torch.zeros(4, 1).double()])
def test_a_target_that_does_not_fit_is_told_with_what_would(target):
    with pytest.raises(ShapeError) as caught:
        mse()(torch.zeros(4, 1), target)
    assert str(caught.value) == (
        "mse: target must have the prediction's shape and dtype, (4, 1) torch.float32, "
        f"got {tuple(target.shape)} {target.dtype}. Reshape or convert it; nothing is broadcast."
    )
