import pytest
import sklearn.metrics
import torch

from chainrule import evaluate
from chainrule.initializers import constant, ones
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.metrics import r2

PREDICTION, TARGET = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shift", [0.0, 1e4], ids=["centred", "far from 0"])
def test_it_is_scikit_learns(outputs, shift):
    prediction, target = PREDICTION[:, :outputs] + shift, TARGET[:, :outputs] + shift
    assert r2()(prediction, target).item() == pytest.approx(sklearn.metrics.r2_score(target, prediction), rel=1e-6)


@pytest.mark.parametrize(("rows", "shift"), [(30, 1e9), (10, 1e4), (1, 1e4)])
def test_targets_far_from_zero_keep_their_variance(rows, shift):
    x = TARGET[:, :1] + shift
    network = linear(1, 1, weight_init=ones(), bias_init=constant(value=0.3)).build(dtype=torch.float64)
    batches = list(zip(x.split(rows), x.split(rows), strict=True))
    found = evaluate(network, mse(), batches, metrics=["r2"])["r2"].item()
    assert found == pytest.approx(sklearn.metrics.r2_score(x, x + 0.3), rel=1e-5)


@pytest.mark.parametrize("value", [0.5, 0.1, 1e9 / 3], ids=["exact in binary", "with a mean that rounds", "large"])
def test_of_a_constant_target_it_is_one_or_zero(value):
    target = torch.full((30, 1), value, dtype=torch.float64)
    assert [r2()(prediction, target).item() for prediction in (target, target + 1)] == [1, 0]
    if value == 0.5:
        assert [sklearn.metrics.r2_score(target, prediction) for prediction in (target, target + 1)] == [1, 0]


def test_of_a_single_row_there_is_none():
    assert r2()(PREDICTION[:1], TARGET[:1]).isnan()
