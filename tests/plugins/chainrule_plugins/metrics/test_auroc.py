import pytest
import sklearn.metrics
import torch

import chainrule
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.metrics import auroc

TARGET = (torch.rand(50, 1, generator=torch.Generator().manual_seed(0)) > 0.4).float()


@pytest.mark.parametrize("decimals", [0, 1, 6], ids=["many equal", "some equal", "few equal"])
def test_it_is_scikit_learns(decimals):
    score = (torch.randn(50, 1, generator=torch.Generator().manual_seed(1)) + TARGET).round(decimals=decimals)
    assert auroc()(score, TARGET).item() == pytest.approx(sklearn.metrics.roc_auc_score(TARGET, score))


def test_of_a_split_in_batches_it_is_that_of_the_whole():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(2))
    network = linear(2, 1).build(seeds=[0, 1])
    batches = list(zip(x.split(7), TARGET.split(7), strict=True))
    found = chainrule.evaluate(network, mse(), batches, metrics=["auroc"])["auroc"]
    expected = [sklearn.metrics.roc_auc_score(TARGET, score) for score in network(x)]
    assert found.tolist() == pytest.approx(expected)


def test_of_rows_of_one_class_there_is_none():
    assert auroc()(torch.rand(4, 1), torch.ones(4, 1)).isnan()
