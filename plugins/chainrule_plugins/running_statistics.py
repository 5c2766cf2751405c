"""The parent of layers that standardize channels and can keep running statistics for eval mode."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Buffer, Module
from chainrule.initializers import ones
from chainrule.ops import expect_flag, expect_number, expect_size
from chainrule_plugins.normalization import channel_parameters


class TracksStatistics(Module):
    """A layer that standardizes each of num_features channels, in eval mode by running statistics if it keeps them."""

    def __init__(self, num_features: int, eps: float, affine: bool, track_running_stats: bool, *, bias: bool) -> None:
        self.num_features = expect_size(self, "num_features", num_features)
        self.eps = expect_number(self, "eps", eps, at_least=0)
        self.affine = expect_flag(self, "affine", affine)
        self.track_running_stats = expect_flag(self, "track_running_stats", track_running_stats)
        self.weight, self.bias = channel_parameters(
            self.num_features, affine=self.affine, bias=expect_flag(self, "bias", bias)
        )
        self.running_mean = Buffer(self.num_features) if self.track_running_stats else None
        self.running_var = Buffer(self.num_features, init=ones()) if self.track_running_stats else None
        self.num_batches_tracked = Buffer(dtype=torch.int64) if self.track_running_stats else None

    @property
    def same_in_eval(self) -> bool:  # type: ignore[override]  # which depends on the arguments
        return not self.track_running_stats

    @property
    def statistics(self) -> list[Tensor]:
        """The running mean and variance, (M, num_features) each; empty if there are none."""
        return [buffer.data for buffer in (self.running_mean, self.running_var) if buffer is not None]
