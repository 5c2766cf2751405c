"""The forms in which fit and evaluate take metrics, and values over a whole split."""

import copy

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import ChainruleError, ContractError, Metric
from chainrule.base.metric_total import MetricTotal
from chainrule.errors import label
from chainrule.layers import linear
from chainrule.losses import cross_entropy, mse
from chainrule.metrics import accuracy
from chainrule.optimizers import sgd

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(23, 4, generator=GENERATOR)
Y = torch.randint(3, (23,), generator=GENERATOR)
BATCHES = [(X[:1], Y[:1]), (X[1:9], Y[1:9]), (X[9:], Y[9:])]


class Median(Metric):
    """The median of the largest scores, which no sum gives."""

    joins_rows = True

    def sums(self, prediction, target):
        return {"largest": prediction.amax(2)}

    def value(self, sums):
        return sums["largest"].double().median(1).values


class Counts(Metric):
    """How often each class is predicted."""

    one_number = False

    def sums(self, prediction, target):
        return {"counts": torch.nn.functional.one_hot(prediction.argmax(2), 3).sum(1)}

    def value(self, sums):
        return sums["counts"]


def top(prediction, target):
    return prediction.amax((1, 2))


def evaluate(metrics, data=(X, Y), **settings):
    return chainrule.evaluate(linear(4, 3).build(**settings), cross_entropy(), data, metrics=metrics)


def fit(metrics, train=(X, Y), **settings):
    network = linear(4, 3).build(seeds=[0, 1])
    return chainrule.fit(network, cross_entropy(), sgd(), train=train, metrics=metrics, **settings)


@pytest.mark.parametrize(
    "metrics",
    [
        ["accuracy"],
        ("chainrule:accuracy",),
        [accuracy()],
        [accuracy],
        {"accuracy": accuracy()},
        {"accuracy": accuracy},
        {"accuracy": "accuracy"},
    ],
    ids=str,
)
def test_a_metric_is_given_by_its_name_its_class_or_itself(metrics):
    found = evaluate(metrics)
    assert list(found) == ["loss", "accuracy"]
    assert_close(found["accuracy"], (linear(4, 3).build()(X).argmax(1) == Y).float().mean())
    assert list(fit(metrics)) == ["train_loss", "train_accuracy"]


def test_a_list_may_hold_functions_and_the_order_is_kept():
    found = evaluate([top, "accuracy", Median()])
    assert list(found) == ["loss", "top", "accuracy", "median"]


@pytest.mark.parametrize("record", chainrule.components("metrics"), ids=lambda record: record.name)
def test_a_metric_in_a_list_is_recorded_under_its_registered_name(record):
    assert label(chainrule.get("metrics", record.full_name)) == record.name


@pytest.mark.parametrize("settings", [{}, {"seeds": [0, 1]}], ids=["single", "ensemble"])
def test_batches_of_any_size_give_the_value_of_the_split(settings):
    metrics = {"accuracy": accuracy(), "median": Median(), "counts": Counts()}
    whole, parts = evaluate(metrics, **settings), evaluate(metrics, BATCHES, **settings)
    assert_close(parts, whole)
    assert whole["counts"].shape == ((2, 3) if settings else (3,))
    assert whole["counts"].sum(-1).unique().tolist() == [23]


def test_on_the_fly_rows_are_joined_over_the_steps():
    network = linear(4, 3).build(seeds=[0, 1])
    expected = network(X).amax(2).median(1).values
    history = chainrule.fit(network, cross_entropy(), sgd(lr=0.0), train=BATCHES, metrics=[Median()])
    assert_close(history["train_median"], expected.unsqueeze(0))


def test_rows_survive_a_step_that_writes_its_output_again():
    class First(Median):
        def sums(self, prediction, target):
            return {"largest": prediction[..., 0]}

    total, output = MetricTotal(First(), 1), torch.zeros(1, 2, 3)
    for number in (1.0, 2.0, 3.0):
        total.add(output.fill_(number), torch.zeros(1, 2))
    assert total.value().item() == 2.0


def test_sums_go_beyond_what_single_precision_counts():
    class Scores(Counts):
        def sums(self, prediction, target):
            return {"counts": prediction.sum(1)}

    total = MetricTotal(Scores(), 1)
    for score in (2.0**24, 1.0):
        total.add(torch.full((1, 1, 3), score), torch.zeros(1, 1))
    assert total.value().tolist() == [[2**24 + 1] * 3]


def test_a_table_is_no_curve():
    with pytest.raises(
        ChainruleError, match=r"^fit: a metric must be one number for each member.*, got counts\. Pass it"
    ):
        fit([Counts()])


def test_another_shape_in_a_later_batch_is_not_broadcast():
    class Rows(Median):
        joins_rows = False

    with pytest.raises(ContractError, match=r'"largest" of sums must have shape \(1, 1\) as before, got \(1, 8\)\.'):
        evaluate([Rows()], BATCHES)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("accuracy", "metrics must be a list or a dict by name, got 'accuracy'. Pass metrics=[\"accuracy\"]."),
        (accuracy(), "metrics must be a list or a dict by name, got Accuracy("),
        (accuracy, "metrics must be a list or a dict by name, got the class Accuracy."),
        (["acuracy"], 'No metric is registered as "acuracy". Did you mean "accuracy"'),
        (
            [lambda p, t: p.mean((1, 2))],
            'a metric in a list must have a name, got a lambda. Write metrics={"name": …}.',
        ),
        (["accuracy", accuracy()], "the names of metrics must be different texts, got 'accuracy' twice."),
        ({1: accuracy()}, "the names of metrics must be different texts, got 1."),
        ({"loss": accuracy()}, 'the name "loss" must be the loss\'s own, got a metric. Rename the metric.'),
        ({"a": 3}, "metric a must be a metric, its name, or a function (prediction, target) -> (M,), got 3."),
        (
            {"a": torch.nn.L1Loss},
            "got the class L1Loss of torch.nn. Pass one of chainrule.metrics, such as accuracy().",
        ),
    ],
)
def test_what_is_no_metric_is_answered_in_one_line(metrics, words):
    for call, name in ((evaluate, "evaluate"), (fit, "fit")):
        with pytest.raises(ChainruleError) as caught:
            call(metrics)
        message = str(caught.value)
        assert words in message
        assert message.startswith((f"{name}: ", "No metric"))
        assert "\n" not in message


def halves_the_prediction(prediction, target):
    return prediction.mul_(0.5).sub(target).square().mean((1, 2))


def halves_the_target(prediction, target):
    return target.mul_(0.5).sub(prediction).square().mean((1, 2))


class Halving(Metric):
    def sums(self, prediction, target):
        return {"sum": prediction.mul_(0.5).sum((1, 2)), "rows": prediction.shape[1]}

    def value(self, sums):
        return sums["sum"] / sums["rows"]


@pytest.mark.parametrize(
    ("metric", "part"),
    [(halves_the_prediction, "prediction"), (halves_the_target, "target"), (Halving(), "prediction")],
)
def test_a_metric_that_changes_what_it_is_given_is_refused(metric, part):
    network, data = linear(2, 2).build(), (torch.ones(6, 2), torch.ones(6, 2))
    message = f'^metric "first": must leave prediction and target as they are, got the {part} changed in place'
    metrics = {"first": metric, "second": lambda p, t: (p - t).abs().mean((1, 2))}
    with pytest.raises(ContractError, match=message):
        chainrule.evaluate(network, mse(), data, metrics=metrics)
    with pytest.raises(ContractError, match=message):
        chainrule.fit(network, mse(), sgd(), train=data, metrics=metrics)


def test_running_metrics_do_not_see_what_another_has_changed():
    network, batches = linear(2, 2).build(), [(torch.ones(6, 2), torch.ones(6, 2))]
    second = lambda p, t: (p - t).abs().mean((1, 2))  # noqa: E731
    alone = chainrule.fit(copy.copy(network), mse(), sgd(), train=batches, metrics={"second": second})
    metrics = {"first": halves_the_prediction, "second": second}
    both = chainrule.fit(network, mse(), sgd(), train=batches, metrics=metrics)
    assert torch.equal(both["train_second"], alone["train_second"])


def accuracy_as_in_torch(prediction, target):
    return (prediction.argmax(1) == target).float().mean()


def test_the_error_of_a_function_has_a_note_with_its_name_and_the_shapes():
    with pytest.raises(RuntimeError, match=r"^The size of tensor ") as caught:
        evaluate({"mine": accuracy_as_in_torch})
    assert caught.value.__notes__ == [
        'metric "mine": was given prediction (1, 23, 3) and target (1, 23), whose first axis is the members, also of a '
        "single network."
    ]


@pytest.mark.parametrize("error", [ContractError("mine: own."), torch.OutOfMemoryError("large"), KeyError("own")])
def test_errors_of_a_function_stay_as_they_are(error):
    def fails(prediction, target):
        raise error

    with pytest.raises(type(error)) as caught:
        evaluate({"mine": fails})
    assert caught.value is error
