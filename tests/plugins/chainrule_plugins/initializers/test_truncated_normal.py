import pytest
import torch
from scipy.stats import kstest, truncnorm

from chainrule import HyperparameterError
from chainrule.initializers import truncated_normal


@pytest.mark.parametrize("limits", [(-2.0, 2.0), (-0.1, 0.7)])
@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.2, 0.5)])
def test_its_values_are_distributed_as_scipys(loc, scale, limits):
    low, high = limits
    initializer, values = truncated_normal(loc=loc, scale=scale, low=low, high=high), torch.empty(20_000).double()
    initializer(values, fan_in=1, fan_out=1, generator=torch.Generator().manual_seed(0))
    expected = truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)
    assert kstest(values.numpy(), expected.cdf).pvalue > 0.01
    assert initializer.mean(1, 1) == pytest.approx(expected.mean(), rel=1e-10, abs=1e-12)
    assert initializer.std(1, 1) == pytest.approx(expected.std(), rel=1e-8)
    assert low <= values.min() < values.max() <= high


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, -2.0), (30.0, 31.0)])
def test_limits_have_values_between_them(limits):
    with pytest.raises(HyperparameterError, match=r"^truncated_normal: low must be below high, with values of N\(0"):
        truncated_normal(low=limits[0], high=limits[1])
