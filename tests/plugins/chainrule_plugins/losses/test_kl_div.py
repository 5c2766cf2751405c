import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import kl_div
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
P, T = P.log_softmax(-1), T.softmax(-1)
T[0, 0] = torch.tensor([0.0, 1.0, 0.0, 0.0])


def of_torch(prediction, target, *, reduction, **settings):
    if reduction == "mean":  # for which torch warns that it is no divergence
        return torch.nn.functional.kl_div(prediction, target, reduction="none", **settings).mean()
    return torch.nn.functional.kl_div(prediction, target, reduction=reduction, **settings)


def test_it_and_its_gradient_equal_torch():
    assert_loss_equals(kl_div, of_torch, P, T)


def test_a_target_may_be_logarithms():
    assert_loss_equals(kl_div, of_torch, P, T.clamp_min(1e-3).log(), log_target=True)


def test_a_masked_prediction_of_a_target_of_0_costs_nothing():
    loss = kl_div("sum")
    assert loss(torch.tensor([[0.0, -torch.inf]]), torch.tensor([[1.0, 0.0]])) == 0
    assert loss.backward().tolist() == [[-1, 0]]


def test_a_masked_class_costs_nothing_whichever_form_the_target_has():
    prediction, target = torch.tensor([[0.5, 0.5], [1.0, 0.0]]).log(), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    plain, of_logs = kl_div("sum"), kl_div("sum", log_target=True)
    torch.testing.assert_close(plain(prediction, target), torch.tensor(2.0).log())
    torch.testing.assert_close(of_logs(prediction, target.log()), torch.tensor(2.0).log())
    assert torch.equal(plain.backward(), of_logs.backward())


@pytest.mark.parametrize("log_target", [False, True])
def test_what_are_no_logarithms_of_probabilities_are_refused(log_target):
    loss = kl_div(log_target=log_target)
    with pytest.raises(ShapeError, match=r"^kl_div: predictions must be from -inf to 0, got .*"):
        loss(P + 5, P if log_target else T)
    if log_target:
        with pytest.raises(ShapeError, match=r"^kl_div: targets must be from -inf to 0, got .*"):
            loss(P, T)


def test_logarithms_are_refused_where_the_target_has_probabilities():
    with pytest.raises(ShapeError, match=r"^kl_div: targets must be from 0 to inf, got -"):
        kl_div()(P, T.clamp_min(1e-3).log())
