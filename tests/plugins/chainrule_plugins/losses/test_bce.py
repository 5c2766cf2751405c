import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.losses import bce, bce_with_logits
from tests.oracles import assert_loss_equals

P, T = torch.rand(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
T[1] = T[1].round()


@pytest.mark.parametrize("settings", [{}, {"weight": torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(bce, torch.nn.functional.binary_cross_entropy, P, T, **settings)


def test_certain_predictions_cost_at_most_100_as_in_torch():
    prediction, target = torch.tensor([[0.0, 1.0, 1e-30, 1.0]]), torch.tensor([[0.5, 0.0, 1.0, 1.0]])
    loss, leaf = bce("none"), prediction.clone().requires_grad_()
    expected = torch.nn.functional.binary_cross_entropy(leaf, target, reduction="none")
    assert_close(loss(prediction, target), expected.detach())
    assert_close(loss.backward(), torch.autograd.grad(expected.sum(), leaf)[0])


def test_it_equals_that_of_the_logits():
    assert_close(bce()(P, T), bce_with_logits()(P.logit(), T))


def test_weights_that_do_not_broadcast_are_refused():
    with pytest.raises(ShapeError, match=r"^bce: weight must broadcast against predictions \(7, 3, 4\), got \(3,\)\. "):
        bce(weight=[1.0, 2.0, 3.0])(P, T)


def test_logits_are_refused():
    with pytest.raises(ShapeError, match=r"^bce: predictions must be from 0 to 1, got -2 to 3\. End the network with "):
        bce()(torch.tensor([[-2.0, 3.0]]), torch.ones(1, 2))
