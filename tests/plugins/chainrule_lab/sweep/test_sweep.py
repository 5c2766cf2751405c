"""`chainrule.sweep`: equal to single runs, resumed, shared, and refused in one line."""

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from rich.progress import Progress

import chainrule
from chainrule import Metric
from chainrule.activations import relu, tanh
from chainrule.callbacks import csv, early_stopping, history_file, nan_guard, successive_halving, tensorboard
from chainrule.layers import linear, sequential
from chainrule.losses import huber, mse
from chainrule.metrics import r2
from chainrule.optimizers import adam, sgd
from chainrule_lab.sweep import ensembles, log_uniform, runner
from chainrule_lab.sweep.store import Store

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(24, 2, generator=GENERATOR, dtype=torch.float64)
Y = X.prod(1, keepdim=True)
ACTIVATIONS = {"relu": relu, "tanh": tanh}


def build(lr=0.1, width=3, activation="tanh", momentum=0.0):
    module = sequential(linear(2, width), ACTIVATIONS[activation](), linear(width, 1))
    return module, sgd(lr=lr, momentum=momentum)


@pytest.fixture
def sweep(tmp_path):
    def call(search, of=build, **arguments):
        given = {"train": (X, Y), "validation": (X, Y), "epochs": 3, "batch_size": 8, "dtype": torch.float64}
        return chainrule.sweep(of, search, **{"loss": mse(), "store": tmp_path / "s.db", **given, **arguments})

    return call


@pytest.fixture
def trained(monkeypatch):
    """The sizes of the ensembles that are trained."""
    sizes = []
    fit = chainrule.fit
    monkeypatch.setattr(
        chainrule, "fit", lambda network, *rest, **given: sizes.append(network.members) or fit(network, *rest, **given)
    )
    return sizes


def test_every_row_is_the_single_run_of_its_settings(sweep, trained):
    search = {
        "lr": [0.5, 0.05],
        "width": [3, 4],
        "activation": ["relu", "tanh"],
        "momentum": [0.9, 0.5],
        "seed": range(2),
    }
    results = sweep(search)
    assert trained == [8] * 4  # a structure each, with both rates, momenta and seeds
    assert len(results) == 32
    for row in results:
        module, rule = build(**{name: one for name, one in row.settings.items() if name != "seed"})
        network = module.build(seed=row["seed"], dtype=torch.float64)
        history = chainrule.fit(network, mse(), rule, train=(X, Y), validation=(X, Y), epochs=3, batch_size=8)
        for name, curve in history.items():
            torch.testing.assert_close(torch.tensor(row.curves[name], dtype=torch.float64), curve, rtol=1e-12, atol=0)


def test_what_is_there_is_not_computed_again(sweep, trained, tmp_path):
    first = sweep({"lr": [0.5, 0.05]})
    assert [row.curves for row in sweep({"lr": [0.05, 0.5]})] == [row.curves for row in first][::-1]
    assert trained == [2]
    sweep({"lr": [0.5, 0.05, 0.005]})
    assert trained == [2, 1]
    sweep({"lr": [0.5, 0.05]}, epochs=4)
    assert trained == [2, 1, 2]
    with Store(tmp_path / "s.db") as store:
        assert [(one.trials, one.finished) for one in store.sweeps()] == [(2, 2), (2, 2), (3, 3), (2, 2)]


@pytest.mark.parametrize("listed", [["r2"], [r2]])
def test_a_metric_by_its_name_or_class_has_the_key_of_its_instance(sweep, trained, listed):
    sweep({"lr": 0.5}, metrics={"r2": r2()})
    sweep({"lr": 0.5}, metrics=listed)
    assert trained == [1]


def test_settings_of_the_fit_go_to_the_fit(sweep):
    results = sweep({"epochs": [1, 2], "batch_size": [8, 24]})
    assert [len(row.curves["train_loss"]) for row in results] == [1, 1, 2, 2]
    assert results[0]["train_loss"] != results[1]["train_loss"]


def test_members_bound_the_ensembles(sweep, trained):
    sweep({"lr": log_uniform(1e-3, 1, points=7)}, members=3)
    assert sorted(trained) == [2, 2, 3]


def test_memory_bounds_the_ensembles(sweep, trained):
    sweep({"lr": [0.1, 0.2, 0.3]}, memory=1)
    assert trained == [1, 1, 1]


def test_a_member_that_diverges_is_recorded_and_the_others_are_as_they_are(sweep):
    results = sweep({"lr": [1e200, 0.1]}, test=(X, Y))
    assert [row.diverged for row in results] == [True, False]
    assert not math.isfinite(results[0]["validation_loss"])
    assert results.best().settings["lr"] == 0.1
    assert results[1].curves["test_loss"] == [results[1]["validation_loss"]]


def test_an_ensemble_that_fails_leaves_what_was_done_before(sweep, trained, monkeypatch):
    with monkeypatch.context() as broken:
        real = ensembles.alike
        broken.setattr(ensembles, "alike", lambda *given: real(*given)[::-1])
        fit = chainrule.fit

        def interrupted(network, *rest, **given):
            if len(trained) == 1:
                raise KeyboardInterrupt
            return fit(network, *rest, **given)

        broken.setattr(chainrule, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep({"width": [3, 4]})
    assert len(sweep({"width": [3, 4]})) == 2
    assert trained == [1, 1]


def test_a_tensor_of_one_number_is_one_value(sweep):
    assert [row["lr"] for row in sweep({"lr": torch.tensor(0.5)})] == [0.5]


def test_the_store_is_where_it_was_named_though_build_goes_elsewhere(sweep, tmp_path, monkeypatch):
    def wandering(lr):
        os.chdir(tmp_path / "elsewhere")
        return build(lr)

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    sweep({"lr": [0.1]}, wandering, epochs=1, store="here.db")
    assert (tmp_path / "here.db").is_file()


def test_callbacks_must_not_drop_members(sweep):
    refused(
        sweep,
        "sweep: the trial .* cannot be trained: callbacks must leave every trial in training",
        {"lr": [0.1, 0.2, 0.3, 0.4]},
        callbacks=[successive_halving("train_loss", eta=2, rungs=1)],
    )


@pytest.mark.parametrize(
    "held", [threading.Lock(), threading, (i for i in range(2))], ids=["lock", "module", "generator"]
)
def test_a_callback_that_cannot_be_copied_is_named_before_anything_is_trained(sweep, trained, held):
    words = (
        "^watching: a callback of a sweep must be possible to copy, .*cannot pickle .*Open .* in chainrule_fit_start"
    )
    refused(sweep, words, {"lr": [0.1]}, callbacks=[Watching(held)])
    assert not trained


@pytest.mark.parametrize("writing", [csv("curves.csv"), history_file("curves.jsonl"), tensorboard("curves")])
def test_a_callback_that_writes_files_is_refused_before_anything_is_trained(sweep, trained, writing):
    words = r"^sweep: callbacks must write no file, .* got \w+ with (path|log_dir) curves.*\. Leave it out"
    refused(sweep, words, {"lr": [0.1]}, callbacks=[nan_guard(), writing])
    assert not trained


@pytest.mark.parametrize("part", ["loss", "metrics"])
def test_a_loss_or_metric_that_cannot_be_copied_may_stand_beside_callbacks_that_have_none_of_it(sweep, part):
    class Locked(mse if part == "loss" else Strict):
        lock = None

    own = Locked()
    vars(own)["lock"] = threading.Lock()
    given = {part: own if part == "loss" else [own], "callbacks": [nan_guard()]}
    assert len(sweep({"lr": [0.1]}, **given)) == 1


class Anneals:
    """A callback that changes the loss and metric that it holds."""

    def __init__(self, loss, metric):
        self.loss, self.metric = loss, metric

    @chainrule.hookimpl
    def chainrule_epoch_end(self):
        self.loss.delta /= 2
        self.metric.scale *= 3


class Scaled:
    """A metric with a number that may change: the mean prediction, scaled."""

    def __init__(self):
        self.scale = 1.0

    def __call__(self, prediction, target):
        return self.scale * prediction.mean((1, 2))


def test_a_callback_changes_the_loss_and_the_metric_that_it_holds_as_in_a_single_run(sweep):
    def arguments():
        loss, metric = huber(delta=1.0), Scaled()
        return {"loss": loss, "metrics": {"scaled": metric}, "callbacks": [Anneals(loss, metric)]}

    given = arguments()
    results = sweep({"width": [3, 4]}, test=(X, Y), **given)
    assert given["loss"].delta == given["metrics"]["scaled"].scale == 1
    for row in results:
        module, rule = build(width=row["width"])
        alone = arguments()
        loss, metrics = alone.pop("loss"), alone["metrics"]
        network = module.build(seed=0, dtype=torch.float64)
        history = chainrule.fit(network, loss, rule, train=(X, Y), epochs=3, batch_size=8, **alone)
        for name in ("train_loss", "train_scaled"):
            torch.testing.assert_close(torch.tensor(row.curve(name)), history[name], check_dtype=False)
        test = chainrule.evaluate(network, loss, (X, Y), metrics=metrics)
        assert row.curves["test_scaled"] == pytest.approx([test["scaled"].item()])
        assert row.curves["test_loss"] == pytest.approx([test["loss"].item()])


class Watching:
    """A callback that holds something."""

    def __init__(self, held):
        self.held = held

    @chainrule.hookimpl
    def chainrule_epoch_end(self):
        pass


class StopsAll:
    """A callback that ends the run, rather than a member, once a loss is low."""

    @chainrule.hookimpl
    def chainrule_epoch_end(self, run, metrics):
        if metrics["train_loss"].min() < 0.7:
            run.stop()


@pytest.mark.parametrize("stopping", [early_stopping("train_loss", patience=1, min_delta=0.01), StopsAll()])
def test_a_trial_that_is_stopped_has_the_curves_of_its_single_run_whatever_is_beside_it(sweep, stopping, tmp_path):
    given = {"callbacks": [stopping], "epochs": 12, "test": (X, Y)}
    together = sweep({"lr": [0.003, 0.02, 0.1, 0.3]}, **given)
    lengths = []
    for row in together:
        (alone,) = sweep({"lr": row["lr"]}, store=tmp_path / "alone.db", **given)
        assert row.curves.keys() == alone.curves.keys()
        for name, curve in row.curves.items():
            assert curve == pytest.approx(alone.curve(name), rel=1e-12)
        lengths.append(len(row.curve("train_loss")))
    assert len(set(lengths)) > 2, lengths


def test_the_trial_that_fails_is_named_and_the_others_are_trained(sweep, trained):
    words = r"sweep: the trial lr=1e\+200, seed=0 cannot be trained: nan_guard"
    refused(sweep, words, {"lr": [0.1, 0.2, 1e200, 0.3, 0.4]}, callbacks=[nan_guard()])
    tried = [5, 1, 2, 1, 1, 2]  # first one alone, to see whether it fails too
    assert trained == tried
    assert len(sweep({"lr": [0.1, 0.2, 0.3, 0.4]}, callbacks=[nan_guard()])) == 4
    assert trained == tried


class Fails:
    """A callback that raises, at any loss above a bound, the same error."""

    def __init__(self, above):
        self.above = above

    @chainrule.hookimpl
    def chainrule_epoch_end(self, metrics):
        if not (metrics["train_loss"] <= self.above).all():
            raise ValueError("too high")


@pytest.mark.parametrize("where", [0, 1, 2, 9])
def test_one_trial_that_fails_is_named_and_costs_no_other_wherever_it_stands(sweep, tmp_path, where):
    rates = [0.1 + 0.01 * i for i in range(10)]
    rates[where] = 1e200
    refused(sweep, r"lr=1e\+200, seed=0 cannot be trained: .*too high", {"lr": rates}, callbacks=[Fails(1e9)])
    with Store(tmp_path / "s.db") as store:
        assert store.sweeps()[0].finished == 9


def test_what_fails_for_every_trial_is_tried_for_a_few_alone(sweep, trained):
    rates = [0.1 + 0.001 * i for i in range(100)]
    refused(sweep, "lr=0.1, seed=0 cannot be trained: .*too high", {"lr": rates}, callbacks=[Fails(-1)])
    assert trained == [100] + ensembles.ALONE * [1]


class Strict(Metric):
    """A metric that does not take all predictions, as many of other packages do not."""

    def sums(self, prediction, target):
        if not (prediction.abs() < 1e9).all():
            raise KeyError("too large")
        return {"error": (prediction - target).abs().sum((1, 2))}

    def value(self, sums):
        return sums["error"]


@pytest.mark.parametrize("rates", [[0.1, 0.2, 1e200], [1e200, 0.1, 0.2]])
@pytest.mark.parametrize("threads", [False, True])
def test_a_trial_that_fails_in_code_of_others_is_named_and_the_others_are_trained(sweep, tmp_path, rates, threads):
    words = r"sweep: the trial lr=1e\+200, seed=0 cannot be trained: KeyError: 'too large'$"
    workers = ThreadPoolExecutor(1) if threads else nullcontext()
    with workers as executor, pytest.raises(chainrule.ChainruleError, match=words) as caught:
        sweep({"lr": rates}, metrics={"strict": Strict()}, executor=executor)
    assert isinstance(caught.value.__cause__.__cause__, KeyError)
    with Store(tmp_path / "s.db") as store:
        assert store.sweeps()[0].finished == 2


def refused(sweep, words, *given, **arguments):
    with pytest.raises(chainrule.ChainruleError, match=words) as caught:
        sweep(*given, **arguments)
    assert "\n" not in str(caught.value)


def test_a_trial_that_cannot_be_made_is_named_before_anything_is_trained(sweep, trained):
    refused(
        sweep, r"sweep: the trial lr=-1, seed=0 cannot be made: sgd: lr must be at least 0, got -1", {"lr": [0.1, -1]}
    )
    assert trained == []


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_data_that_does_not_fit_is_told_before_anything_is_trained(sweep, trained, split):
    words = r"sweep: the trial lr=0.1, seed=0 cannot be trained: .*linear: x must have shape"
    refused(sweep, words, {"lr": [0.1]}, **{split: (X[:, :1], Y)})
    assert trained == []


@pytest.mark.parametrize(
    ("search", "of", "words"),
    [
        ({"rate": 1}, build, 'build takes no setting "rate" of the search. It takes lr, width, activation, momentum.'),
        ({"widht": 3}, build, r'takes no setting "widht" of the search. Did you mean "width"\?$'),
        ({"lr": 1}, lambda: None, 'takes no setting "lr" of the search. It takes none. Rename the setting, or leave'),
        ({"lr": 1}, lambda lr, width: None, '^sweep: build needs "width", which the search lacks. Add it there, or'),
        ({"seed": [0]}, lambda seed: None, '^sweep: build must not need "seed", which the sweep itself uses. Leave'),
    ],
)
def test_build_takes_the_settings_of_the_search_and_needs_no_others(sweep, search, of, words):
    refused(sweep, words, search, of=of)


def test_build_may_take_any_settings(sweep):
    assert len(sweep({"lr": [0.1, 0.2]}, lambda **settings: build(**settings))) == 2


def test_what_build_returns_must_be_a_pair_of_unbuilt_parts(sweep):
    refused(sweep, "build must return a module and an optimizer, got ", {"lr": [1]}, of=lambda lr: adam(lr=lr))
    refused(
        sweep, "must be a module that is not built|not built", {"lr": [1]}, of=lambda lr: (linear(2, 1).build(), adam())
    )
    refused(sweep, "build: the optimizer must be ready for use", {"lr": [1]}, of=lambda lr: (linear(2, 1), adam))


def test_a_build_that_draws_by_itself_is_refused(sweep):
    refused(
        sweep,
        "build must make the same trial whenever it is called",
        {"width": [3]},
        of=lambda width: (linear(2, 1), adam(lr=torch.rand(()).item())),
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"train": [X]}, "train must be two tensors x and y"),
        (
            {"train": (X.numpy(), Y)},
            r"got a tuple of ndarray, Tensor. Convert each with torch.as_tensor\(part, dtype=t",
        ),
        ({"test": torch.utils.data.TensorDataset(X, Y)}, "got a TensorDataset. Pass test=data.tensors."),
        ({"validation": X}, "validation must be two tensors x and y"),
        ({"callbacks": "progress"}, "fit: callbacks must be a list"),
        ({"epochs": "3"}, "fit: epochs must be an integer of at least 1, got '3'"),
        ({"batch_size": 0}, "fit: batch_size must be an integer of at least 1, got 0"),
        ({"device": "gpu"}, "device must be one that this machine and this torch have, got 'gpu'"),
        ({"dtype": "float64"}, "dtype must be torch.float32 or torch.float64"),
        ({"memory": 0}, "memory must be a number above 0"),
        ({"members": 0}, "members must be an integer of at least 1"),
        ({"executor": 4}, "executor must be a concurrent.futures.Executor, got 4"),
        ({"executor": ThreadPoolExecutor}, "must be a concurrent.futures.Executor, got the class ThreadPoolExecutor"),
        ({"of": None}, "build must be a function"),
        ({"of": linear(2, 1)}, r"build must be a function that returns \(module, optimizer\), got Linear"),
        ({"of": lambda lr: (torch.nn.Linear(2, 1), adam(lr=lr))}, "Linear of torch.nn. Pass one of chainrule.layers"),
        ({"callbacks": torch.tensor(1)}, "fit: callbacks must be a list, got"),
        ({"store": 3}, 'sweep: store must be text or a Path, got 3. Pass "sweep.db".'),
        ({"store": "~nobody_here/sweep.db"}, "sweep: a path with ~ must begin with a home folder that exists"),
        ({"name": 3}, "sweep: name must be text, got 3."),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
    ],
)
def test_arguments_that_do_not_fit_are_told_in_one_line(sweep, arguments, words):
    refused(sweep, words, {"lr": [0.1]}, **arguments)


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[4] / "examples" / "sweeps" / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(page.partition("```python\n")[2].partition("```")[0], {"__name__": "page"})  # noqa: S102
    assert capsys.readouterr().out.startswith("Results(sweep: 60 trials, 0 diverged")


def test_it_says_that_it_waits_for_what_another_process_has_claimed(sweep, monkeypatch):
    claim, refusals, said = Store.claim, [set()], []
    monkeypatch.setattr(Store, "claim", lambda store, keys: refusals.pop() if refusals else claim(store, keys))
    monkeypatch.setattr(runner, "WAIT", 0.0)
    monkeypatch.setattr(Progress, "update", lambda bar, task, **shown: said.append(shown.get("description")))
    assert len(sweep({"lr": [0.5]})) == 1
    said = [each for each in said if each]
    assert "waiting for another process" in said[0]
    assert "waiting" not in said[-1]


def test_a_loss_that_cannot_be_copied_trains_where_no_callback_could_change_it(sweep):
    loss = mse()
    vars(loss)["_lock"] = threading.Lock()
    assert len(sweep({"lr": [0.1, 0.2]}, loss=loss)) == 2
