import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.losses import cross_entropy
from tests.oracles import assert_loss_equals

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(7, 4, generator=GENERATOR, dtype=torch.float64)
WEIGHTS = torch.rand(7, 4, generator=GENERATOR, dtype=torch.float64)
CLASSES = torch.randint(4, (7,), generator=GENERATOR)


@pytest.mark.parametrize("scale", [0.01, 1, 100])
@pytest.mark.parametrize("target", [CLASSES, WEIGHTS.softmax(1), WEIGHTS], ids=["classes", "probabilities", "weights"])
def test_it_and_its_gradient_equal_torch(target, scale):
    assert_loss_equals(cross_entropy, torch.nn.functional.cross_entropy, scale * LOGITS, target)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_exact_for_logits_of_ten_thousand(dtype):
    logits = torch.tensor([[1e4, -1e4], [1e4, -1e4], [1e4, 1e4]], dtype=dtype)
    loss = cross_entropy("sum")
    value = loss(logits, torch.tensor([0, 1, 0]))
    assert value == torch.tensor(2e4 + math.log(2), dtype=dtype)
    assert_close(loss.backward(), torch.tensor([[0, 0], [1, -1], [-0.5, 0.5]], dtype=dtype), rtol=0, atol=1e-15)
    assert loss(logits[:1], torch.tensor([[1.0, 0.0]], dtype=dtype)) == 0


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_masked_logit_gives_the_same_for_a_class_index_and_its_probabilities(reduction):
    logits, results = torch.tensor([[0.0, -torch.inf, 1.0], [2.0, 0.5, -torch.inf]]), []
    for target in (torch.tensor([0, 1]), torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])):
        loss = cross_entropy(reduction)
        results.append([loss(logits, target), loss.backward()])
    assert all(result.isfinite().all() for result in results[0])
    assert_close(results[1], results[0])


def test_a_masked_logit_with_a_probability_above_zero_costs_infinity():
    for target in (torch.tensor([[0.9, 0.1]]), torch.tensor([1])):
        assert cross_entropy()(torch.tensor([[0.0, -torch.inf]]), target) == torch.inf


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.tensor([0, 3]), "class indices must be from 0 to 2, got 0 to 3"),
        (torch.tensor([0, 1], dtype=torch.int32), "class indices must have dtype torch.int64, got torch.int32"),
        (torch.tensor([[0], [1]]), "got torch.int64 (2, 1) for (2, 3). Convert class labels with y.long()."),
        (torch.zeros(2, 3, dtype=torch.float64), "probabilities must have dtype torch.float32, got torch.float64"),
    ],
)
def test_a_target_that_does_not_fit_is_told_with_what_would(target, message):
    with pytest.raises(ShapeError) as caught:
        cross_entropy()(torch.zeros(2, 3), target)
    assert message in str(caught.value)


def test_logits_must_be_rows_of_classes():
    with pytest.raises(ShapeError, match=r"for logits \(N, C\), got torch.int64 \(2,\) for \(2, 3, 4\)\."):
        cross_entropy()(torch.zeros(2, 3, 4), torch.tensor([0, 1]))
