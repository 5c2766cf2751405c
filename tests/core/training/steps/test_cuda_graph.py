"""A captured step is the step; capturing needs a CUDA device, so here a stand-in runs the operations again."""

import copy

import pytest
import torch

import chainrule
from chainrule.activations import tanh
from chainrule.errors import CompileWarning
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, lookahead, rmsprop, sgd
from chainrule.training.steps import cuda_graph, functions
from chainrule.training.steps.compiled import OTHER_BATCHES, CompiledStep
from chainrule.training.steps.eager import TrainingStep, UntraceableError
from chainrule.training.steps.launches import launches_of
from chainrule.training.steps.stage import Stage
from chainrule.updates.moment import Moment
from tests.contracts.correct_modules import BatchNorm, Dropout
from tests.core.replaying import run_again

RULES = [adam(schedule=lambda t: 1 / t), rmsprop(lr=torch.tensor([1e-3, 1e-2])), sgd(lr=0.1, momentum=0.9)]

NOT_COMPILED = pytest.warns(CompileWarning, match="cannot be compiled.*Its operations are captured as they are")


@pytest.fixture
def captures(monkeypatch):
    """Let steps on the CPU be captured and not compiled; return the list of what was captured."""

    def refuse(*_):
        raise ValueError("not here")

    found = []
    monkeypatch.setattr(cuda_graph, "is_captured", lambda _: True)
    monkeypatch.setattr(cuda_graph, "capture", lambda *step: found.append(1) or run_again(*step))
    monkeypatch.setattr(functions, "function_of", refuse)
    return found


def build(device="cpu"):
    layers = sequential(linear(3, 8), tanh(), BatchNorm(8), Dropout(0.3), linear(8, 2))
    return layers.build(seeds=[0, 1], dtype=torch.float64, device=device)


def batch(rows, generator):
    return (torch.randn(2, rows, size, generator=generator, dtype=torch.float64) for size in (3, 2))


@pytest.mark.parametrize("rule", RULES, ids=["adam", "rmsprop", "sgd"])
def test_a_captured_step_follows_the_same_trajectory(rule, captures):
    plain = build()
    captured = copy.deepcopy(plain)
    steps = [
        kind(network, mse(members=True), rule.attach(network, clip_norm=1.0))
        for kind, network in ((TrainingStep, plain), (CompiledStep, captured))
    ]
    generator = torch.Generator().manual_seed(0)
    with NOT_COMPILED:
        for rows in (4, 4, 3, 4, 3):  # two shapes, so two graphs, the second in the middle of training
            x, y = batch(rows, generator)
            outputs = [step(x, y) for step in steps]
            for ours, theirs in zip(*outputs, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(captured.state_dict(), plain.state_dict(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(captured.random_state(), plain.random_state(), rtol=0, atol=0)
    assert len(captures) == 2


def test_a_graph_that_does_not_read_its_numbers_anew_is_not_used(captures, monkeypatch):
    def frozen(function, tensors):
        (replay,), outputs = run_again(function, tensors)
        first = [tensor.clone() for tensor in tensors[-3:]]  # batch and numbers, of the stage

        def again():
            for tensor, value in zip(tensors[-3:], first, strict=True):
                tensor.copy_(value.roll(1, 0))
            replay()

        return [again], outputs

    monkeypatch.setattr(cuda_graph, "capture", frozen)
    network = build()
    step = CompiledStep(network, mse(members=True), sgd(lr=0.1).attach(network))
    with pytest.warns(CompileWarning, match="It runs eagerly"):
        step(*batch(4, torch.Generator().manual_seed(0)))
    assert not step.variants


@pytest.mark.parametrize("frozen", [False, True])
def test_atomic_sums_are_told_from_a_number_that_stays(frozen, captures, monkeypatch):
    """A function whose last bits vary is held against its graph to a tolerance; a learning rate that stayed shows."""
    x, y = torch.ones(1, 2, 3), torch.ones(1, 2, 1)
    moments = [Moment(1, 0.5, {})]
    stage = Stage(x, y, moments)
    stage.put_one(x, y, moments)
    parameter, rates = torch.ones(50), []

    def function(*_):
        _, _, (moment,) = stage.at(stage.tensors, [None])
        rates.append(moment.lr)
        rate = rates[0] if frozen and len(rates) == 3 else moment.lr  # the third call is the graph's
        parameter.sub_(rate * (1 + 1e-6 * torch.rand(50)))
        stage.end(stage.tensors, torch.ones(1), 1.0)
        return parameter, parameter

    error = launches_of(function, [parameter, *stage.tensors], stage).error
    assert torch.equal(parameter, torch.ones(50))
    assert bool(error) == frozen


@pytest.mark.parametrize(
    "change",
    [
        lambda network, _: setattr(network.module.modules[3], "p", 0.9),
        lambda network, _: network.freeze("0.*"),
        lambda _, updater: setattr(updater, "clip_norm", 1e-3),
        lambda _, updater: updater.set_lr(torch.tensor([0.1, 0.3])),
    ],
)
def test_settings_that_change_are_captured_anew(change, captures):
    """The stand-in runs Python again, so a graph that would go on unchanged is one that is not captured again."""
    network = build()
    step = CompiledStep(network, mse(members=True), sgd(lr=0.1).attach(network))
    x, y = (torch.ones(2, 4, size, dtype=torch.float64) for size in (3, 2))
    with NOT_COMPILED:
        for _ in range(2):
            step.follow_settings()
            step(x, y)
    assert len(captures) == 1
    change(network, step.step.updater)
    step.follow_settings()
    with NOT_COMPILED:  # which is tried again
        step(x, y)
    assert len(captures) == 2


def test_what_is_done_every_few_steps_is_captured_twice(captures):
    networks = [build(), build()]
    rule = lookahead(inner=adam(lr=0.1), k=3)
    plain, captured = (
        kind(network, mse(members=True), rule.attach(network))
        for kind, network in zip((TrainingStep, CompiledStep), networks, strict=True)
    )
    x, y = batch(4, torch.Generator().manual_seed(0))
    with NOT_COMPILED:
        for _ in range(7):
            plain(x, y)
            captured(x, y)
    torch.testing.assert_close(networks[1].flat.data, networks[0].flat.data, rtol=1e-12, atol=1e-12)
    assert len(captures) == 2


def test_a_step_that_does_more_than_operate_on_tensors_is_not_captured(captures, monkeypatch):
    """A graph would leave out what it does in Python."""

    def refuse(*_):
        raise UntraceableError("it changes layer.calls, which is no Buffer")

    monkeypatch.setattr(functions, "function_of", refuse)
    network = build()
    step = CompiledStep(network, mse(members=True), sgd(lr=0.1).attach(network))
    with pytest.warns(CompileWarning, match="it changes layer.calls, which is no Buffer.*It runs eagerly"):
        step(*batch(4, torch.Generator().manual_seed(0)))
    assert not captures


def test_batches_of_ever_other_shapes_are_not_all_captured(captures):
    network = build()
    step = CompiledStep(network, mse(members=True), sgd(lr=0.1).attach(network))
    generator = torch.Generator().manual_seed(0)
    with NOT_COMPILED:
        for rows in range(2, 2 * OTHER_BATCHES):
            step(*batch(rows, generator))
    assert len(captures) == 1 + OTHER_BATCHES


on_a_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


class Waits(sequential):
    """A module whose backward asks for the number of a tensor, for which it waits for the device."""

    def backward(self, grad_output):
        return super().backward(grad_output * float(grad_output.abs().max() >= 0))


class Draws(sequential):
    """A module that cannot be compiled, since it draws from a generator that it does not declare."""

    def forward(self, x):
        return super().forward(x * (torch.rand_like(x) >= 0))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=on_a_gpu)])
@pytest.mark.parametrize("kind", [Waits, Draws])
def test_what_cannot_be_compiled_trains_all_the_same(kind, device):
    def curve(network, **own):
        x = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(network.device)
        data = x, x[:, :2].sin()
        return chainrule.fit(network, mse(), adam(lr=0.01), train=data, epochs=3, batch_size=8, **own)["train_loss"]

    ours, theirs = (
        one(linear(3, 8), tanh(), linear(8, 2)).build(seed=0, dtype=torch.float64, device=at)
        for one, at in ((kind, device), (sequential, "cpu"))
    )
    with pytest.warns(CompileWarning, match="It runs eagerly"):
        found = curve(ours, compile=True).cpu()
    torch.testing.assert_close(found, curve(theirs), rtol=1e-9, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_resumed_run_on_cuda_goes_on_to_the_bit(tmp_path):
    x = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).cuda()

    def trained(epochs, checkpoint=None):
        network = build("cuda")
        chainrule.fit(
            network,
            mse(),
            adam(),
            train=(x, x[:, :2].sin()),
            epochs=epochs,
            batch_size=8,
            compile=True,
            checkpoint=checkpoint,
        )
        return network.state_dict()

    trained(2, tmp_path / "run.pt")
    torch.testing.assert_close(trained(4, tmp_path / "run.pt"), trained(4), rtol=0, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rule", RULES, ids=["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("compile", [False, True])
def test_training_on_cuda_gives_what_the_cpu_gives(rule, compile):
    x = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = x[:, :2].sin()
    histories = []
    for device in ("cpu", "cuda"):
        network = build(device)
        histories.append(
            chainrule.fit(
                network,
                mse(),
                rule,
                train=(x.to(device), y.to(device)),
                epochs=3,
                batch_size=8,
                compile=compile and device == "cuda",
            )["train_loss"].cpu()
        )
    torch.testing.assert_close(histories[1], histories[0], rtol=1e-9, atol=1e-9)
