import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import bce_with_logits
from tests.oracles import assert_loss_equals

P, T = torch.randn(2, 7, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
P[0, 0], T = 1000 * P[0, 0], T.sigmoid()
T[1] = T[1].round()
W = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)


@pytest.mark.parametrize("settings", [{}, {"weight": W}, {"pos_weight": W}, {"weight": W, "pos_weight": 2 * W}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_loss_equals(bce_with_logits, torch.nn.functional.binary_cross_entropy_with_logits, P, T, **settings)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_nearly_certain_logit_keeps_its_digits_in_float32(label):
    logit = torch.tensor([-20.0]) if label == 0 else torch.tensor([20.0])
    loss = bce_with_logits()
    torch.testing.assert_close(loss(logit, torch.tensor([label])), torch.tensor(2.0611536e-9), rtol=1e-6, atol=0)
    grad = torch.tensor([2.0611536e-9]) * (1 - 2 * label)
    torch.testing.assert_close(loss.backward(), grad, rtol=1e-6, atol=0)


@pytest.mark.parametrize("settings", [{}, {"pos_weight": 2.0}])
def test_a_masked_logit_costs_nothing_where_its_label_is_certain(settings):
    logits, labels = torch.tensor([-torch.inf, torch.inf, -torch.inf]), torch.tensor([0.0, 1.0, 1.0])
    loss = bce_with_logits("none", **settings)
    assert loss(logits, labels).tolist() == [0, 0, torch.inf]
    assert loss.backward()[:2].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
@pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 7, 4)])
def test_weights_that_do_not_fit_are_refused_also_for_as_many_members_as_rows(name, shape):
    weights = torch.ones(shape)
    with pytest.raises(ShapeError) as caught:
        bce_with_logits(members=True, **{name: weights})(torch.zeros(7, 7, 4), torch.zeros(7, 4))
    assert str(caught.value) == (
        f"bce_with_logits: {name} must broadcast against predictions (7, 4), got {shape}. "
        "Pass one for each column, or one for all."
    )
