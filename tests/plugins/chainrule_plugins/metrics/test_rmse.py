import pytest
import sklearn.metrics
import torch

from chainrule.metrics import rmse

PREDICTION, TARGET = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_is_scikit_learns(outputs):
    prediction, target = PREDICTION[:, :outputs], TARGET[:, :outputs]
    assert rmse()(prediction, target).item() == pytest.approx(
        sklearn.metrics.root_mean_squared_error(target, prediction)
    )
