"""Steps that are staged and launched many at a time are the steps taken one at a time, and only those taken count.

All networks here are of one form, so that one function is compiled for the file.
"""

import copy
import warnings

import pytest
import torch

import chainrule
from chainrule import CompileWarning, ShapeError, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam, sgd
from chainrule.training.steps import functions, launches, recording, stage
from chainrule.training.steps.compiled import CompiledStep
from chainrule.training.steps.eager import TrainingStep

ROWS = 4


def build():
    return sequential(linear(3, 5), tanh(), linear(5, 2)).build(seeds=[0, 1], dtype=torch.float64)


def loss():
    return cross_entropy(weight=[0.25, 2.0])


def data(batches):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batches * ROWS, 3, generator=generator, dtype=torch.float64)
    return x, torch.randint(2, (batches * ROWS,), generator=generator)


def stacked(batches):
    """Return the batches of both members, (S, M, N, …)."""
    x, y = data(batches)
    xs, ys = x.view(batches, 1, ROWS, 3), y.view(batches, 1, ROWS)
    return xs.expand(-1, 2, -1, -1).contiguous(), ys.expand(-1, 2, -1).contiguous()


def step_of(network, kind=CompiledStep, **options):
    return kind(network, loss().over_members(), adam(**{"lr": 0.05, **options}).attach(network))


def state_of(step):
    updater = step.step.updater if isinstance(step, CompiledStep) else step.updater
    return [updater.t, updater.network.flat.data.clone(), updater.state_dict()["state"]]


def expect_same(one, other):
    torch.testing.assert_close(state_of(one), state_of(other), rtol=0, atol=0)


def fall(t):
    return 1 / t


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Let a stage hold three steps, so that a few more need several."""
    monkeypatch.setattr(stage, "STEPS", 3)


def test_steps_taken_together_are_to_the_bit_those_taken_one_by_one():
    together, alone = (step_of(build(), schedule=fall) for _ in range(2))
    xs, ys = stacked(8)
    with torch.inference_mode():
        outputs = together.take_all(xs, ys)
        for x, y in zip(xs, ys, strict=True):
            last = alone(x, y)
    assert len(together.variants) == 1
    expect_same(together, alone)
    torch.testing.assert_close(outputs, last, rtol=0, atol=0)


def test_a_staged_step_follows_the_eager_one():
    compiled, eager = step_of(build(), schedule=fall), step_of(build(), TrainingStep, schedule=fall)
    xs, ys = stacked(8)
    with torch.inference_mode():
        compiled.take_all(xs, ys)
        for x, y in zip(xs, ys, strict=True):
            eager(x, y)
    torch.testing.assert_close(state_of(compiled), state_of(eager), rtol=1e-9, atol=1e-12)


def test_each_rule_keeps_its_rate_where_another_is_given_one_for_each_member(traced):
    """The k-th number for each member belongs to one rule at some steps, and to the other at the next ones."""
    each = torch.tensor([1.0, 0.25])
    rules = {
        "*.weight": sgd(lr=0.1, schedule=lambda t: each if t <= 4 else 1.0),
        "*.bias": sgd(lr=0.1, schedule=lambda t: 1.0 if t <= 4 else each),
    }
    xs, ys = stacked(8)
    steps = []
    for kind in (CompiledStep, TrainingStep):
        network = build()
        step = kind(network, loss().over_members(), param_groups(rules).attach(network))
        with torch.inference_mode():
            step.take_all(xs, ys) if kind is CompiledStep else [step(*batch) for batch in zip(xs, ys, strict=True)]
        steps.append(step)
    torch.testing.assert_close(*map(state_of, steps), rtol=1e-9, atol=1e-12)
    assert len(traced) == 2


@pytest.mark.parametrize("evaluate_train", [True, False])
def test_a_fit_that_stages_has_the_curves_of_one_that_does_not(evaluate_train):
    """The last batch of an epoch is smaller, so it is taken eagerly; the weights of a batch are its denominator."""
    x, y = data(8)
    curves = []
    for compile in (True, False):
        network = build()
        options = {"epochs": 3, "batch_size": ROWS, "compile": compile, "evaluate_train": evaluate_train}
        history = chainrule.fit(network, loss(), adam(lr=0.05, schedule=fall), train=(x[:-1], y[:-1]), **options)
        assert history.updater.t == 24
        curves.append(history["train_loss"])
    torch.testing.assert_close(*curves, rtol=1e-9, atol=1e-12)


def test_a_value_that_is_kept_stays_what_it_was():
    step = chainrule.training_step(build(), loss(), adam(lr=0.05, schedule=fall), compile=True)
    xs, ys = stacked(3)
    kept = [step(x, y, per_member=True) for x, y in zip(xs, ys, strict=True)]
    assert len({tuple(value.tolist()) for value in kept}) == 3


def test_a_batch_that_requires_a_gradient_leaves_no_graph_behind():
    step = chainrule.training_step(build(), loss(), adam(lr=0.05, schedule=fall), compile=True)
    x, y = (tensor[0] for tensor in stacked(1))
    x.requires_grad_()
    values = [step(x, y, per_member=True) for _ in range(2)]
    (compiled,) = step._step.variants
    assert not any(tensor.requires_grad for tensor in (*values, *compiled.outputs, *compiled.stage.tensors))


def test_a_bad_batch_among_staged_ones_is_told_and_only_the_steps_before_it_count():
    together, alone = (step_of(build(), schedule=fall) for _ in range(2))
    xs, ys = stacked(8)
    ys[4, 0, 1] = 2
    with torch.inference_mode():
        with pytest.raises(ShapeError, match="class indices must be from 0 to 1, got 0 to 2"):
            together.take_all(xs, ys)
        for x, y in zip(xs[:4], ys[:4], strict=True):
            alone(x, y)
    assert together.step.updater.t == 4
    torch.testing.assert_close(state_of(together)[:2], state_of(alone)[:2], rtol=0, atol=0)


def test_an_interrupt_leaves_the_count_of_the_steps_taken():
    step = step_of(build(), schedule=fall)
    xs, ys = stacked(8)
    with torch.inference_mode():
        step.take_all(xs[:1], ys[:1])
        calls, count = list(step.variants[0].calls), []

        def interrupt():
            count.append(1)
            if len(count) == 5:
                raise KeyboardInterrupt

        step.variants[0] = step.variants[0]._replace(calls=[*calls, interrupt])
        with pytest.raises(KeyboardInterrupt):
            step.take_all(xs[1:], ys[1:])
    assert step.step.updater.t == 1 + 4


def test_a_schedule_that_fails_later_fails_at_its_own_step():
    def runs_out(t):
        if t == 6:
            raise ValueError("no sixth step")
        return 1 / t

    step, other = step_of(build(), schedule=runs_out), step_of(build(), schedule=fall)
    xs, ys = stacked(8)
    with torch.inference_mode():
        with pytest.raises(ValueError, match="no sixth step"):
            step.take_all(xs, ys)
        other.take_all(xs[:5], ys[:5])
    torch.testing.assert_close(state_of(step)[1:], state_of(other)[1:], rtol=0, atol=0)


def test_an_interrupt_while_steps_are_staged_counts_none_of_them():
    def interrupts(t):
        if t == 6:
            raise KeyboardInterrupt
        return 1 / t

    step, other = step_of(build(), schedule=interrupts), step_of(build(), schedule=fall)
    xs, ys = stacked(8)
    with torch.inference_mode():
        with pytest.raises(KeyboardInterrupt):
            step.take_all(xs, ys)
        other.take_all(xs[:3], ys[:3])
    expect_same(step, other)


FAULTS = {
    "a kernel is forgotten": lambda calls: [*calls[1:], lambda: None],
    "a kernel is called twice": lambda calls: [*calls, *calls],
}


@pytest.mark.parametrize("fault", [*FAULTS, "the recorder fails"])
def test_calls_that_do_not_repeat_the_function_are_not_used(fault, monkeypatch):
    record = recording.record

    def wrong(function, tensors):
        calls, outputs = record(function, tensors)
        if fault == "the recorder fails":
            raise AttributeError("torch has changed")
        return FAULTS[fault](calls), outputs

    monkeypatch.setattr(launches, "record", wrong)
    step, other = step_of(build(), schedule=fall), step_of(build(), TrainingStep, schedule=fall)
    xs, ys = stacked(8)
    with torch.inference_mode():
        with pytest.warns(CompileWarning, match="^compile=True: the compiled step cannot be recorded"):
            step.take_all(xs, ys)
        for x, y in zip(xs, ys, strict=True):
            other(x, y)
    torch.testing.assert_close(state_of(step), state_of(other), rtol=1e-9, atol=1e-12)


def test_a_batch_that_a_call_froze_shows_on_the_second_step(monkeypatch):
    """A call that reads a copy made while recording repeats the first step right, and no other."""
    record = recording.record

    def freezing(function, tensors):
        calls, outputs = record(function, tensors)
        xs = next(tensor for tensor in tensors if tensor.dim() == 4)
        frozen = xs.clone()
        return [lambda: xs.copy_(frozen), *calls], outputs

    monkeypatch.setattr(launches, "record", freezing)
    step = step_of(build(), schedule=fall)
    xs, ys = stacked(2)
    with torch.inference_mode(), pytest.warns(CompileWarning, match="do not repeat it"):
        step.take_all(xs, ys)


class Sorts(chainrule.Module):
    """Sort each row, and mix by an orthogonal factor: operations that inductor leaves to torch."""

    def forward(self, x):
        y, order = x.sort(-1)
        factor, _ = torch.linalg.qr(y.mT @ y + 3 * torch.eye(5, dtype=x.dtype))
        self.save_for_backward(order, factor)
        return y @ factor

    def backward(self, grad_output):
        """Return a gradient that takes the factor as given, which does for a step to be followed."""
        order, factor = self.saved_tensors()
        return torch.zeros_like(grad_output).scatter_(-1, order, grad_output @ factor.mT)


def test_operations_that_make_new_tensors_are_launched_too():
    network = sequential(linear(3, 5), Sorts(), linear(5, 2)).build(seeds=[0, 1], dtype=torch.float64)
    steps = step_of(network), step_of(copy.deepcopy(network), TrainingStep)
    xs, ys = stacked(4)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        steps[0].take_all(xs, ys)
        for x, y in zip(xs, ys, strict=True):
            steps[1](x, y)
    assert len(steps[0].variants[0].calls) > 2
    torch.testing.assert_close(*map(state_of, steps), rtol=1e-9, atol=1e-12)


def test_an_operation_that_leaves_a_gradient_out_is_launched_too():
    """As the backward of a network's first convolution does."""
    x, weight, grad = torch.randn(2, 1, 4), torch.randn(1, 1, 2), torch.randn(2, 1, 3)
    form = [[0], [1], [0], [1], False, [0], 1, [False, True, True]]
    with torch.inference_mode(), recording._Recorder() as recorder:
        outputs = torch.ops.aten.convolution_backward(grad, x, weight, *form)
    grad.mul_(2)
    (launch,) = recorder.launches
    with torch.inference_mode():
        launch()
        expected = torch.ops.aten.convolution_backward(grad, x, weight, *form)
    torch.testing.assert_close(outputs[1:], expected[1:], rtol=0, atol=0)


def test_a_function_that_another_process_compiled_is_read_from_the_disk(monkeypatch):
    """Forgetting what this process knows makes it another one; the first step may have been on the disk already."""
    from torch._dynamo.utils import counters

    def hits():
        for cache in ("_by_form", "_by_graph"):
            monkeypatch.setattr(functions, cache, {})
        before = counters["inductor"]["fxgraph_cache_hit"]
        step = step_of(build(), schedule=fall)
        with torch.inference_mode():
            step.take_all(*stacked(2))
        return counters["inductor"]["fxgraph_cache_hit"] - before

    hits()
    assert hits() == 1


def test_a_step_whose_temporary_tensors_are_large_keeps_none_of_them(monkeypatch):
    """It is called whole, without a warning, and is the same to the bit."""
    kept, freed = (step_of(build(), schedule=fall) for _ in range(2))
    xs, ys = stacked(8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        kept.take_all(xs, ys)
        monkeypatch.setattr(recording, "KEPT_BYTES", 0)
        freed.take_all(xs, ys)
    assert [step.variants[0].calls[0].func.__name__ == "call_into" for step in (kept, freed)] == [False, True]
    expect_same(kept, freed)
