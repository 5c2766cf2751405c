"""Losses of scores of classes refuse predictions of one class, which would train nothing."""

import pytest
import torch

from chainrule import ShapeError
from chainrule.losses import cross_entropy, multi_margin, nll

FIX = "Give the network an output for each class; for a single output use bce_with_logits, or mse for numbers."


@pytest.mark.parametrize("loss", [cross_entropy(), cross_entropy(label_smoothing=0.1), multi_margin()], ids=repr)
def test_one_class_is_refused(loss):
    with pytest.raises(ShapeError) as caught:
        loss(-torch.ones(4, 1), torch.zeros(4).long())
    assert str(caught.value).endswith(f": predictions must have at least 2 classes, got 1. {FIX}")


@pytest.mark.parametrize("loss", [cross_entropy(), nll(), multi_margin()], ids=repr)
@pytest.mark.parametrize("target", [torch.ones(4, 1), torch.ones(4), torch.ones(4, 1).long()], ids=str)
def test_a_target_of_another_form_for_one_output_is_answered_with_losses_of_one_output(loss, target):
    with pytest.raises(ShapeError) as caught:
        loss(-torch.ones(4, 1), target)
    assert str(caught.value).endswith(FIX)


def test_maps_of_one_class_are_refused():
    with pytest.raises(ShapeError, match=r"^cross_entropy: predictions must have at least 2 classes, got 1\."):
        cross_entropy()(torch.zeros(4, 1, 3), torch.ones(4, 1, 3))


@pytest.mark.parametrize("target", [torch.ones(4, 1, 3).long(), torch.ones(4, 3)], ids=["index", "number"])
def test_masks_for_maps_of_one_class_are_answered_with_losses_of_one_output(target):
    with pytest.raises(ShapeError) as caught:
        cross_entropy()(torch.zeros(4, 1, 3), target)
    assert str(caught.value).endswith(FIX)


def test_a_log_probability_of_one_class_is_trained_as_in_torch():
    prediction = -torch.ones(4, 1)
    assert nll()(prediction, torch.zeros(4).long()) == 1
