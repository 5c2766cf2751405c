import copy
from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from chainrule import BackwardError, ChainruleError, ContractError, HyperparameterError, Loss, ShapeError, fit, label
from chainrule.layers import linear
from chainrule.losses import bce, bce_with_logits, cross_entropy, dice, focal, mse, nll, poisson_nll
from chainrule.optimizers import sgd
from tests.contracts.correct_modules import ErrorSpread, WeightedCrossEntropy

ROWS = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])
ZEROS = torch.zeros(3, 2)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mean_is_the_same_whatever_the_reduction(reduction: str) -> None:
    assert mse(reduction).mean(ROWS, ZEROS) == ROWS.square().mean()
    assert mse(reduction, members=True).mean(ROWS.expand(2, 3, 2), ZEROS).tolist() == [ROWS.square().mean().item()] * 2


def test_mean_leaves_what_the_last_call_kept() -> None:
    loss = mse("sum")
    loss(ROWS, ZEROS)
    loss.mean(ZEROS, ZEROS)
    assert_close(loss.backward(), 2 * ROWS)


def test_mean_that_raises_leaves_the_loss_usable() -> None:
    loss = mse("sum")
    with pytest.raises(ShapeError):
        loss.mean(ROWS, ROWS.T)
    loss(ROWS, ZEROS)
    assert_close(loss.backward(), 2 * ROWS)


@pytest.mark.parametrize(
    ("loss", "bounds"),
    [
        (bce(), "0 to 1"),
        (bce_with_logits(), "0 to 1"),
        (focal(), "0 to 1"),
        (dice(), "0 to 1"),
        (poisson_nll(), "0 to inf"),
    ],
)
def test_targets_outside_of_their_domain_raise(loss: Loss, bounds: str) -> None:
    halves = torch.full((2, 3, 4), 0.5)
    for reduction in (loss, loss.mean):
        reduction(halves, halves.round())
        with pytest.raises(ShapeError) as caught:
            reduction(halves[:1], -255 * halves[:1])
        assert str(caught.value).startswith(f"{label(loss)}: targets must be from {bounds}, got -127.5 to -127.5. ")


def test_backward_goes_through_each_call_once() -> None:
    loss = mse()
    with pytest.raises(BackwardError, match="called without a forward in train mode"):
        loss.backward()
    loss(ROWS, ROWS)
    loss.backward()
    with pytest.raises(BackwardError):
        loss.backward()


def test_a_loss_over_members_is_a_copy_with_the_same_reduction() -> None:
    loss = mse("sum")
    ensemble = loss.over_members()
    assert (ensemble.reduction, ensemble.members, loss.members) == ("sum", True, False)
    assert repr(ensemble) == 'Mse(reduction="sum", members=True)'


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda: nll(torch.ones(3)), "Pass weight, ignore_index by name."),
        (lambda: poisson_nll(False), "Pass log_input, full, eps by name."),
        (lambda: mse(ROWS), "Make the loss first: loss = mse(), then loss(prediction, target)."),
    ],
)
def test_a_setting_in_the_place_of_the_reduction_raises(make: Callable[[], Loss], fix: str) -> None:
    with pytest.raises(HyperparameterError) as caught:
        make()
    assert str(caught.value).endswith(f". {fix}")


def test_an_unknown_reduction_raises() -> None:
    with pytest.raises(HyperparameterError) as caught:
        mse("average")
    assert str(caught.value) == (
        'mse: reduction must be "mean", "sum" or "none", got \'average\'. Choose one of the three.'
    )


def test_the_terms_of_an_ensemble_have_its_member_axis() -> None:
    predictions = torch.stack([ROWS, 2 * ROWS])
    assert_close(mse("none")(ROWS, ZEROS), ROWS.square())
    assert_close(mse("none", members=True)(predictions, ZEROS), predictions.square())
    assert cross_entropy("none", members=True)(predictions, torch.zeros(3).long()).shape == (2, 3)


@pytest.mark.parametrize("members", [False, True])
def test_terms_are_weighted_in_backward(members: bool) -> None:
    prediction = torch.stack([ROWS, 2 * ROWS]) if members else ROWS
    classes, weights = torch.tensor([0, 1, 1]), torch.tensor([[0.5, 0.0, 2.0], [1.0, -1.0, 3.0]])[: 1 + members]
    leaf = prediction.clone().requires_grad_()
    terms = -leaf.log_softmax(-1).gather(-1, classes.expand(leaf.shape[:-1]).unsqueeze(-1)).squeeze(-1)
    weights = weights if members else weights[0]
    (weights * terms).sum().backward()
    loss = cross_entropy("none", members=members)
    assert_close(loss(prediction, classes), terms.detach())
    assert_close(loss.backward(weights), leaf.grad)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_grad_output_multiplies_each_members_gradient(reduction: str) -> None:
    single, ensemble = mse(reduction), mse(reduction, members=True)
    single(ROWS, ZEROS)
    expected = single.backward()
    single(ROWS, ZEROS)
    assert_close(single.backward(torch.tensor(3.0)), 3 * expected)
    ensemble(ROWS.expand(2, 3, 2), ZEROS)
    assert_close(ensemble.backward(torch.tensor([3.0, -1.0])), torch.stack([3 * expected, -expected]))


@pytest.mark.parametrize(
    ("loss", "grad_output", "message"),
    [
        (mse("mean"), torch.ones(1), "(), got (1,)."),
        (mse("mean"), 2.0, "(), got 2.0."),
        (mse("none"), torch.ones(3), "(3, 2), got (3,)."),
        (mse("none"), torch.ones(1, 3, 2), "(3, 2), got (1, 3, 2)."),
        (mse("sum", members=True), torch.tensor(1.0), "(2,), got ()."),
        (mse("none", members=True), torch.ones(3, 2), "(2, 3, 2), got (3, 2)."),
    ],
    ids=str,
)
def test_grad_output_of_another_shape_raises_and_may_be_corrected(loss, grad_output, message) -> None:
    value = loss(ROWS.expand(2, 3, 2) if loss.members else ROWS, ZEROS)
    with pytest.raises(ShapeError) as caught:
        loss.backward(grad_output)
    assert str(caught.value) == (
        f"mse: grad_output must have the loss's shape {message} Pass dL/dloss of what the call returned."
    )
    loss.backward(torch.ones_like(value))
    with pytest.raises(BackwardError, match="without a forward"):
        loss.backward(grad_output)


def test_terms_that_depend_on_several_rows_take_no_weights() -> None:
    loss = ErrorSpread("none")
    loss(ROWS, ZEROS)
    assert_close(loss.backward(), 2 * (ROWS - ROWS.mean(0)))
    loss(ROWS, ZEROS)
    with pytest.raises(ChainruleError, match=r"^error_spread: backward takes no weights of terms that depend on"):
        loss.backward(ZEROS)


class SumOfOldContracts(Loss):
    def forward(self, prediction, target):
        return (prediction - target).square().sum((1, 2))

    def gradient(self):
        raise NotImplementedError


class TermsOfPairs(SumOfOldContracts):
    def forward(self, prediction, target):
        return (prediction.unsqueeze(1) - target.unsqueeze(2)).square().sum(-1).flatten(1)


@pytest.mark.parametrize(("loss", "shape"), [(SumOfOldContracts(), "(1,)"), (TermsOfPairs(), "(1, 9)")], ids=repr)
def test_a_forward_that_returns_no_terms_is_refused(loss, shape) -> None:
    for call in (loss, loss.mean):
        with pytest.raises(ShapeError) as caught:
            call(ROWS, ZEROS)
        assert str(caught.value).endswith(
            "forward must return terms (M, N, …), a shape that the prediction's begins with, "
            f"got {shape} for (1, 3, 2). Leave the sum over the terms to the core."
        )


class Gives(mse):
    """Give these terms, and this gradient, in place of true ones."""

    def __init__(self, terms=None, gradient=None):
        super().__init__()
        self.terms, self.found = terms, gradient

    def forward(self, prediction, target):
        own = super().forward(prediction, target)
        return self.terms(own) if self.terms else own

    def gradient(self):
        return self.found(super().gradient())


@pytest.mark.parametrize(("terms", "got"), [(lambda _: None, "a NoneType"), (lambda _: 1.0, "a float")])
def test_a_forward_that_returns_no_tensor_is_refused(terms, got) -> None:
    with pytest.raises(
        ContractError, match=f"^gives: forward must return a tensor of terms .*, got {got}\\. Return it"
    ):
        Gives(terms)(ROWS, ZEROS)


@pytest.mark.parametrize(
    ("gradient", "got"),
    [
        (lambda grad: grad.mean(2, keepdim=True), r"\(1, 3, 1\)"),
        (lambda grad: grad[0], r"\(3, 2\)"),
        (lambda _: None, "a NoneType"),
        (lambda grad: (grad,), "a tuple"),
    ],
)
def test_a_gradient_of_another_form_is_refused_also_where_it_could_be_broadcast(gradient, got) -> None:
    loss = Gives(gradient=gradient)
    loss(ROWS, ZEROS)
    loss.mean(ROWS[:2], ZEROS[:2])  # which does not change what backward returns
    rule = r"gradient must return a tensor of the prediction's shape \(1, 3, 2\)"
    with pytest.raises(ContractError, match=f"^gives: {rule}, got {got}\\."):
        loss.backward()


class Unfinished(mse):
    def __init__(self):
        self.delta = 1.0


def test_a_loss_whose_constructor_leaves_out_its_parents_is_told_to_call_it() -> None:
    with pytest.raises(ChainruleError, match=r'^unfinished: has no "reduction"\. Call super\(\)\.__init__\(reduction'):
        fit(linear(2, 2).build(), Unfinished(), sgd(), train=(ROWS, ZEROS), epochs=1)


class Divides(mse):
    def __init__(self, denominator, **settings):
        super().__init__(**settings)
        self.given = denominator

    def denominator(self, prediction, target):
        return self.given


def test_the_examples_of_a_loss_with_a_setting_before_the_reduction_are_of_both_reductions() -> None:
    class Scaled(mse):
        def __init__(self, factor: float = 2.0, reduction: str = "mean", *, members: bool = False) -> None:
            super().__init__(reduction, members=members)
            self.factor = factor

    assert [loss.reduction for loss, _, _ in Loss.examples.__func__(Scaled)] == ["mean", "sum"]


@pytest.mark.parametrize(
    ("denominator", "got"),
    [
        (0, "got 0."),
        (None, "got None."),
        (torch.tensor(6), "got a tensor ()."),
        (torch.ones(2, 3), "got a tensor (2, 3)."),
    ],
)
def test_a_denominator_of_another_form_is_refused(denominator, got) -> None:
    with pytest.raises(ShapeError) as caught:
        Divides(denominator, members=True)(ROWS.expand(2, 3, 2), ZEROS)
    assert str(caught.value) == (
        "divides: denominator must return a number other than 0 or a tensor (M,) = (2,), "
        f"{got} Sum over the rows of each member, as with .sum(1)."
    )


def test_a_member_that_counts_no_row_has_a_mean_and_a_gradient_of_zero() -> None:
    loss = WeightedCrossEntropy(weight=(0.5, 2.0), members=True)
    targets = torch.tensor([[-100, -100, -100], [0, 1, -100]])
    value = loss(ROWS.expand(2, 3, 2), targets, per_member=True)
    grad = loss.backward()
    assert (value[0], grad[0].count_nonzero(), loss.mean(ROWS.expand(2, 3, 2), targets, per_member=True)[0]) == (
        0,
        0,
        0,
    )
    assert (value[1] > 0) & (grad[1, :2] != 0).all() & (grad[1, 2] == 0).all()


def test_the_number_of_terms_is_that_of_the_given_batch_whatever_was_called_before() -> None:
    loss = mse()
    loss(ROWS, ZEROS)
    assert loss.denominator(ROWS[None, :2], ZEROS[None, :2]) == 4
    assert_close(loss.backward(), 2 * ROWS / 6)
    assert loss.denominator(ROWS[None], ZEROS[None]) == 6


@pytest.mark.parametrize(("loss", "target"), [(mse(), ZEROS), (cross_entropy(), torch.tensor([0, 1, 1]))], ids=str)
def test_an_ensembles_predictions_are_refused_without_members(loss, target) -> None:
    name = "mse" if isinstance(loss, mse) else "cross_entropy"
    with pytest.raises(ShapeError) as caught:
        loss(ROWS.expand(4, 3, 2), target)
    assert str(caught.value) == (
        f"{name}: prediction and target must have the same rows, got (4, 3, 2) and {tuple(target.shape)}. "
        f"A layer keeps the rows of x; predictions (M, N, …) of an ensemble need {name}(members=True)."
    )


@pytest.mark.parametrize(
    ("target", "per_member", "words"),
    [
        (
            ROWS.expand(4, 3, 2),
            False,
            "(4, 3, 2) and (4, 3, 2). A target (M, N, …) needs per_member=True, a prediction (N, …) mse().",
        ),
        (ROWS[:1], False, "(4, 3, 2) and (1, 2). Pass a target (N, …) that all members share."),
        (ROWS.expand(5, 3, 2), True, "(4, 3, 2) and (5, 3, 2). Pass a target (M, N, …)."),
    ],
)
def test_a_target_of_other_rows_than_an_ensembles_is_shown_as_it_was_passed(target, per_member, words) -> None:
    for call in (mse(members=True), mse(members=True).mean):
        with pytest.raises(ShapeError) as caught:
            call(ROWS.expand(4, 3, 2), target, per_member=per_member)
        assert str(caught.value) == f"mse: prediction and target must have the same rows, got {words}"


def test_a_mean_over_no_rows_raises() -> None:
    with pytest.raises(ShapeError, match=r"^mse: a mean needs at least one term; the batch is empty"):
        mse()(ZEROS[:0], ZEROS[:0])


def test_targets_per_member_need_a_loss_over_members() -> None:
    with pytest.raises(ShapeError, match=r"^mse: per_member must be False .* Make the loss as mse\(members=True\)\.$"):
        mse()(ROWS, ZEROS, per_member=True)


@pytest.mark.parametrize("settings", [{}, {"members": True}, {"reduction": "none"}], ids=str)
def test_a_value_answers_a_call_of_its_backward(settings, tmp_path):
    value = mse(**settings)(ROWS.expand(2, 3, 2) if "members" in settings else ROWS, ZEROS)
    torch.save(value, tmp_path / "value.pt")
    for one in (value, copy.deepcopy(value)):
        with pytest.raises(BackwardError, match=r"^loss: its value has no backward, .* network\.backward\(loss"):
            one.backward()
    assert torch.equal(torch.load(tmp_path / "value.pt", weights_only=True), value)


class TestTheDomainOfPredictions:
    INSIDE, OUTSIDE = torch.tensor([[0.5], [1.0]]), torch.tensor([[0.5], [1.5]])

    @pytest.mark.parametrize("method", ["__call__", "mean"])
    def test_predictions_outside_are_refused_until_they_are_inside(self, method: str) -> None:
        loss = bce()
        for _ in range(2):
            with pytest.raises(ShapeError) as caught:
                getattr(loss, method)(self.OUTSIDE, ZEROS[:2, :1])
            assert str(caught.value) == (
                "bce: predictions must be from 0 to 1, got 0.5 to 1.5. End the network with an activation that maps "
                "there."
            )
        assert getattr(loss, method)(self.INSIDE, ZEROS[:2, :1]) > 0

    def test_later_batches_of_a_shape_are_not_looked_at(self) -> None:
        loss = bce()
        loss(self.INSIDE, ZEROS[:2, :1])
        assert loss(self.OUTSIDE, ZEROS[:2, :1]).isnan()
        with pytest.raises(ShapeError):
            loss(self.OUTSIDE[1:], ZEROS[:1, :1])

    def test_a_prediction_that_is_no_number_gives_none(self) -> None:
        assert bce()(self.INSIDE * torch.nan, ZEROS[:2, :1]).isnan()
