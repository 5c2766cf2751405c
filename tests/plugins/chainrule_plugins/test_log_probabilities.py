"""Logarithms of probabilities from scores."""

import pytest
import torch
from torch.testing import assert_close

from chainrule_plugins.log_probabilities import FEW, MANY, log_softmax


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("classes", [1, 2, FEW - 1, FEW])
@pytest.mark.parametrize("rows", [1, MANY - 1, MANY])
def test_log_softmax_is_that_of_torch_however_few_the_classes_and_many_the_rows(rows, classes, dtype):
    scores = torch.randn(3, rows, classes).mul(20).to(dtype)
    scores[0, 0, 0] = -torch.inf if classes > 1 else 0
    found = log_softmax(scores, 2)
    assert found.is_contiguous()
    assert_close(found, scores.log_softmax(2))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_log_softmax_is_along_the_axis_that_is_passed(axis):
    scores = torch.randn(2, MANY, FEW // 2, dtype=torch.float64)
    assert_close(log_softmax(scores, axis).exp().sum(axis), torch.ones(()).double().expand_as(scores.sum(axis)))


def test_a_member_has_the_same_bits_among_any_others():
    scores = torch.randn(70, MANY, 3)
    together = log_softmax(scores, 2)
    assert all(torch.equal(log_softmax(scores[m : m + 1], 2), together[m : m + 1]) for m in range(70))
