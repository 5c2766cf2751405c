"""Test that a fit refuses data of which no loss can be made."""

import pytest
import torch

from chainrule import Loss, Module, ShapeError, evaluate, fit
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse, soft_margin
from chainrule.optimizers import sgd

X = torch.linspace(-1, 1, 20).view(10, 2)
Y = X.sum(1, keepdim=True)


def with_one(value, tensor, row=3):
    changed = tensor.clone()
    changed[row, 0] = value
    return changed


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("part", ["x", "y"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_row_that_is_not_finite_is_refused_before_the_first_step(split, part, value):
    network = linear(2, 1).build(seeds=[0, 1])
    before = network.state_dict()
    wrong = (with_one(value, X), Y) if part == "x" else (X, with_one(value, Y))
    data = {"train": (X, Y), "validation": (X, Y), split: wrong}
    with pytest.raises(
        ShapeError, match=f"^fit: {part} of {split} must be finite, got {value} in row 3, the first of 1"
    ):
        fit(network, mse(), sgd(), **data)
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert network.training


def test_a_row_of_one_number_is_found():
    class Squeezed(Module):
        def forward(self, x):
            return x.squeeze(-1)

        def backward(self, grad_output):
            return grad_output.unsqueeze(-1)

    network = sequential(linear(2, 1), Squeezed()).build()
    with pytest.raises(ShapeError, match="y of train must be finite, got nan in row 3"):
        fit(network, mse(), sgd(), train=(X, with_one(torch.nan, Y).squeeze(1)))


def test_a_row_of_one_member_is_found():
    network = linear(2, 1).build(seeds=[0, 1])
    x = torch.stack([X, with_one(torch.nan, X, row=7)])
    with pytest.raises(ShapeError, match="x of train must be finite, got nan in row 7"):
        fit(network, mse(), sgd(), train=(x, torch.stack([Y, Y])), per_member=True)


def test_a_batch_of_an_iterable_is_named():
    batches = [(X[:5], Y[:5]), (X[5:], with_one(torch.nan, Y[5:]))]
    with pytest.raises(ShapeError, match=r"^fit: y of batch 2 of train must be finite, got nan in row 3"):
        fit(linear(2, 1).build(), mse(), sgd(), train=batches)


def test_targets_of_float8_are_refused_by_the_loss():
    with pytest.raises(ShapeError, match=r"^mse: target must have the prediction's shape and dtype, .*float8"):
        fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y.to(torch.float8_e5m2)))


def test_large_numbers_whose_sum_overflows_are_finite():
    history = fit(linear(2, 1).build(), mse(), sgd(lr=0.0), train=(torch.full_like(X, 3e38), Y))
    assert list(history) == ["train_loss"]


def test_a_loss_or_a_layer_that_masks_them_takes_them():
    class Masked(Loss):
        def forward(self, prediction, target):
            error = (prediction - target).nan_to_num(0.0)
            self.save_for_backward(error)
            return error.square()

        def gradient(self):
            (error,) = self.saved_tensors()
            return 2 * error

    class Filled(Module):
        def forward(self, x):
            self.save_for_backward(x)
            return x.nan_to_num(0.0)

        def backward(self, grad_output):
            (x,) = self.saved_tensors()
            return grad_output * x.isfinite()

    network = sequential(Filled(), linear(2, 1)).build()
    history = fit(network, Masked(), sgd(), train=(with_one(torch.nan, X), with_one(torch.nan, Y, row=5)))
    assert history["train_loss"].isfinite().all()


def test_a_target_that_the_loss_does_not_take_is_found_in_any_batch():
    y = torch.ones(10, 1).index_fill(0, torch.tensor([9]), 0.0)  # labels are -1 and 1
    network, refused = linear(2, 1).build(seeds=[0, 1]), r"^soft_margin: targets must be labels -1 and 1, got 0\."
    for data in (
        {"train": (X, y), "batch_size": 1},
        {"train": (X, y.abs().clamp_min(1)), "validation": (X, y)},
        {"train": [(X[:5], y[:5]), (X[5:], y[5:])]},
    ):
        with pytest.raises(ShapeError, match=refused):
            fit(network, soft_margin(), sgd(lr=0.0), **data)
    loss = soft_margin()
    evaluate(network, loss, (X, torch.ones(10, 1)))
    with pytest.raises(ShapeError, match=refused):
        evaluate(network, loss, (X, y))


def test_targets_of_another_shape_are_told_so():
    with pytest.raises(ShapeError, match=r"^cross_entropy: target must be class indices .* Reshape one of them"):
        fit(linear(2, 3).build(), cross_entropy(), sgd(), train=(X, torch.arange(10.0).unsqueeze(1) % 3))
