import pytest
import torch
from torch.testing import assert_close

from chainrule import BackwardError, HyperparameterError, ShapeError
from chainrule.losses import mse

ROWS = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
ZEROS = torch.zeros(3, 2)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_mean_is_the_same_whatever_the_reduction(reduction: str) -> None:
    assert mse(reduction).mean(ROWS, ZEROS) == ROWS.square().mean()
    assert mse(reduction, members=True).mean(ROWS.expand(2, 3, 2), ZEROS).tolist() == [ROWS.square().mean().item()] * 2


def test_mean_leaves_what_the_last_call_kept() -> None:
    loss = mse("sum")
    loss(ROWS, ZEROS)
    loss.mean(ZEROS, ZEROS)
    assert_close(loss.backward(), 2 * ROWS)


def test_mean_that_raises_leaves_the_loss_usable() -> None:
    loss = mse("sum")
    with pytest.raises(ShapeError):
        loss.mean(ROWS, ROWS.T)
    loss(ROWS, ZEROS)
    assert_close(loss.backward(), 2 * ROWS)


def test_backward_goes_through_each_call_once() -> None:
    loss = mse()
    with pytest.raises(BackwardError, match="called without a forward in train mode"):
        loss.backward()
    loss(ROWS, ROWS)
    loss.backward()
    with pytest.raises(BackwardError):
        loss.backward()


def test_a_loss_over_members_is_a_copy_with_the_same_reduction() -> None:
    loss = mse("sum")
    ensemble = loss.over_members()
    assert (ensemble.reduction, ensemble.members, loss.members) == ("sum", True, False)
    assert repr(ensemble) == 'Mse(reduction="sum", members=True)'


def test_an_unknown_reduction_raises() -> None:
    with pytest.raises(HyperparameterError) as caught:
        mse("none")
    assert str(caught.value) == 'mse: reduction must be "mean" or "sum", got \'none\'. Choose one of the two.'


def test_a_mean_over_no_rows_raises() -> None:
    with pytest.raises(ShapeError, match=r"^mse: a mean needs at least one term; the batch is empty"):
        mse()(ZEROS[:0], ZEROS[:0])


def test_targets_per_member_need_a_loss_over_members() -> None:
    with pytest.raises(ShapeError, match=r"^mse: per_member must be False .* Make the loss as mse\(members=True\)\.$"):
        mse()(ROWS, ZEROS, per_member=True)
