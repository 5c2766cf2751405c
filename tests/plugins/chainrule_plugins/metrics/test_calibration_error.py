import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from chainrule.metrics import calibration_error

LOGITS = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = torch.randint(3, (200,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_it_is_the_distance_of_scikit_learns_calibration_curve(bins):
    confidence, predicted = LOGITS.softmax(1).max(1)
    right, confident = calibration_curve(predicted == CLASSES, confidence, n_bins=bins)
    counts, _ = np.histogram(confidence, bins=bins, range=(0, 1))
    expected = (np.abs(right - confident) * counts[counts > 0]).sum() / 200
    assert calibration_error(bins=bins)(LOGITS, CLASSES).item() == pytest.approx(expected)


def test_certain_and_right_is_no_error_and_certain_and_wrong_one():
    logits = 1e3 * torch.eye(3)
    assert calibration_error()(logits, torch.arange(3)).item() == 0
    assert calibration_error()(logits, torch.arange(3).roll(1)).item() == 1
