import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import nll
from tests.oracles import assert_loss_equals

W = torch.tensor([0.5, 2.0, 0.0, 1.5], dtype=torch.float64)


@pytest.mark.parametrize("shape", [(7, 4), (2, 4, 3, 2)])
@pytest.mark.parametrize("settings", [{}, {"weight": W}, {"ignore_index": 1}, {"weight": W, "ignore_index": -100}])
def test_it_and_its_gradient_equal_torch(shape, settings):
    scores = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    classes = scores.flip(0).argmax(1)
    classes = torch.where(classes == 0, settings.get("ignore_index", 0), classes)
    assert_loss_equals(nll, torch.nn.functional.nll_loss, scores.log_softmax(1), classes, **settings)


def test_an_ignored_row_may_have_a_class_of_probability_0():
    loss = nll(ignore_index=1)
    assert loss(torch.tensor([[0.0, -torch.inf], [-2.0, -1.0]]), torch.tensor([1, 0])) == 2
    assert loss.backward().tolist() == [[0, 0], [-1, 0]]


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (torch.tensor([[-3.0, 1.5]]), torch.tensor([0]), r"predictions must be from -inf to 0, got -3 to 1\.5\."),
        (-torch.ones(2, 3), torch.tensor([0, 3]), r"class indices must be from 0 to 2, got 0 to 3\."),
        (-torch.ones(2, 3), torch.zeros(2, 3).long(), r"target must be class indices \(N, …\) for predictions \(N, C"),
        (-torch.ones(2, 3), torch.zeros(2).int(), r"class indices must have dtype torch\.int64, got torch\.int32\."),
    ],
)
def test_logits_and_targets_that_do_not_fit_are_refused(prediction, target, message):
    with pytest.raises(ShapeError, match=f"^nll: {message}"):
        nll()(prediction, target)
