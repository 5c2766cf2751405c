import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.losses import mse

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


@given(SHAPES, st.sampled_from(["mean", "sum"]), st.integers(0, 99))
def test_it_and_its_gradient_equal_torch(shape: tuple[int, ...], reduction: str, seed: int) -> None:
    prediction, target = torch.randn(2, *shape, generator=torch.manual_seed(seed), dtype=torch.float64)
    prediction.requires_grad_()
    expected = torch.nn.functional.mse_loss(prediction, target, reduction=reduction)
    loss = mse(reduction)
    assert_close(loss(prediction.detach(), target), expected.detach())
    assert_close(loss.backward(), torch.autograd.grad(expected, prediction)[0])


@given(SHAPES, st.integers(1, 4))
def test_an_ensembles_loss_holds_each_members_own(shape: tuple[int, ...], members: int) -> None:
    prediction = torch.randn(members, *shape, generator=torch.manual_seed(0), dtype=torch.float64)
    target = torch.randn(shape, generator=torch.manual_seed(1), dtype=torch.float64)
    together, single = mse(members=True), mse()
    assert_close(together(prediction, target), torch.stack([single(p, target) for p in prediction]))
    grads = []
    for p in prediction:
        single(p, target)
        grads.append(single.backward())
    assert_close(together.backward(), torch.stack(grads))


def test_a_column_is_not_broadcast_against_a_row() -> None:
    with pytest.raises(ShapeError) as caught:
        mse()(torch.zeros(4, 1), torch.zeros(4))
    assert str(caught.value) == (
        "mse: target must have the prediction's shape and dtype, (4, 1) torch.float32, got (4,) torch.float32. "
        "Reshape or convert it; nothing is broadcast."
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bool])
def test_a_target_of_another_dtype_raises(dtype: torch.dtype) -> None:
    with pytest.raises(ShapeError, match=r"^mse: target must have .* torch\.float32, got \(4, 1\) torch\.") as caught:
        mse()(torch.zeros(4, 1), torch.zeros(4, 1).to(dtype))
    assert "\n" not in str(caught.value)
