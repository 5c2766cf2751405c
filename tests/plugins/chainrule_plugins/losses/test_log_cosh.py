import torch

from chainrule.losses import log_cosh
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def formula(prediction, target, *, reduction):
    terms = (prediction - target).cosh().log()
    return {"mean": terms.mean(), "sum": terms.sum(), "none": terms}[reduction]


def test_it_and_its_gradient_equal_the_formula():
    assert_loss_equals(log_cosh, formula, P, T)


def test_large_errors_do_not_overflow():
    loss = log_cosh("none")
    expected = 1e4 - torch.tensor([2.0]).log()
    assert torch.equal(loss(torch.tensor([1e4, -1e4]), torch.zeros(2)), expected.expand(2))
    assert loss.backward().tolist() == [1, -1]


def test_small_errors_keep_their_digits_in_float32():
    errors = torch.logspace(-8, -1, 15)
    square = errors.double().square()
    series = square / 2 - square**2 / 12 + square**3 / 45
    torch.testing.assert_close(log_cosh("none")(errors, torch.zeros(15)), series.float(), rtol=1e-6, atol=0)
