"""Means over many batches."""

import torch

from chainrule.losses import mse
from chainrule.training.running_means import RunningMeans


def test_a_mean_over_many_batches_is_not_rounded_at_each():
    means = RunningMeans(1)
    means.add("loss", torch.tensor([1.0]), 2**25)
    for _ in range(2**12):
        means.add("loss", torch.tensor([5.0]), torch.tensor([1.0]))
    expected = (2**25 + 5 * 2**12) / (2**25 + 2**12)
    assert means.means()["loss"] == torch.tensor([expected], dtype=torch.float32)


def test_a_mean_has_the_dtype_of_its_values():
    for dtype in (torch.float32, torch.float64):
        means = RunningMeans(2)
        means.add("loss", torch.ones(2, dtype=dtype), 3)
        assert means.means()["loss"].dtype == dtype


def test_a_mean_does_not_depend_on_how_many_losses_come_at_a_time():
    losses, counts = torch.rand(2, 100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together, apart = RunningMeans(3), RunningMeans(3)
    together.add_losses(mse(), torch.float64, losses, counts)
    for start in range(0, 100, 7):
        apart.add_losses(mse(), torch.float64, losses[start : start + 7], counts[start : start + 7])
    assert torch.equal(together.means()["loss"], apart.means()["loss"])
    torch.testing.assert_close(together.means()["loss"], (losses * counts).sum(0) / counts.sum(0))
