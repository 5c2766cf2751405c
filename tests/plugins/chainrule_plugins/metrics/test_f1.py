import pytest
import torch

from chainrule.metrics import f1, precision, recall


def test_it_is_the_harmonic_mean_of_precision_and_recall():
    output, target = torch.tensor([[1.0], [0], [0], [1], [1]]), torch.tensor([[1.0], [1], [1], [0], [1]])
    p, r = precision()(output, target).item(), recall()(output, target).item()
    assert f1()(output, target).item() == pytest.approx(2 * p * r / (p + r))
