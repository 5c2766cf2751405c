"""Runs that are interrupted and go on from their checkpoint."""

import collections
import copy
import random
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler, default_collate

from chainrule import Buffer, CallbackError, Module, StateError, fit, hookimpl, param_groups
from chainrule.callbacks import best, csv, early_stopping, gradient_norms, history_file, reduce_on_plateau
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, lookahead, sgd
from chainrule.training.steps.eager import TrainingStep

X = torch.randn(28, 3, generator=torch.Generator().manual_seed(0))
Y = X.flip(1).cos()
WRAPPED = ema(inner=lookahead(inner=adam(lr=0.01), k=3))


class Interrupt:
    """Interrupt a run after a step."""

    def __init__(self, step):
        self.step = step

    @hookimpl
    def chainrule_step_end(self, run):
        if run.step == self.step:
            raise KeyboardInterrupt


def build(**seeds):
    module = sequential(linear(3, 8), batch_norm(8), dropout(0.3), linear(8, 3))
    return module.build(**seeds or {"seeds": [0, 1, 2]})


def train(path=None, *, after=None, rule=WRAPPED, callbacks=(), network=None, epochs=3, **settings):
    """Return the network and its history; a run that is interrupted after a step is started again."""
    given = {
        "train": (X, Y), "validation": (X / 2, Y), "batch_size": 8, "metrics": ["r2"], "epochs": epochs,
        "checkpoint": path,
    } | settings  # fmt: skip
    if after:
        again = copy.deepcopy(network)
        with pytest.raises(KeyboardInterrupt):
            fit(again or build(), mse(), rule, callbacks=[*callbacks, Interrupt(after)], **given)
    network = network or build()
    return network, fit(network, mse(), rule, callbacks=callbacks, **given)


def assert_same(one, other):
    (network, history), (expected, curves) = one, other
    assert history.keys() == curves.keys()
    for name, curve in curves.items():
        assert_close(history[name], curve, rtol=0, atol=0, equal_nan=True)
    for name, values in expected.state_dict().items():
        assert_close(network.state_dict()[name], values, rtol=0, atol=0)
    assert_close(network.random_state(), expected.random_state(), rtol=0, atol=0)
    updaters = history.updater.state_dict(), curves.updater.state_dict()
    assert updaters[0].keys() == updaters[1].keys()
    assert_close(updaters[0]["state"], updaters[1]["state"], rtol=0, atol=0)
    assert updaters[0]["t"] == updaters[1]["t"]
    assert_close(updaters[0].get("trained"), updaters[1].get("trained"), rtol=0, atol=0)


@pytest.mark.parametrize("evaluate_train", [True, False])
@pytest.mark.parametrize(("every", "after"), [("epoch", 3), ("epoch", 9), (3, 4), (3, 7), (2, 7), (1, 4), (1, 12)])
def test_an_interrupted_run_goes_on_to_the_bit(tmp_path, every, after, evaluate_train):
    """Within the first epoch and later, before the smaller last batch and after it."""
    whole = train(evaluate_train=evaluate_train)
    settings = {"every": every, "evaluate_train": evaluate_train}
    assert_same(train(tmp_path / "run.ckpt", after=after, **settings), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.ckpt"]


def test_a_run_that_has_ended_returns_its_history_and_goes_on_for_more_epochs(tmp_path):
    path = tmp_path / "run.ckpt"
    first = train(path, epochs=2)
    written = path.stat().st_mtime_ns
    assert_same(train(path, epochs=2, network=first[0]), train(epochs=2))
    assert path.stat().st_mtime_ns == written
    assert_same(train(path, epochs=4), train(epochs=4))
    with pytest.raises(StateError, match=r"epochs must be at least 4, as many as checkpoint .* has, got 3"):
        train(path, epochs=3)


class LastLoss:
    @hookimpl
    def chainrule_fit_end(self, run):
        self.value = run.loss


def test_the_end_of_a_run_that_has_ended_is_the_same_once_more(tmp_path):
    """What a callback puts into the network at the end is where the next step would start."""
    path, losses = tmp_path / "run.ckpt", [LastLoss(), LastLoss()]
    for rule in (adam(lr=0.3), ema(inner=adam(lr=0.3))):
        path.unlink(missing_ok=True)
        settings = {"rule": rule, "epochs": 4}
        whole = train(path, callbacks=[best("validation_loss"), losses[0]], **settings)
        again = train(path, callbacks=[best("validation_loss"), losses[1]], **settings)
        assert_same(again, whole)
        assert torch.equal(losses[0].value, losses[1].value)
        for one in (whole, again):
            one[0].flat.grad.fill_(1.0)
            one[1].updater.step()
        assert_same(again, whole)


class Counts(Module):
    """Add the number of batches so far, which no saved state of a network has."""

    def __init__(self):
        self.batches = Buffer(init=torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.batches.data.add_(1)
        return x + self.batches.data.view(-1, 1, 1)

    def backward(self, grad_output):
        return grad_output


def test_buffers_that_a_networks_state_leaves_out_go_on(tmp_path):
    def network():
        return sequential(linear(3, 3), Counts()).build(seeds=[0, 1])

    whole = train(network=network())
    assert_same(train(tmp_path / "run.ckpt", after=6, every=2, network=network()), whole)


@pytest.mark.parametrize("after", [6, 17, 26, 30])
def test_callbacks_go_on_with_their_state(tmp_path, after):
    def callbacks(folder):
        files = [history_file(folder / "history.jsonl"), csv(folder / "history.csv")]
        watching = [early_stopping("validation_r2", 2, mode="max", min_delta=0.01), best("train_loss", restore=False)]
        return [
            gradient_norms(),
            *watching,
            reduce_on_plateau("train_loss", factor=0.5, patience=0, threshold=0.2),
            *files,
        ]

    rule = param_groups({"*.bias": sgd(lr=0.1), "*": WRAPPED})
    expected = callbacks(tmp_path / "whole")
    whole = train(callbacks=expected, rule=rule, epochs=9)
    assert 0 < expected[1].epochs.min() < expected[1].epochs.max()
    resumed = callbacks(tmp_path / "parts")
    settings = {"every": 3, "rule": rule, "epochs": 9}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.ckpt", callbacks=[*callbacks(tmp_path / "parts"), Interrupt(after)], **settings)
    assert_same(train(tmp_path / "run.ckpt", callbacks=resumed, **settings), whole)
    for one, other in ((resumed[1], expected[1]), (resumed[2], expected[2])):
        assert torch.equal(one.epochs, other.epochs)
        assert torch.equal(one.values, other.values)
    assert_close(resumed[2].network_state(), expected[2].network_state(), rtol=0, atol=0)
    for name in ("history.jsonl", "history.csv"):
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("after", [3, 5])
@pytest.mark.parametrize(
    ("settings", "seeds"),
    [
        ({"every": 2, "evaluate_train": False}, {"seed": 3}),
        ({"every": 2, "per_member": True, "train": (X.expand(2, -1, -1), Y.expand(2, -1, -1)), "validation": None},
         {"seeds": [4, 5]}),
        ({"every": 1, "evaluate_train": False, "metrics": ["r2", lambda p, t: (p - t).amax((1, 2))]}, {"members": 2}),
        ({"every": 3, "compile": True, "evaluate_train": False, "metrics": None}, {"seed": 3}),
    ],
    ids=["single", "data per member", "metric by a function", "compiled"],
)  # fmt: skip
def test_every_kind_of_run_goes_on_to_the_bit(tmp_path, settings, seeds, after):
    """Compiled, step 3 is followed by the smaller last batch, which is not the one to compile for."""
    network = build(**seeds)
    if settings.get("compile"):
        network = linear(3, 3).build(**seeds)
    metrics = settings.get("metrics")
    if metrics and callable(metrics[-1]):
        metrics[-1].__name__ = "worst"
    whole = train(network=copy.deepcopy(network), rule=adam(), **{**settings, "every": "epoch"})
    assert_same(train(tmp_path / "run.ckpt", after=after, network=network, rule=adam(), **settings), whole)


class Drops:
    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        if epoch == 1:
            run.drop([1])


@pytest.mark.usefixtures("traced")
def test_a_compiled_run_whose_members_were_dropped_is_compiled_for_the_others(tmp_path, monkeypatch):
    eager = []
    take = TrainingStep.accumulate
    monkeypatch.setattr(TrainingStep, "accumulate", lambda self, x, y: eager.append(x) or take(self, x, y))
    settings = {"compile": True, "evaluate_train": False, "metrics": None, "rule": adam()}
    whole = train(callbacks=[Drops()], network=linear(3, 3).build(seeds=[0, 1, 2]), epochs=4, **settings)
    often = len(eager)
    network = linear(3, 3).build(seeds=[0, 1, 2])
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.ckpt", callbacks=[Drops(), Interrupt(6)], network=network, epochs=4, **settings)
    eager.clear()  # of the interrupted run
    network = linear(3, 3).build(seeds=[0, 1, 2])
    again = train(tmp_path / "run.ckpt", callbacks=[Drops()], network=network, epochs=4, **settings)
    assert_same(again, whole)
    assert len(eager) < often


class Drawn:
    """Batches in an order that a generator draws."""

    def __init__(self, draw):
        self.draw = draw

    def __len__(self):
        return 4

    def __iter__(self):
        yield from ((X[rows], Y[rows]) for rows in torch.tensor(self.draw.order()).split(8))


class Order(SimpleNamespace):
    def order(self):
        draw = getattr(self.generator, "permutation", None)
        return list(draw(28)) if draw else self.generator.sample(range(28), 28)


ORDERS = {
    "the global generators": lambda data: DataLoader(data, batch_size=8, shuffle=True),
    "the loader's": lambda data: DataLoader(
        data, batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(1)
    ),
    "a sampler's": lambda data: DataLoader(
        data, 8, sampler=WeightedRandomSampler(torch.ones(28), 28, generator=torch.Generator().manual_seed(1))
    ),
    "numpy's": lambda data: Drawn(Order(generator=np.random.default_rng(1))),
    "numpy's, of another kind": lambda data: Drawn(Order(generator=np.random.Generator(np.random.MT19937(1)))),
    "numpy's old one": lambda data: Drawn(Order(generator=np.random.RandomState(1))),
    "Python's": lambda data: Drawn(Order(generator=random.Random(1))),  # noqa: S311
}


class Jitter:
    """Noise on an input, from a generator of its own."""

    def __init__(self):
        self.generator = np.random.default_rng(1)

    def on(self, pairs):
        return shaken(pairs, self.generator)


@dataclass(slots=True)
class Slotted:
    generator: np.random.Generator

    def __call__(self, pairs):
        return shaken(pairs, self.generator)


def shaken(pairs, generator):
    x, y = default_collate(pairs)
    return x + float(generator.normal()), y


def enclosing():
    generator = np.random.default_rng(1)
    return lambda pairs: shaken(pairs, generator)


COLLATES = {
    "a method's": lambda: Jitter().on,
    "a partial's": lambda: partial(shaken, generator=np.random.default_rng(1)),
    "an enclosed one": enclosing,
    "a default": lambda: lambda pairs, generator=np.random.default_rng(1): shaken(pairs, generator),  # noqa: B008
    "one in slots": lambda: Slotted(np.random.default_rng(1)),
}
ORDERS |= {
    name: lambda data, make=make: DataLoader(data, batch_size=8, collate_fn=make()) for name, make in COLLATES.items()
}


@pytest.mark.parametrize("make", ORDERS.values(), ids=ORDERS)
def test_batches_of_an_iterable_come_in_the_order_of_the_undisturbed_run(tmp_path, make):
    class Noisy(TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + random.random() + float(np.random.rand()), y  # noqa: S311

    def batches():
        return make(Noisy(X, Y))

    def start():
        torch.manual_seed(2)
        random.seed(3)
        np.random.seed(4)
        return {"train": batches(), "validation": batches()}

    whole = train(**start())
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.ckpt", callbacks=[Interrupt(10)], **start())
    assert_same(train(tmp_path / "run.ckpt", **start() | {"train": batches()}), whole)
    assert_same(train(tmp_path / "run.ckpt", **start()), whole)


def test_batches_of_other_generators_are_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.ckpt", callbacks=[Interrupt(6)], train=ORDERS["Python's"]((X, Y)))
    with pytest.raises(StateError, match="drawn by as many generators as when the checkpoint was written, 1, got 0"):
        train(tmp_path / "run.ckpt", train=Drawn(Order(generator=random.SystemRandom())))


class Thaw:
    """Train the first layer from the second epoch on, the last one no longer, and clip gradients."""

    @hookimpl
    def chainrule_fit_start(self, run):
        run.network.freeze("0.*")
        run.updater.set_lr(0.03, "*.weight")

    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        if epoch == 1:
            run.network.unfreeze("0.*").freeze("3.*")
            run.updater.set_lr(0.02, "*.weight")
            run.updater.clip_norm = 0.05


@pytest.mark.parametrize("after", [5, 7, 9])
def test_what_callbacks_froze_and_the_rates_and_clipping_that_they_set_stay(tmp_path, after):
    rule = param_groups({"*.weight": WRAPPED, "*": sgd(lr=0.1, momentum=0.9)})
    settings = {"rule": rule, "callbacks": [Thaw()]}
    resumed = train(tmp_path / "run.ckpt", after=after, every=2, **settings)
    assert_same(resumed, train(**settings))
    assert resumed[0].frozen == {"3.weight", "3.bias"}
    assert (resumed[1].updater.rates["*.weight"], resumed[1].updater.clip_norm) == (0.02, 0.05)


class Dropping:
    """Raise the rate of dropout with every epoch."""

    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        run.network.modules()[3].p = 0.1 * epoch


class DroppingAgain(Dropping):
    @hookimpl
    def chainrule_fit_start(self, run):
        self.layer = run.network.modules()[3]

    def state_dict(self):
        return {"p": self.layer.p}

    def load_state_dict(self, saved):
        self.layer.p = saved["p"]


def test_a_setting_that_a_callback_changed_is_set_again_by_its_state(tmp_path):
    whole = train(callbacks=[Dropping()])
    assert_same(train(tmp_path / "run.ckpt", after=6, callbacks=[DroppingAgain()], every=2), whole)


def test_a_setting_that_a_callback_changed_and_does_not_set_again_is_told(tmp_path):
    with pytest.raises(StateError, match=r"a callback that changes settings must set .*p=0.3.* in place of .*p=0.1"):
        train(tmp_path / "run.ckpt", after=6, callbacks=[Dropping()])


class Keeps:
    def __init__(self, state):
        self.state = state

    @hookimpl
    def chainrule_fit_start(self):
        pass

    def state_dict(self):
        return self.state

    def load_state_dict(self, saved):
        raise ValueError("not mine")


def test_a_state_that_could_not_be_read_back_is_not_written(tmp_path):
    state = {"a": [1, (2.5, {"b": None, 3: {4}})]}
    with pytest.raises(CallbackError, match=r"keeps: state_dict must consist of .* at state\['a'\]\[1\]\[1\]\[3\]"):
        train(tmp_path / "run.ckpt", callbacks=[Keeps(state)])
    assert list(tmp_path.iterdir()) == []


class Watches:
    """Keep the learning rates of each epoch."""

    def __init__(self):
        self.seen = []

    @hookimpl
    def chainrule_epoch_end(self, run):
        self.seen.append(run.updater.rates)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, saved):
        self.seen = list(saved["seen"])


def test_the_attributes_of_a_dict_are_looked_at_too(tmp_path):
    state = collections.OrderedDict(a=1)
    state.own = {4}
    with pytest.raises(CallbackError, match=r"keeps: state_dict must consist of .* at state\.own\."):
        train(tmp_path / "run.ckpt", callbacks=[Keeps(state)])


def test_a_callback_may_keep_the_rates_of_an_updater(tmp_path):
    watches = Watches()
    train(tmp_path / "run.ckpt", callbacks=[watches], after=7)
    assert len(watches.seen) > 1


def test_a_value_that_a_checkpoint_cannot_hold_is_shown(tmp_path):
    found = r"got (np\.float64\()?3\.0\)? of type float64 at state\['best'\]\. Convert it with \.tolist\(\)\."
    with pytest.raises(CallbackError, match=found):
        train(tmp_path / "run.ckpt", callbacks=[Keeps({"best": np.float64(3)})])


def test_a_callback_that_cannot_take_its_state_is_named(tmp_path):
    train(tmp_path / "run.ckpt", callbacks=[Keeps({})])
    with pytest.raises(CallbackError, match="keeps: load_state_dict must not fail, got ValueError: not mine"):
        train(tmp_path / "run.ckpt", callbacks=[Keeps({})])


def test_a_checkpoint_opens_with_torch_alone(tmp_path):
    network, _ = train(tmp_path / "run.ckpt")
    saved = torch.load(tmp_path / "run.ckpt", weights_only=True)
    assert_close(saved["run"]["network"], network.state_dict(), rtol=0, atol=0)
