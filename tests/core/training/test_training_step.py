"""A loop of one's own around the step that `fit` takes."""

import copy
import pickle

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import (
    BackwardError,
    ChainruleError,
    ContractError,
    HyperparameterError,
    Module,
    ShapeError,
    fit,
    training_step,
)
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam, ema, lamb, lookahead, sgd
from chainrule.training.steps import functions
from tests.contracts.correct_modules import BatchNorm, Dropout

pytestmark = pytest.mark.usefixtures("traced")

X, Y = torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
BATCHES = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 24, 8)]


def build(seeds=None):
    return sequential(linear(3, 8), tanh(), linear(8, 3)).build(seeds=seeds, dtype=torch.float64)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_loop_takes_the_steps_of_fit(seeds, compile):
    ours, theirs = build(seeds), build(seeds)
    step = training_step(ours, mse(), lookahead(inner=adam(lr=0.05), k=2), clip_norm=0.5, compile=compile)
    losses = [step(x, y) for _ in range(3) for x, y in BATCHES]
    history = fit(theirs, mse(), lookahead(inner=adam(lr=0.05), k=2), train=BATCHES, epochs=3, clip_norm=0.5)
    assert_close(ours.flat.data, theirs.flat.data, rtol=1e-10, atol=1e-12)
    assert losses[0].shape == (() if seeds is None else (2,))
    assert_close(torch.stack(losses).unflatten(0, (3, 3)).mean(1), history["train_loss"], rtol=1e-10, atol=1e-12)
    total = losses[0]
    total += losses[1]  # ordinary tensors, which change in place


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_value_answers_a_call_of_its_backward(seeds):
    value = training_step(build(seeds), mse(), sgd())(X, Y)
    with pytest.raises(BackwardError, match=r"^step: its value has no backward, .* Leave \.backward\(\) out\.$"):
        value.backward()


class KeepsMean(Module):
    """Keep a tensor of the last forward, as no compiled step can."""

    def __init__(self):
        self.mean = None

    def forward(self, x):
        self.mean = x.mean()
        return x

    def backward(self, grad_output):
        return grad_output


@pytest.mark.filterwarnings("ignore:compile=True. the step cannot be compiled")
@pytest.mark.parametrize("compile", [False, True])
def test_what_a_module_keeps_is_an_ordinary_tensor(compile):
    module = KeepsMean()
    step = training_step(sequential(linear(3, 3), module).build(dtype=torch.float64), mse(), sgd(), compile=compile)
    step(X, Y)
    module.mean += 1


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_changes_between_steps_counts(compile):
    """Of the learning rate, the mode, an attribute, the clipping and what is frozen."""
    ends = []
    for compiled in (False, compile):
        network = build([0, 1])
        step = training_step(network, mse(), adam(lr=0.1), compile=compiled)
        take = [lambda: step(X, Y)] * 2  # noqa: B023 - called at once
        changes = [
            lambda: step.updater.set_lr(0.01),  # noqa: B023
            lambda: step.updater.set_lr(torch.tensor([0.1, 0.2])),  # noqa: B023
            lambda: network.freeze("0.*"),  # noqa: B023
            lambda: setattr(step.updater, "clip_norm", 1e-3),  # noqa: B023
            lambda: network.unfreeze("*.weight"),  # noqa: B023
            lambda: network.eval(),  # noqa: B023
        ]
        for change in changes:
            for one in take:
                one()
            change()
        for one in take:
            one()
        ends.append(network.flat.data)
    assert_close(*ends, rtol=1e-10, atol=1e-12)


def test_a_frozen_parameter_stays_and_does_not_count_for_clipping():
    network = build()
    network.freeze("0.*")
    before = network.state_dict()
    step = training_step(network, mse(), sgd(lr=1.0), clip_norm=0.1)
    step(X, Y)
    moved = {name: (value - before[name]).norm() for name, value in network.state_dict().items()}
    assert moved["0.weight"] == moved["0.bias"] == 0
    assert_close(torch.stack([moved["2.weight"], moved["2.bias"]]).norm().item(), 0.1)


def test_thawed_parameters_go_on_with_their_state():
    network, whole = build(), build()
    step, other = (training_step(one, mse(), sgd(lr=0.1, momentum=0.9)) for one in (network, whole))
    step(X, Y)
    other(X, Y)
    b = step.updater.state_dict()["state"]["0.weight"]["b"]
    network.freeze("0.*")
    step(X, Y)
    assert "0.weight" in step.updater.state_dict()["state"]
    network.unfreeze("0.*")
    network.zero_grad()
    step.updater.step()
    assert torch.equal(step.updater.state_dict()["state"]["0.weight"]["b"], 0.9 * b)


def test_a_pattern_that_freezes_nothing_is_refused():
    with pytest.raises(ChainruleError, match=r'^freeze: a pattern must match a parameter, got "1\.\*"\. '):
        build().freeze("1.*")


def test_evaluation_parameters_are_at_hand():
    network = build()
    step = training_step(network, mse(), ema(inner=sgd(lr=0.1), decay=0.5))
    step(X, Y)
    trained = network.flat.data.clone()
    with step.updater.evaluating():
        assert not torch.equal(network.flat.data, trained)
    assert torch.equal(network.flat.data, trained)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((linear(3, 3), mse(), sgd()), "training_step: the network must be ready for use, got .* Call build"),
        ((None, mse, sgd()), "training_step: the loss must be ready for use, got the class Mse. Did you"),
        ((None, mse("none"), sgd()), 'training_step: the loss must have reduction "mean" or "sum", got "none"'),
        ((None, mse(), sgd), "training_step: the optimizer must be ready for use"),
        (
            (None, "mse", sgd()),
            r'training_step: the loss must be ready for use, got .mse.\. Write chainrule\.create\("loss", "mse"\)\.$',
        ),
        ((None, mse(), "adm"), r'No optimizer is registered as "adm"\. Did you mean "adam"'),
    ],
)
def test_what_is_not_ready_is_refused(parts, message):
    network, loss, optimizer = parts
    with pytest.raises(ChainruleError, match=f"^{message}"):
        training_step(network or build(), loss, optimizer)


class Two(Module):
    def forward(self, x):
        return x, x

    def backward(self, grad_output):
        return grad_output


@pytest.mark.parametrize("layers", [[linear(3, 3), Two()], [linear(3, 3), Two(), linear(3, 3)]], ids=["last", "middle"])
@pytest.mark.parametrize("compile", [False, True])
def test_two_outputs_are_an_error_wherever_they_come_from(layers, compile):
    step = training_step(sequential(*copy.deepcopy(layers)).build(dtype=torch.float64), mse(), sgd(), compile=compile)
    message = r"^(two|sequential): forward must return one tensor, got a tuple\. Concatenate several outputs"
    with pytest.raises(ContractError, match=message):
        step(X, Y)


@pytest.mark.parametrize("compile", [False, True])
def test_a_step_that_fails_does_not_count(compile):
    network = linear(3, 3).build(dtype=torch.float64)
    step = training_step(network, cross_entropy(), adam(), compile=compile)
    labels = torch.arange(24) % 3
    step(X, labels)
    before = network.state_dict()
    with pytest.raises(ShapeError):
        step(X, labels + 1)
    assert step.updater.t == 1
    assert all(map(torch.equal, network.state_dict().values(), before.values()))


@pytest.mark.parametrize("x", [X[:, :2], X.float()])
def test_a_first_batch_that_fails_leaves_the_step_to_be_compiled_for_the_next(x, traced):
    step = training_step(build(), mse(), sgd(), compile=True)
    for batch in ((x, Y), (X, Y[:, :2])):
        with pytest.raises(ShapeError):
            step(*batch)
    step(X, Y)
    assert len(traced) == 1
    assert step.updater.t == 1


@pytest.mark.parametrize("compile", [False, True])
def test_a_step_whose_schedule_fails_does_not_count(compile):
    step = training_step(build(), mse(), sgd(schedule=lambda t: [1.0, -1.0][t == 2]), compile=compile)
    step(X, Y)
    for take in (lambda: step(X, Y), step.updater.step):
        with pytest.raises(HyperparameterError, match=r"schedule\(2\) must be a finite number of at least 0"):
            take()
        assert step.updater.t == 1


def test_a_step_that_is_interrupted_while_it_compiles_does_not_count(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    step = training_step(build(), mse(), sgd(), compile=True)
    monkeypatch.setattr(functions, "compile_graph", interrupted)
    with pytest.raises(KeyboardInterrupt):
        step(X, Y)
    assert step.updater.t == 0


@pytest.mark.parametrize(
    "between",
    [
        lambda step: (step.network.freeze("0.*"), step.updater.state_dict(), step.network.unfreeze("0.*")),
        lambda step: [
            step.updater.load_state_dict(step.updater.state_dict() | {"missed": missed})
            for missed in ({"0.weight": 1}, {})
        ],
    ],
)
def test_what_comes_back_to_what_it_was_between_steps_counts(between):
    """Since then the rule has its state in other tensors."""
    ends = []
    for compile in (False, True):
        step = training_step(build(), mse(), lamb(lr=0.1), compile=compile)
        step(X, Y)
        between(step)
        step(X, Y)
        step(X, Y)
        ends.append([step.network.flat.data, step.updater.state_dict()["state"]])
    assert_close(*ends, rtol=1e-10, atol=1e-12)


class Plateau:
    """Halve the learning rate of a member whose loss has grown since the step before."""

    def __init__(self):
        self.before, self.losses = None, []

    @chainrule.hookimpl
    def chainrule_step_end(self, run):
        self.losses.append(run.loss)
        if self.before is not None:
            run.updater.set_lr(torch.where(run.loss > self.before, 0.5, 1.0) * torch.tensor([0.4, 0.1]))
        self.before = run.loss


@pytest.mark.parametrize("compile", [False, True])
def test_a_callback_reads_the_loss_and_sets_the_rate(compile):
    network, callback = build([0, 1]), Plateau()
    fit(network, mse(), sgd(lr=0.1), train=BATCHES, epochs=2, callbacks=[callback], compile=compile)
    by_hand, before, losses = build([0, 1]), None, []
    step = training_step(by_hand, mse(), sgd(lr=0.1))
    for x, y in BATCHES * 2:
        losses.append(step(x, y))
        if before is not None:
            step.updater.set_lr(torch.where(losses[-1] > before, 0.5, 1.0) * torch.tensor([0.4, 0.1]))
        before = losses[-1]
    assert_close(torch.stack(callback.losses), torch.stack(losses), rtol=1e-10, atol=1e-12)
    assert_close(network.flat.data, by_hand.flat.data, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("compile", [False, True])
def test_a_run_that_resumes_takes_the_same_steps_to_the_bit(compile):
    """With buffers, random numbers, a smaller last batch, and what is done every few steps."""

    def new():
        layers = linear(3, 8), BatchNorm(8), tanh(), Dropout(0.3), linear(8, 3)
        network = sequential(*layers).build(seeds=[0, 1], dtype=torch.float64)
        rule = lookahead(inner=ema(inner=adam(lr=torch.tensor([0.1, 0.05])), decay=0.5), k=3)
        return network, training_step(network, mse(), rule, compile=compile)

    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 24, 10)] * 3
    whole, step = new()
    for x, y in batches:
        step(x, y)
    for stop in (1, 4):
        broken, step = new()
        for x, y in batches[:stop]:
            step(x, y)
        resumed, going_on = new()
        resumed.load_state_dict(broken.state_dict())
        resumed.load_random_state(broken.random_state())
        going_on.updater.load_state_dict(step.updater.state_dict())
        for x, y in batches[stop:]:
            going_on(x, y)
        assert all(map(torch.equal, resumed.state_dict().values(), whole.state_dict().values())), stop


def test_set_lr_of_one_group():
    network = build()
    updater = chainrule.param_groups({"*.bias": sgd(lr=1.0), "*": sgd(lr=1.0)}).attach(network)
    updater.set_lr(0.5, group="*.bias")
    before = network.state_dict()
    network.flat.grad.fill_(1.0)
    updater.step()
    assert_close(before["0.bias"] - network.state_dict()["0.bias"], torch.full((8,), 0.5, dtype=torch.float64))
    assert_close(before["0.weight"] - network.state_dict()["0.weight"], torch.ones(8, 3, dtype=torch.float64))
    with pytest.raises(ChainruleError, match=r"^set_lr: group must be one of \['\*\.bias', '\*'\], got 'bias'"):
        updater.set_lr(0.5, group="bias")
    with pytest.raises(chainrule.HyperparameterError, match=r"^sgd: lr must be at least 0, got -1\.0"):
        updater.set_lr(-1.0)


def test_freezing_what_is_frozen_keeps_the_state_of_a_compiled_step():
    states = []
    for compile in (False, True):
        network = build()
        network.freeze("0.*")
        step = training_step(network, mse(), sgd(lr=0.1, momentum=0.9), compile=compile)
        for t in range(4):
            if t == 2:
                network.freeze("0.*")
            step(X, Y)
        states.append(step.updater.state_dict()["state"])
    assert_close(*states, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda step: pickle.loads(pickle.dumps(step))])  # noqa: S301
def test_a_copied_step_goes_on_alike_and_by_itself(duplicate, compile):
    step = training_step(build([0, 1]), mse(), adam(lr=0.1), compile=compile)
    step(X, Y)
    copied = duplicate(step)
    theirs = [copied(X, Y) for _ in range(3)]
    assert torch.equal(torch.stack(theirs), torch.stack([step(X, Y) for _ in range(3)]))
