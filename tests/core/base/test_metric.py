"""What a metric is told about its sums and its value, and what a call takes."""

import pytest
import torch

from chainrule import ChainruleError, ContractError, Metric, ShapeError, hyperparameter
from chainrule.errors import FrozenSettingError
from chainrule.layers import linear
from chainrule.metrics import accuracy

X = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 1, 0])


class Largest(Metric):
    """The mean of the largest scores, times a factor."""

    factor: float = hyperparameter(default=1.0, at_least=0)

    def sums(self, prediction, target):
        return {"largest": prediction.amax(2).sum(1, dtype=torch.float64), "rows": prediction.shape[1]}

    def value(self, sums):
        return self.factor * sums["largest"] / sums["rows"]


def test_a_call_takes_a_prediction_as_the_network_returns_it():
    single, ensemble = linear(2, 3).build(seed=1), linear(2, 3).build(seeds=[0, 1])
    value = accuracy()(single(X), Y)
    assert value.shape == ()
    of_each = accuracy()(ensemble(X), Y)
    assert of_each.shape == (2,)
    assert of_each[1] == value
    assert torch.equal(accuracy()(ensemble(X).clone(), Y.expand(2, 5), per_member=True), of_each)


def test_a_call_compares_rows():
    with pytest.raises(
        ShapeError, match=r"^accuracy: prediction and target must have the same rows, at least one, got "
    ):
        accuracy()(X, Y[:3])
    with pytest.raises(ShapeError, match=r"^accuracy: target must be a tensor, got \[0, 1\]\."):
        accuracy()(X, [0, 1])


def test_settings_are_keywords_that_are_checked_and_frozen():
    assert Largest(factor=2.0)(X, Y) == 2 * Largest()(X, Y)
    with pytest.raises(
        ChainruleError, match=r"^largest: takes arguments by name, got 2\.0\. Write largest\(factor=…\)"
    ):
        Largest(2.0)
    with pytest.raises(ChainruleError, match=r"^largest: factor must be at least 0, got -1\.0\."):
        Largest(factor=-1.0)
    metric = Largest()
    with pytest.raises(FrozenSettingError, match=r"^largest: attributes must stay as they are"):
        metric.factor = 3.0


def test_the_value_has_the_dtype_of_the_prediction():
    assert [Largest()(X.to(dtype), Y).dtype for dtype in (torch.float32, torch.float64)] == [
        torch.float32,
        torch.float64,
    ]


def test_an_attribute_of_another_library_is_answered():
    with pytest.raises(ChainruleError, match=r'^accuracy: has no "compute"\. chainrule\.evaluate\('):
        accuracy().compute()


def test_a_misspelt_class_attribute_is_refused():
    with pytest.raises(ContractError, match=r'join_rows is not part of the contract\. Did you mean "joins_rows"\?'):
        type("Mine", (Largest,), {"join_rows": True})


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda p: p.sum(1), "mine: sums must return a dict of sums by name, got a tensor (1, 2)."),
        (lambda p: {}, "mine: sums must return a dict of sums by name, got {}."),
        (lambda p: {"n": True}, 'mine: "n" of sums must be a tensor (M, …) or a number, got True.'),
        (lambda p: {"n": p.sum()}, 'mine: "n" of sums must have shape (1, …), got (). Sum over the rows alone'),
    ],
)
def test_sums_that_are_none_are_refused(returned, words):
    class Mine(Largest):
        def sums(self, prediction, target):
            return returned(prediction)

    with pytest.raises(ContractError) as caught:
        Mine()(X, Y)
    assert str(caught.value).startswith(words)


def test_a_value_for_all_members_is_refused():
    class Mine(Largest):
        def value(self, sums):
            return sums["largest"].mean()

    with pytest.raises(ContractError, match=r"^mine: value must return a tensor \(1,\) for 1 members, got \(\)\."):
        Mine()(X, Y)
