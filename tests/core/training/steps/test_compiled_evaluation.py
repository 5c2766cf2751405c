"""A compiled evaluation has the values of the eager one, of whatever the network is by then.

Most networks here are of one form, so that few functions are compiled for the file.
"""

import copy
import warnings

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import Buffer, CompileWarning, Metric, Module, ShapeError
from chainrule.layers import dropout, linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule.optimizers import adam, ema
from chainrule.training.evaluation import values_over
from chainrule.training.steps import compiled_evaluation, evaluation_functions
from chainrule.training.steps.compiled import CompiledStep
from chainrule.training.steps.compiled_evaluation import CompiledEvaluation

X = torch.randn(11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.arange(11) % 2


class Centred(Module):
    """Subtract a mean that is updated in train mode, and a shift that nobody declares."""

    def __init__(self):
        self.mean = Buffer(1, 8)
        self.shift = torch.zeros(8, dtype=torch.float64)

    def forward(self, x):
        if self.training:
            self.mean.data.lerp_(x.mean(1, keepdim=True), 0.5)
        self.save_for_backward()
        return x - self.mean.data - self.shift

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output


class Ranks(Metric):
    """A metric of joined rows."""

    joins_rows = True

    def sums(self, prediction, target):
        return {"score": prediction[..., 0]}

    def value(self, sums):
        return sums["score"].sort(1).values[:, 3]


class Asks(accuracy):
    """An accuracy that looks at a value, as no trace can."""

    def sums(self, prediction, target):
        return super().sums(prediction if prediction.sum() < 1e9 else -prediction, target)


METRICS = {"accuracy": accuracy(), "ranks": Ranks()}


def build(inner=Centred):
    network = sequential(linear(3, 8), inner(), dropout(0.5), linear(8, 2)).build(seeds=[0, 1], dtype=torch.float64)
    network(X)  # in train mode
    return network


def evaluation_of(network, metrics=METRICS, splits=(11,)):
    loss = cross_entropy(weight=[0.25, 2.0]).over_members()
    step = CompiledStep(network, loss, adam().attach(network))
    evaluation = CompiledEvaluation(step, metrics, splits)

    def values(compiled=evaluation, data=(X, Y), **options):
        return values_over("fit: train", network, loss, data, metrics, per_member=False, compiled=compiled, **options)

    return evaluation, values


CALL = CompiledEvaluation.__call__


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Let batches have at most eight rows; those here are of six and five."""
    monkeypatch.setattr("chainrule.training.evaluation.CACHED_ELEMENTS", 2 * 8 * 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def expect_the_values_of_the_eager_evaluation():
    network = build()
    evaluation, values = evaluation_of(network)
    for _ in range(2):
        state, random = copy.deepcopy((network.state_dict(), network.random_state()))
        assert_close(values(), values(compiled=None), rtol=1e-12, atol=1e-12)
        assert_close(values()["accuracy"], values(compiled=None)["accuracy"], rtol=0, atol=0)
        assert_close([network.state_dict(), network.random_state()], [state, random], rtol=0, atol=0)
        network.flat.data.mul_(-1.5)
        network.module.modules[1].mean.data.add_(0.5)
    assert len(evaluation._compiled) == 2


def test_it_has_the_values_of_the_eager_evaluation_and_leaves_no_trace():
    expect_the_values_of_the_eager_evaluation()


def call_of(change):
    return CompiledEvaluation, "__call__", lambda self, x, y: change(CALL(self, x, y), x)


STATE_OF = evaluation_functions._state_of

FAULTS = {
    "stale parameters": (evaluation_functions, "_state_of", lambda network: STATE_OF(copy.deepcopy(network))),
    "batches weighted alike": call_of(lambda values, _: values._replace(denominator=1.0)),
    "the last batch left out": call_of(
        lambda values, x: values if x.shape[1] == 6 else values._replace(mean=values.mean * 0)
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_values_that_are_wrong_would_show(fault, monkeypatch):
    test_it_has_the_values_of_the_eager_evaluation_and_leaves_no_trace()
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises(AssertionError, match="not close"):
        expect_the_values_of_the_eager_evaluation()


def test_an_attribute_that_has_changed_counts():
    network = build()
    evaluation, values = evaluation_of(network)
    before = values()
    network.module.modules[1].shift = torch.arange(8.0, dtype=torch.float64)
    assert_close(values(), values(compiled=None), rtol=1e-12, atol=1e-12)
    assert evaluation._compiled
    assert (values()["loss"] - before["loss"]).abs().min() > 0.01


def test_a_function_is_compiled_once_for_evaluations_of_one_form(monkeypatch):
    evaluation_of(build())[1]()
    monkeypatch.setattr("torch._inductor.compile", None)
    monkeypatch.setattr(evaluation_functions, "graph_of", None)
    evaluation, values = evaluation_of(build())
    assert_close(values(), values(compiled=None), rtol=1e-12, atol=1e-12)
    assert evaluation._compiled


def test_what_cannot_be_traced_of_metrics_runs_eagerly_on_the_prediction():
    """A function may keep what it is given."""
    kept = []
    metrics = {"asks": Asks(), **METRICS, "first": lambda prediction, _: kept.append(prediction) or prediction[:, 0, 0]}
    network, data = build(), (X[:6], Y[:6])
    evaluation, values = evaluation_of(network, metrics)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        assert_close(values(data=data), values(compiled=None, data=data), rtol=1e-12, atol=1e-12)
    (compiled,) = evaluation._compiled.values()
    assert compiled.values.sums.keys() == METRICS.keys()
    network.flat.data.zero_()
    values(data=data)
    assert kept[0].abs().min() > 0


class Decides(Centred):
    batch_independent = False

    def forward(self, x):
        return super().forward(x if self.training or x.sum() > 0 else 2 * x)


class Counts(Decides):
    def forward(self, x):
        if not self.training:
            self.mean.data.add_(1)
        return Centred.forward(self, x)


class Remembers(Decides):
    def forward(self, x):
        if not self.training:
            self.last = x.shape
        return Centred.forward(self, x)


REASONS = {
    Decides: "what it does depends on a tensor's value",
    Counts: "it changes a tensor that it is given, such as a Buffer, in eval mode",
    Remembers: "it changes remembers.last in eval mode",
}


@pytest.mark.parametrize("kind", REASONS)
def test_a_module_that_is_more_than_tensor_operations_in_eval_mode_warns_once_and_runs_eagerly(kind):
    network, other = build(kind), build(kind)
    values, expected = evaluation_of(network)[1], evaluation_of(other)[1]
    with pytest.warns(CompileWarning, match=f"^compile=True: the evaluation cannot be compiled .*({REASONS[kind]})"):
        found = values()
    assert_close(found, expected(compiled=None), rtol=0, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(values(), expected(compiled=None), rtol=0, atol=0)


def test_rows_that_do_not_fit_the_loss_raise_its_error():
    _, values = evaluation_of(build())
    values()
    with pytest.raises(ShapeError, match=r"^cross_entropy: class indices must be") as eager:
        values(compiled=None, data=(X, Y * 5))
    with pytest.raises(ShapeError) as found:
        values(data=(X, Y * 5))
    assert str(found.value) == str(eager.value)


@pytest.mark.parametrize(
    ("splits", "most", "rows"),
    [
        ([500], 8192, 500),
        ([455, 114], 8192, 455),
        ([800, 200], 8192, 200),
        ([500], 81, 50),
        ([455, 114], 81, 65),
        ([60_000, 10], 8192, 7500),
        ([1], 1, 1),
    ],
)
def test_rows_of_a_batch_are_chosen_for_few_signatures_and_then_for_few_batches(splits, most, rows):
    assert compiled_evaluation._rows_of_a_batch(splits, most) == rows


@pytest.mark.parametrize("rows", [6, 11])
def test_data_of_more_than_a_batch_is_left_to_several_threads(rows, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    network = build()
    evaluation, values = evaluation_of(network)
    values(data=(X[:rows], Y[:rows]))
    assert len(evaluation._compiled) == (rows == 6)


class Watches:
    """Keep the epochs whose evaluation is compiled, and interrupt the fit after a step."""

    def __init__(self, monkeypatch, *, interrupt=None):
        self.monkeypatch, self.interrupt, self.epochs = monkeypatch, interrupt, set()

    @chainrule.hookimpl
    def chainrule_fit_start(self, run):
        def call(*given):
            self.epochs.add(run.epoch)
            return CALL(*given)

        self.monkeypatch.setattr(CompiledEvaluation, "__call__", call)

    @chainrule.hookimpl
    def chainrule_step_end(self, run):
        if run.step == self.interrupt:
            raise KeyboardInterrupt


def fit(monkeypatch, first, path=None, **options):
    """Fit with a rule that evaluates elsewhere than it trains, in steps that are not compiled, to save time."""
    monkeypatch.setattr(compiled_evaluation, "FROM_EPOCH", first)
    monkeypatch.setattr(CompiledStep, "_variant", lambda *_: None)
    network, watches = build(), Watches(monkeypatch, **options)
    history = chainrule.fit(
        network, cross_entropy(weight=[0.25, 2.0]), ema(inner=adam(lr=0.1)), train=(X, Y), validation=(-X, Y), epochs=4,
        batch_size=11, metrics=METRICS, callbacks=[watches], compile=True, checkpoint=path,
    )  # fmt: skip
    return [*history.values(), *network.state_dict().values()], watches.epochs


def test_a_fit_has_the_same_curves_and_compiles_from_an_epoch_on(monkeypatch):
    (eager, none), (compiled, epochs) = fit(monkeypatch, 9), fit(monkeypatch, 3)
    assert_close(compiled, eager, rtol=1e-12, atol=1e-12)
    assert (none, epochs) == (set(), {3, 4})


def test_a_resumed_fit_compiles_from_the_same_epoch_on(monkeypatch, tmp_path):
    whole, _ = fit(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        fit(monkeypatch, 3, tmp_path / "run.ckpt", interrupt=3)
    resumed, epochs = fit(monkeypatch, 3, tmp_path / "run.ckpt")
    assert_close(resumed, whole, rtol=0, atol=0)
    assert epochs == {3, 4}


def test_evaluations_of_a_step_that_does_not_compile_are_not_compiled_either(monkeypatch):
    monkeypatch.setattr(CompiledStep, "is_eager", True)
    assert fit(monkeypatch, 1)[1] == set()
