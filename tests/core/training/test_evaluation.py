"""An evaluation leaves no trace in what it evaluates."""

import torch

import chainrule
from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.layers import dropout, linear, sequential
from chainrule.losses import mse


def test_it_does_not_count_as_a_change_of_settings():
    """After one, a compiled step would be held against every attribute of every module."""
    network, loss = sequential(linear(3, 2), dropout(0.5)).build(seed=0), mse()
    network.module.modules[0].training = False
    modes, before = [module.training for module in network.modules()], KeepsForBackward.changes
    chainrule.evaluate(network, loss, (torch.zeros(4, 3), torch.zeros(4, 2)))
    assert KeepsForBackward.changes == before
    assert [module.training for module in network.modules()] == modes == [True, False, True]
