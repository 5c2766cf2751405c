import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.losses import cross_entropy

REDUCTIONS = st.sampled_from(["mean", "sum"])
TARGETS = st.sampled_from(["classes", "probabilities", "weights"])


def target_like(logits: Tensor, kind: str) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    if kind == "classes":
        return torch.randint(logits.shape[1], (len(logits),), generator=generator)
    weights = torch.rand(logits.shape, generator=generator, dtype=logits.dtype)
    return weights.softmax(1) if kind == "probabilities" else weights


@given(st.integers(1, 9), st.integers(1, 6), REDUCTIONS, TARGETS, st.floats(0.01, 100))
def test_it_and_its_gradient_equal_torch(rows: int, classes: int, reduction: str, kind: str, scale: float) -> None:
    logits = scale * torch.randn(rows, classes, generator=torch.manual_seed(rows), dtype=torch.float64)
    target = target_like(logits, kind)
    logits.requires_grad_()
    expected = torch.nn.functional.cross_entropy(logits, target, reduction=reduction)
    loss = cross_entropy(reduction)
    assert_close(loss(logits.detach(), target), expected.detach(), rtol=1e-10, atol=1e-12)
    assert_close(loss.backward(), torch.autograd.grad(expected, logits)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["classes", "probabilities"])
def test_members_may_have_targets_of_their_own(kind: str) -> None:
    logits = torch.randn(3, 5, 4, generator=torch.manual_seed(0), dtype=torch.float64)
    targets = torch.stack([target_like(member, kind).roll(i, 0) for i, member in enumerate(logits)])
    together, single = cross_entropy(members=True), cross_entropy()
    each = torch.stack([single(*pair) for pair in zip(logits, targets, strict=True)])
    assert_close(together(logits, targets, per_member=True), each)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_exact_for_logits_of_ten_thousand(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1e4, -1e4], [1e4, -1e4], [1e4, 1e4]], dtype=dtype)
    loss = cross_entropy("sum")
    value = loss(logits, torch.tensor([0, 1, 0]))
    assert value == torch.tensor(2e4 + math.log(2), dtype=dtype)
    assert_close(loss.backward(), torch.tensor([[0, 0], [1, -1], [-0.5, 0.5]], dtype=dtype), rtol=0, atol=1e-15)
    assert loss(logits[:1], torch.tensor([[1.0, 0.0]], dtype=dtype)) == 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.tensor([0, 3]), "class indices must be from 0 to 2, got 0 to 3"),
        (torch.tensor([-100, 2]), "class indices must be from 0 to 2, got -100 to 2"),
        (torch.tensor([0, 1], dtype=torch.int32), "class indices must have dtype torch.int64, got torch.int32"),
        (torch.tensor([True, False]), "class indices must have dtype torch.int64, got torch.bool"),
        (torch.tensor([[0], [1]]), "got torch.int64 (2, 1) for (2, 3). Convert class labels"),
        (torch.tensor([0, 1, 2]), "got torch.int64 (3,) for (2, 3). Convert class labels"),
        (torch.tensor([0.0, 1.0]), "got torch.float32 (2,) for (2, 3). Convert class labels with y.long()."),
        (torch.zeros(2, 3, dtype=torch.float64), "dtype torch.float32, got torch.float64"),
    ],
)
def test_a_target_that_does_not_fit_raises(target: Tensor, message: str) -> None:
    for call in (cross_entropy(), cross_entropy().mean):
        with pytest.raises(ShapeError) as caught:
            call(torch.zeros(2, 3), target)
        assert message in str(caught.value)
        assert str(caught.value).startswith("cross_entropy: ")
        assert "\n" not in str(caught.value)
