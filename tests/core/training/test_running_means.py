"""Means over many batches."""

import torch

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
