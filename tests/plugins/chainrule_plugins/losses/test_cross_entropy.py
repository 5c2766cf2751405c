import math

import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError, ShapeError, training_step
from chainrule.layers import linear
from chainrule.losses import cross_entropy
from chainrule.optimizers import sgd
from tests.oracles import assert_loss_equals

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(7, 4, generator=GENERATOR, dtype=torch.float64)
WEIGHTS = torch.rand(7, 4, generator=GENERATOR, dtype=torch.float64)
CLASSES = torch.randint(4, (7,), generator=GENERATOR)


@pytest.mark.parametrize("scale", [0.01, 1, 100])
@pytest.mark.parametrize("target", [CLASSES, WEIGHTS.softmax(1)], ids=["classes", "probabilities"])
def test_it_and_its_gradient_equal_torch(target, scale):
    assert_loss_equals(cross_entropy, torch.nn.functional.cross_entropy, scale * LOGITS, target)


def test_rows_of_probabilities_that_are_0_do_not_count():
    target = WEIGHTS.softmax(1).index_fill(0, torch.tensor([1]), 0.0)
    assert_loss_equals(cross_entropy, torch.nn.functional.cross_entropy, LOGITS, target)


@pytest.mark.parametrize("target", [-WEIGHTS.softmax(1), 3 * WEIGHTS.softmax(1), WEIGHTS.softmax(0)])
def test_targets_that_are_no_probabilities_are_refused(target):
    with pytest.raises(ShapeError, match=r"^cross_entropy: probabilities must be at least 0 and sum to 1 over axis 1"):
        cross_entropy()(LOGITS, target)


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
        (torch.tensor([[0], [1]]), "got torch.int64 (2, 1) for (2, 3). Drop an axis with y.squeeze(1)."),
        (torch.zeros(2, 3, dtype=torch.float64), "probabilities must have dtype torch.float32, got torch.float64"),
    ],
)
def test_a_target_that_does_not_fit_is_told_with_what_would(target, message):
    with pytest.raises(ShapeError) as caught:
        cross_entropy()(torch.zeros(2, 3), target)
    assert message in str(caught.value)


def test_targets_have_the_axes_behind_the_classes():
    with pytest.raises(ShapeError, match=r"for logits \(N, C, …\), got torch.int64 \(2,\) for \(2, 3, 4\)\."):
        cross_entropy()(torch.zeros(2, 3, 4), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("shape", "dtype", "advice"),
    [
        ((2, 4, 3), torch.int64, "Convert one-hot rows with y.to(torch.float32)."),
        ((2, 1, 3), torch.int64, "Drop an axis with y.squeeze(1)."),
        ((2, 4), torch.int64, "Put the classes on axis 1, with logits.movedim(-1, 1)."),
        ((2, 3), torch.float32, "Convert class labels with y.long()."),
        ((2, 5), torch.int64, "Reshape one of them."),
    ],
)
def test_a_target_of_another_form_is_answered_with_what_makes_it_fit(shape, dtype, advice):
    with pytest.raises(ShapeError) as caught:
        cross_entropy()(torch.zeros(2, 4, 3), torch.zeros(shape, dtype=dtype))
    assert str(caught.value).endswith(f"for (2, 4, 3). {advice}")


@pytest.mark.parametrize("shape", [(7, 4), (7, 4, 3), (2, 4, 3, 2)])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("classes", {}),
        ("probabilities", {}),
        ("classes", {"label_smoothing": 0.2}),
        ("probabilities", {"label_smoothing": 0.2}),
        ("classes", {"weight": WEIGHTS[0]}),
        ("probabilities", {"weight": WEIGHTS[0]}),
        ("classes", {"ignore_index": 1}),
    ],
)
def test_further_axes_and_settings_equal_torch(shape, kind, settings):
    logits = torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = logits.flip(0).softmax(1) if kind == "probabilities" else logits.flip(0).argmax(1)
    assert_loss_equals(cross_entropy, torch.nn.functional.cross_entropy, logits, target, **settings)


def test_all_settings_together_equal_torch():
    settings = {"weight": WEIGHTS[0], "label_smoothing": 0.3, "ignore_index": -100}
    classes = torch.where(CLASSES == 2, -100, CLASSES)
    assert_loss_equals(cross_entropy, torch.nn.functional.cross_entropy, LOGITS, classes, **settings)
    del settings["ignore_index"]
    assert_loss_equals(cross_entropy, torch.nn.functional.cross_entropy, LOGITS, WEIGHTS.softmax(1), **settings)


def test_probabilities_cannot_be_ignored():
    with pytest.raises(ShapeError, match=r"target must be class indices where ignore_index is set, got torch\.float64"):
        cross_entropy(ignore_index=1)(LOGITS, WEIGHTS.softmax(1))


def test_the_mean_is_0_where_all_targets_are_ignored():
    loss = cross_entropy(ignore_index=2)
    assert loss(LOGITS, torch.full((7,), 2)) == 0
    assert not loss.backward().any()


@pytest.mark.parametrize("settings", [{"ignore_index": -100}, {"weight": [1.0, 0.0, 1.0]}])
def test_a_row_that_does_not_count_has_no_gradient_though_all_its_logits_are_masked(settings):
    logits = torch.tensor([[0.0, 1.0, 2.0], [-torch.inf] * 3])
    loss = cross_entropy(**settings)
    assert loss(logits, torch.tensor([0, settings.get("ignore_index", 1)])).isfinite()
    gradient = loss.backward()
    assert gradient[0].all()
    assert gradient[1].tolist() == [0, 0, 0]


def test_the_mean_is_0_where_the_weights_of_all_targets_are_0_though_smoothed():
    loss, target = cross_entropy(weight=[0.0, 1.0, 1.0, 1.0], label_smoothing=0.1), torch.zeros(7, dtype=torch.int64)
    assert loss(LOGITS, target) == loss.mean(LOGITS, target) == 0
    assert not loss.backward().any()
    assert cross_entropy("sum", weight=[0.0, 1.0, 1.0, 1.0], label_smoothing=0.1)(LOGITS, target) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_smoothing": 1.5}, "label_smoothing must be a number from 0 to 1, got 1.5."),
        ({"label_smoothing": -0.1}, "label_smoothing must be a number from 0 to 1, got -0.1."),
        ({"weight": [1.0, float("nan")]}, "weight must be finite numbers, got [1.0, nan]."),
        ({"ignore_index": 1.5}, "ignore_index must be an integer, got 1.5."),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ChainruleError) as caught:
        cross_entropy(**settings)
    assert message in str(caught.value)


def test_there_is_a_weight_for_each_class():
    with pytest.raises(ShapeError, match=r"weight must have one number for each class, \(4,\), got \(3,\)\."):
        cross_entropy(weight=[1.0, 2.0, 3.0])(LOGITS, CLASSES)


@pytest.mark.slow  # it compiles
@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "ignore_index": -1}])
@pytest.mark.parametrize("bad", [-100, 3])
def test_an_index_that_is_no_class_is_refused_by_a_compiled_step_too(settings, bad):
    """It comes after the first batch, at which the loss looks at targets."""
    network = linear(2, 3).build(seed=0)
    step = training_step(network, cross_entropy(**settings), sgd(lr=0.1), compile=True)
    x, y = torch.ones(4, 2), torch.tensor([0, 1, 2, 0])
    step(x, y)
    y[2] = bad
    with pytest.raises(ShapeError, match="class indices must be from 0 to 2, got"):
        step(x, y)
