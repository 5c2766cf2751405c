import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import poisson_nll
from tests.oracles import assert_loss_equals

P, T = torch.rand(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T = (5 * T).floor()


@pytest.mark.parametrize(
    "settings", [{}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True, "eps": 0.1}], ids=str
)
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(poisson_nll, torch.nn.functional.poisson_nll_loss, P, T, **settings)


@pytest.mark.parametrize(("log_input", "prediction", "bounds"), [(True, 90.0, "-inf to 80"), (False, -1.0, "0 to inf")])
def test_predictions_without_a_finite_rate_are_refused(log_input, prediction, bounds):
    with pytest.raises(ShapeError, match=rf"^poisson_nll: predictions must be from {bounds}, got {prediction:g} to "):
        poisson_nll(log_input=log_input)(torch.full((2, 3), prediction), torch.ones(2, 3))
