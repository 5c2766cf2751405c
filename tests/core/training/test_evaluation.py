"""An evaluation is of all rows, in batches that stay in the cache, and leaves no trace in what it evaluates."""

import pytest
import torch

import chainrule
from chainrule.base.member_rows import Chosen
from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.training.evaluation import values_over


def test_it_does_not_count_as_a_change_of_settings():
    """After one, a compiled step would be held against every attribute of every module."""
    network, loss = sequential(linear(3, 2), dropout(0.5)).build(seed=0), mse()
    network.module.modules[0].training = False
    modes, before = [module.training for module in network.modules()], KeepsForBackward.changes
    chainrule.evaluate(network, loss, (torch.zeros(4, 3), torch.zeros(4, 2)))
    assert KeepsForBackward.changes == before
    assert [module.training for module in network.modules()] == modes == [True, False, True]


class Contrast(mse):
    """A loss whose terms depend on the other rows."""

    batch_independent = False


CASES = {
    "rows alone": ({}, 4),
    "a metric": ({"metrics": ["mae"]}, 4),
    "a function of a batch": ({"metrics": {"spread": lambda prediction, _: prediction.std((1, 2))}}, 1),
    "a loss that mixes rows": ({"loss": Contrast()}, 1),
    "a layer that mixes rows": ({"layer": batch_norm(6)}, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_batches_are_small_only_where_the_values_do_not_depend_on_them(case, monkeypatch):
    options, batches = CASES[case]
    network = sequential(linear(3, 6), options.get("layer", linear(6, 6)), linear(6, 2)).build(seeds=[0, 1])
    loss, metrics = options.get("loss", mse()), options.get("metrics")
    x, y = torch.randn(10, 3), torch.randn(10, 2)
    whole = chainrule.evaluate(network, loss, (x, y), metrics=metrics)
    seen = batches_of(network, monkeypatch)
    torch.testing.assert_close(chainrule.evaluate(network, loss, (x, y), metrics=metrics), whole)
    assert seen == ([3, 3, 3, 1] if batches == 4 else [10])


def test_members_that_are_left_see_the_batches_that_all_saw(monkeypatch):
    """So that dropping the others does not change a bit of their curves."""
    network = sequential(linear(3, 6), linear(6, 2)).build(seeds=[1])
    seen = batches_of(network, monkeypatch)
    data, chosen = (torch.randn(10, 3), torch.randn(10, 2)), Chosen(members=[1], built=2)
    values_over("fit: train", network, mse().over_members(), data, {}, per_member=False, chosen=chosen)
    assert seen == [3, 3, 3, 1]


def batches_of(network, monkeypatch):
    """Return a list that gets the rows of each batch, of which three fit into the cache for two members."""
    monkeypatch.setattr("chainrule.training.evaluation.CACHED_ELEMENTS", 2 * 6 * 3)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    seen, forward = [], network.module.forward
    monkeypatch.setattr(network.module, "forward", lambda x: seen.append(x.shape[1]) or forward(x), raising=False)
    return seen
