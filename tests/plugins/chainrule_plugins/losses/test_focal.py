import pytest
import torch
from torch.testing import assert_close

from chainrule import HyperparameterError
from chainrule.losses import bce_with_logits, focal
from tests.oracles import assert_loss_equals

X, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T = T.sigmoid()
T[1] = T[1].round()


def formula(prediction, target, *, reduction, gamma=2.0, alpha=0.25):
    p = 1 / (1 + (-prediction).exp())
    likely = p * target + (1 - p) * (1 - target)
    terms = -(target * p.log() + (1 - target) * (1 - p).log()) * (1 - likely) ** gamma
    if alpha is not None:
        terms = terms * (alpha * target + (1 - alpha) * (1 - target))
    return {"mean": terms.mean(), "sum": terms.sum(), "none": terms}[reduction]


@pytest.mark.parametrize(
    "settings", [{}, {"gamma": 0.5}, {"gamma": 1.0, "alpha": 0.9}, {"gamma": 5.0, "alpha": None}], ids=str
)
def test_it_and_its_gradient_equal_the_formula(settings):
    assert_loss_equals(focal, formula, X, T, **settings)


def test_without_weights_it_is_the_cross_entropy():
    assert_close(focal(gamma=0, alpha=None)(X, T), bce_with_logits()(X, T))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_certain_logits_have_finite_gradients(gamma):
    loss = focal("none", gamma=gamma, alpha=None)
    logits, labels = torch.tensor([[-1e4, -100.0, 1e4, 1e4]]), torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    assert_close(loss(logits, labels), torch.tensor([[0.0, 0.0, 0.0, 1e4]]))
    assert_close(loss.backward(), torch.tensor([[0.0, 0.0, 0.0, 1.0]]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_likely_label_keeps_the_digits_of_its_gradient(gamma):
    logits, labels = torch.tensor([[9.0, 17.0, 30.0]]), torch.ones(1, 3)
    loss, x = focal("sum", gamma=gamma, alpha=None), logits.double().requires_grad_()
    formula(x, labels.double(), reduction="sum", gamma=gamma, alpha=None).backward()
    loss(logits, labels)
    likely = (-x.detach()).sigmoid()  # the formula's own 1 − p has lost them at 30
    expected = torch.where(x < 20, x.grad, -(1 + gamma) * likely ** (1 + gamma))
    assert_close(loss.backward().double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("settings", "bounds"), [({"gamma": -1.0}, "gamma must be a number of at least 0"), ({"alpha": 1.5}, "from 0 to 1")]
)
def test_settings_have_bounds(settings, bounds):
    with pytest.raises(HyperparameterError, match=f"^focal: .*{bounds}, got"):
        focal(**settings)
