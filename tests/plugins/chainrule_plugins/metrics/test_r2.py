import pytest
import sklearn.metrics
import torch

from chainrule.metrics import r2

PREDICTION, TARGET = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("shift", [0.0, 1e4], ids=["centred", "far from 0"])
def test_it_is_scikit_learns(outputs, shift):
    prediction, target = PREDICTION[:, :outputs] + shift, TARGET[:, :outputs] + shift
    assert r2()(prediction, target).item() == pytest.approx(sklearn.metrics.r2_score(target, prediction), rel=1e-6)


@pytest.mark.parametrize("constant", [0.5, 0.1], ids=["exact in binary", "with a mean that rounds"])
def test_of_a_constant_target_it_is_one_or_zero(constant):
    target = torch.full((30, 1), constant, dtype=torch.float64)
    assert [r2()(prediction, target).item() for prediction in (target, target + 1)] == [1, 0]
    if constant == 0.5:
        assert [sklearn.metrics.r2_score(target, prediction) for prediction in (target, target + 1)] == [1, 0]


def test_of_a_single_row_there_is_none():
    assert r2()(PREDICTION[:1], TARGET[:1]).isnan()
