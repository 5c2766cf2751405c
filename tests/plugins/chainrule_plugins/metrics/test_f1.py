import pytest
import torch

from chainrule import ShapeError
from chainrule.metrics import confusion_matrix, f1, precision, recall


def test_it_is_the_harmonic_mean_of_precision_and_recall():
    output, target = torch.tensor([[1.0], [0], [0], [1], [1]]), torch.tensor([[1.0], [1], [1], [0], [1]])
    p, r = precision()(output, target).item(), recall()(output, target).item()
    assert f1()(output, target).item() == pytest.approx(2 * p * r / (p + r))


@pytest.mark.parametrize("metric", [f1, precision, recall, confusion_matrix])
def test_one_output_with_a_flat_target_is_answered_with_its_shape(metric):
    message = r"prediction and target must have shape \(N, 1\), got \(3, 1\) and \(3,\)\. .* y\.unsqueeze\(1\)\."
    with pytest.raises(ShapeError, match=message):
        metric()(torch.zeros(3, 1), torch.zeros(3))
