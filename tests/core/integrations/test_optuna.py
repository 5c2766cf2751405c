"""An Optuna study by ensembles has the trials that `study.optimize` around single fits has."""

import os
import re
import socket
import subprocess
import sys
import time
import warnings

import pytest
import torch

import chainrule
from chainrule import ChainruleError
from chainrule.activations import tanh
from chainrule.callbacks import early_stopping
from chainrule.integrations.optuna import optimize
from chainrule.integrations.trial_batch import leaving
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd

optuna = pytest.importorskip("optuna")

DRAWS = torch.Generator().manual_seed(0)
X = torch.randn(60, 3, generator=DRAWS, dtype=torch.float64)
Y = X.square().sum(1, keepdim=True)
DATA = {"train": (X[:40], Y[:40]), "validation": (X[40:], Y[40:])}
EPOCHS = 3
CALLBACKS = "optimize: callbacks must be a list of functions (study, trial)"
COMPLETE, PRUNED, FAIL, RUNNING, WAITING = (
    optuna.trial.TrialState[name] for name in ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
)


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def build(trial):
    width = trial.suggest_categorical("width", [4, 8])
    rule = trial.suggest_categorical("rule", ["adam", "sgd"])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    module = sequential(linear(3, width), tanh(), linear(width, 1))
    return module, adam(lr=lr) if rule == "adam" else sgd(lr=lr, momentum=trial.suggest_float("momentum", 0.1, 0.9))


def of_one_form(trial):
    return sequential(linear(3, 4), tanh(), linear(4, 1)), adam(lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True))


def one_by_one(trial, build=build, epochs=EPOCHS):
    """The objective of `study.optimize` around single fits."""
    module, optimizer, *seed = build(trial)
    network = module.build(seed=seed[0] if seed else 0, dtype=torch.float64)
    history = chainrule.fit(network, mse(), optimizer, **DATA, epochs=epochs, batch_size=10)
    for epoch, value in enumerate(history["validation_loss"].tolist()):
        if not isinstance(trial.study.pruner, optuna.pruners.NopPruner):
            trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def together(study, build=build, n_trials=20, **settings):
    settings = {**DATA, "epochs": EPOCHS, "batch_size": 10, "dtype": torch.float64, **settings}
    optimize(study, build, loss=mse(), n_trials=n_trials, **settings)


def study_with(sampler=None, pruner=None, **settings):
    sampler = sampler or optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(sampler=sampler, pruner=pruner or optuna.pruners.NopPruner(), **settings)


def expect_same(study, other):
    assert len(study.trials) == len(other.trials)
    for one, two in zip(study.trials, other.trials, strict=True):
        assert (one.number, one.state, one.params) == (two.number, two.state, two.params)
        assert one.value == pytest.approx(two.value, rel=1e-9)
        assert one.intermediate_values == pytest.approx(two.intermediate_values, rel=1e-9)


GRID = {"width": [4, 8], "rule": ["adam", "sgd"], "lr": [0.001, 0.01, 0.1], "momentum": [0.5]}


@pytest.mark.parametrize(
    "sampler",
    [lambda: optuna.samplers.RandomSampler(seed=3), lambda: optuna.samplers.GridSampler(GRID, seed=1)],
    ids=["random", "grid"],
)
def test_trials_have_the_parameters_and_values_that_they_have_one_by_one(sampler):
    study, other = study_with(sampler()), study_with(sampler())
    together(study, n_trials=12, batch=8)
    other.optimize(one_by_one, n_trials=12)
    expect_same(study, other)


def test_a_batch_of_one_trial_is_what_optuna_does():
    pruner = optuna.pruners.SuccessiveHalvingPruner()
    study, other = (study_with(optuna.samplers.TPESampler(seed=0, n_startup_trials=3), pruner) for _ in "ab")
    together(study, n_trials=8, batch=1)
    other.optimize(one_by_one, n_trials=8)
    expect_same(study, other)
    assert PRUNED in {trial.state for trial in study.trials}


@pytest.mark.slow
@pytest.mark.parametrize(
    "pruner",
    [
        lambda: optuna.pruners.NopPruner(),
        lambda: optuna.pruners.MedianPruner(n_startup_trials=2),
        lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=4, reduction_factor=2),
        lambda: optuna.pruners.PatientPruner(optuna.pruners.PercentilePruner(25.0, n_startup_trials=2), patience=1),
        lambda: optuna.pruners.ThresholdPruner(upper=4.0, n_warmup_steps=2),
    ],
    ids=["none", "median", "hyperband", "patient", "threshold"],
)
@pytest.mark.parametrize(
    "sampler",
    [
        lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=4, constant_liar=True),
        lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=4, multivariate=True, group=True),
        lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=6),
        lambda: optuna.samplers.QMCSampler(seed=0),
        lambda: optuna.samplers.GridSampler({**GRID, "lr": [0.001, 0.003, 0.01, 0.03, 0.1, 0.05]}),
    ],
    ids=["TPE", "TPE in groups", "NSGA-II", "QMC", "grid"],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_trials_of_any_sampler_and_pruner_end_as_alone(sampler, pruner):
    study = study_with(sampler(), pruner())
    together(study, n_trials=24, batch=8, epochs=4)
    assert len(study.trials) == 24
    for trial in study.trials:
        alone = study_with()
        alone.enqueue_trial(trial.params)
        alone.optimize(lambda one: one_by_one(one, epochs=4), n_trials=1)
        assert trial.state in (COMPLETE, PRUNED)
        if trial.state == COMPLETE:
            assert trial.value == pytest.approx(alone.best_value, rel=1e-9)


@pytest.mark.parametrize("batch", [1, 2, 64])
@pytest.mark.parametrize(
    "sampler",
    [
        lambda: optuna.samplers.GridSampler({"lr": [0.01, 0.03, 0.05], "momentum": [0.5, 0.7]}),
        lambda: optuna.samplers.BruteForceSampler(seed=0),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_search_of_a_finite_space_asks_each_of_its_points_once(sampler, batch):
    def build(trial):
        lr = trial.suggest_float("lr", 0.01, 0.05, step=0.02)
        return linear(3, 1), sgd(lr=lr, momentum=trial.suggest_categorical("momentum", [0.5, 0.7]))

    study = study_with(sampler())
    together(study, build, n_trials=100, batch=batch, epochs=1)
    assert [trial.state for trial in study.trials] == [COMPLETE] * 6
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 6


def test_pruned_trials_leave_the_ensemble_and_the_others_end_as_alone():
    rows = []

    class Counting(chainrule.losses.mse):
        def forward(self, prediction, target):
            rows.append(len(prediction))
            return super().forward(prediction, target)

    study = study_with(pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2))
    optimize(study, of_one_form, loss=Counting(), **DATA, n_trials=8, epochs=4, batch_size=10, dtype=torch.float64)
    assert rows[:3] == [1, 1, 8]  # two for what is looked at before others are asked
    assert rows[2:] == sorted(rows[2:], reverse=True)
    assert rows[-1] < 4
    for trial in study.trials:
        fixed = optuna.trial.FixedTrial(trial.params)
        module, optimizer = of_one_form(fixed)
        network = module.build(seed=0, dtype=torch.float64)
        curve = chainrule.fit(network, mse(), optimizer, **DATA, epochs=4, batch_size=10)["validation_loss"]
        assert list(trial.intermediate_values.values()) == pytest.approx(
            curve[: trial.last_step + 1].tolist(), rel=1e-9
        )
        assert trial.state == PRUNED or trial.last_step == 3
    assert {trial.state for trial in study.trials} == {COMPLETE, PRUNED}


@pytest.mark.parametrize(
    ("compiled", "running", "stay"),
    [(False, 15, 15), (False, 3, 3), (True, 15, 16), (True, 5, 16), (True, 4, 4), (True, 1, 1)],
)
def test_compiled_ensembles_lose_members_three_quarters_at_a_time(compiled, running, stay):
    members = list(range(100, 116))
    alive = members[-running:]
    gone = leaving(members, alive, compiled=compiled)
    assert len(gone) == 16 - stay
    assert not set(gone) & set(alive)


@pytest.mark.slow
def test_compiled_trials_end_as_alone():
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    study = study_with(pruner=pruner)
    together(study, of_one_form, n_trials=16, epochs=6, compile=True)
    for trial in study.trials:
        alone = study_with()
        alone.enqueue_trial(trial.params)
        alone.optimize(lambda one: one_by_one(one, of_one_form, epochs=6), n_trials=1)
        if trial.state == COMPLETE:
            assert trial.value == pytest.approx(alone.best_value, rel=1e-9)
    assert {trial.state for trial in study.trials} == {COMPLETE, PRUNED}


def test_a_batch_becomes_one_ensemble_for_each_form_of_network_and_rule(monkeypatch):
    sizes = []
    fit = chainrule.integrations.trial_batch.fit

    def counted(network, *arguments, epochs, **settings):
        if epochs:
            sizes.append(network.members)
        return fit(network, *arguments, epochs=epochs, **settings)

    monkeypatch.setattr(chainrule.integrations.trial_batch, "fit", counted)
    study = study_with()
    together(study, n_trials=20, batch=12)
    forms = [(trial.params["width"], trial.params["rule"]) for trial in study.trials]
    assert sizes == [forms[:12].count(form) for form in dict.fromkeys(forms[:12])] + [
        forms[12:].count(form) for form in dict.fromkeys(forms[12:])
    ]


def journal(path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path / "study.log")))


def sqlite(path):
    return f"sqlite:///{path}/study.db"


@pytest.mark.parametrize("storage", [journal, pytest.param(sqlite, marks=pytest.mark.slow)])
def test_the_storage_has_what_the_trials_were(storage, tmp_path):
    together(study_with(storage=storage(tmp_path), study_name="one"), n_trials=6)
    other = study_with()
    other.optimize(one_by_one, n_trials=6)
    expect_same(optuna.load_study(study_name="one", storage=storage(tmp_path)), other)


def test_every_trial_may_have_its_seed_and_several_objectives():
    def with_seed(trial):
        return *build(trial), trial.suggest_int("seed", 0, 3)

    def two(trial):
        module, optimizer, seed = with_seed(trial)
        network = module.build(seed=seed, dtype=torch.float64)
        history = chainrule.fit(network, mse(), optimizer, **DATA, epochs=EPOCHS, batch_size=10)
        return history["train_loss"][-1].item(), history["validation_loss"][-1].item()

    study, other = (study_with(directions=["minimize", "minimize"]) for _ in "ab")
    together(study, build=with_seed, n_trials=6, objective=["train_loss", "validation_loss"])
    other.optimize(two, n_trials=6)
    for one, alone in zip(study.trials, other.trials, strict=True):
        assert one.params == alone.params
        assert one.values == pytest.approx(alone.values, rel=1e-9)


def failing(trial):
    module, optimizer = build(trial)
    if trial.number in (2, 5):
        raise ValueError(f"no trial {trial.number}")
    return module, optimizer


def test_an_error_in_build_ends_the_call_once_the_trials_before_it_are_told():
    study = study_with()
    with pytest.raises(ValueError, match=r"^no trial 2$"):
        together(study, failing, n_trials=8)
    assert [trial.state for trial in study.trials] == [COMPLETE, COMPLETE, FAIL]


def test_after_an_error_to_catch_the_others_go_on():
    study = study_with()
    together(study, failing, n_trials=8, catch=ValueError)
    assert [trial.number for trial in study.trials if trial.state == FAIL] == [2, 5]
    assert len(study.trials) == 8


def test_trials_that_fail_are_replaced_by_the_next_call():
    study = study_with()
    together(study, failing, n_trials=8, catch=(ValueError,))
    together(study, failing, n_trials=8, catch=(ValueError,))
    assert [trial.state for trial in study.trials].count(COMPLETE) == 8
    together(study, failing, n_trials=8)
    assert len(study.trials) == 10


def test_an_error_of_one_member_lets_that_trial_fail_alone(caplog):
    def build(trial):
        rate = trial.suggest_float("rate", 0.5, 1.5)
        growing = rate > 1

        def schedule(t):
            return -1.0 if growing and t > 3 else rate

        return linear(3, 1), sgd(lr=0.01, schedule=schedule)

    study = study_with()
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    together(study, build, n_trials=10, catch=ChainruleError)
    optuna.logging.disable_propagation()
    assert {(trial.params["rate"] > 1, trial.state) for trial in study.trials} == {(True, FAIL), (False, COMPLETE)}
    assert all("\n" not in record.getMessage() for record in caplog.records)
    told = (
        r"Trial \d+ failed with parameters: {'rate': 1\.\d+}: HyperparameterError: sgd: schedule\(4\) must be a finite "
    )
    assert re.match(told, caplog.records[0].getMessage())


def test_trials_beside_one_that_fails_are_reported_once_an_epoch(monkeypatch):
    def build(trial):
        factors = iter([1.0] * 6 if trial.number == 1 else [1.0] * 100)
        return linear(3, 1), sgd(lr=trial.suggest_float("lr", 1e-3, 1e-2), schedule=lambda t: next(factors, -1.0))

    reported = []
    monkeypatch.setattr(optuna.Trial, "report", lambda trial, value, step: reported.append((trial.number, step)))
    study = study_with(pruner=optuna.pruners.MedianPruner())
    together(study, build, n_trials=3, catch=ChainruleError)
    assert [trial.state for trial in study.trials] == [COMPLETE, FAIL, COMPLETE]
    assert sorted(reported) == [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1), (2, 2)]


def test_a_diverged_trial_fails_as_with_optuna():
    def build(trial):
        return linear(3, 1), sgd(lr=trial.suggest_categorical("lr", [0.01, 1e200]))

    study = study_with()
    together(study, build, n_trials=6)
    assert {(trial.params["lr"], trial.state) for trial in study.trials} == {(0.01, COMPLETE), (1e200, FAIL)}


def interrupting(times):
    """A loss that is interrupted when it has been computed so many times."""
    left = iter(range(times))

    class Interrupting(chainrule.losses.mse):
        def forward(self, prediction, target):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return super().forward(prediction, target)

    return Interrupting()


@pytest.mark.parametrize("sampler", [lambda: None, lambda: optuna.samplers.GridSampler(GRID, seed=1)])
def test_an_interrupted_study_goes_on_with_the_trials_that_it_had_begun(sampler):
    study = study_with(sampler())
    with pytest.raises(KeyboardInterrupt):
        optimize(study, build, loss=interrupting(5), **DATA, n_trials=12, batch=8, dtype=torch.float64)
    begun = [trial.params for trial in study.trials if trial.state == FAIL]
    assert len(begun) + [trial.state for trial in study.trials].count(COMPLETE) == 8
    assert begun
    together(study, n_trials=12)
    complete = [trial.params for trial in study.trials if trial.state == COMPLETE]
    assert len(complete) == 12
    assert all(params in complete for params in begun)
    if study.sampler.__class__ is optuna.samplers.GridSampler:
        assert len({tuple(params.items()) for params in complete}) == 12


def test_an_interrupted_trial_begins_anew_for_the_pruner():
    study = study_with(pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2))
    with pytest.raises(KeyboardInterrupt):
        optimize(study, of_one_form, loss=interrupting(9), **DATA, n_trials=4, epochs=4, dtype=torch.float64)
    begun = [trial for trial in study.trials if trial.state == FAIL]
    again = [trial for trial in study.trials if trial.state == WAITING]
    assert "completed_rung_0" in begun[0].system_attrs
    assert [(trial.params, trial.system_attrs, trial.intermediate_values) for trial in again] == [
        (trial.params, {}, {}) for trial in begun
    ]


def test_callbacks_get_every_trial_that_ends_and_may_stop_the_study():
    ended = []

    def stop(study, trial):
        ended.append((trial.number, trial.state))
        if len(ended) == 3:
            study.stop()

    study = study_with()
    together(study, n_trials=20, batch=4, callbacks=[stop])
    assert sorted(ended) == [(trial.number, trial.state) for trial in study.trials]
    assert len(ended) == 4
    together(study, n_trials=7, callbacks=[optuna.study.MaxTrialsCallback(5)], batch=1)
    assert len(study.trials) == 5


def test_build_may_stop_the_study_after_its_trial():
    def stopping(trial):
        if trial.number == 2:
            trial.study.stop()
        return build(trial)

    study = study_with()
    together(study, stopping, n_trials=20)
    assert [trial.state for trial in study.trials] == [COMPLETE] * 3


def test_an_error_of_a_callback_is_raised_as_it_is():
    def fails(study, trial):
        raise OSError("disk full")

    for pruner in (None, optuna.pruners.ThresholdPruner(upper=0.0)):
        study = study_with(pruner=pruner)
        with pytest.raises(OSError, match="disk full"):
            together(study, n_trials=4, callbacks=[fails])
        states = [trial.state for trial in study.trials]
        assert RUNNING not in states
        assert states.count(FAIL) == states.count(WAITING) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"study": 3}, "optimize: study must be one of Optuna's, got 3. Pass optuna.create_study()."),
        ({"build": 3}, "optimize: build must be a function trial -> (module, optimizer), got 3. Write one."),
        ({"build": linear(2, 1)}, "optimize: build must be a function trial -> (module, optimizer), got Linear("),
        ({"loss": mse}, "optimize: the loss must be ready for use, got the class Mse"),
        ({"n_trials": -1}, "optimize: n_trials must be an integer of at least 0, got -1."),
        ({"batch": 0}, "optimize: batch must be an integer of at least 1, got 0."),
        ({"epochs": 0}, "optimize: epochs must be an integer of at least 1, got 0."),
        ({"objective": 3}, "optimize: the objective must be a curve's name or a list of them, got 3."),
        ({"objective": "validation_los"}, "optimize: the objective must be a curve of the fit, got 'validation_los'."),
        ({"validation": None}, "optimize: the objective must be a curve of the fit, got 'validation_loss'."),
        ({"objective": ["train_loss", "validation_loss"]}, "optimize: objectives must be as many as the study's dir"),
        ({"metrics": "accuracy"}, "optimize: metrics must be a list or a dict by name, got 'accuracy'."),
        ({"train": X}, "optimize: train must be two tensors x and y, or batches of these, got a tensor (60, 3)."),
        ({"clip_norm": -1}, "optimize: clip_norm must be a number above 0, got -1."),
        ({"epoch": 3}, 'optimize: takes no argument "epoch". Did you mean "epochs"?'),
        ({"catch": 3}, "optimize: catch must be"),
        ({"catch": torch.tensor(3)}, "optimize: catch must be"),
        ({"callbacks": torch.tensor(3)}, f"{CALLBACKS}, got tensor(3)"),
        ({"callbacks": lambda study, trial: None}, f"{CALLBACKS}, got a lambda. Pass a list."),
        ({"callbacks": [print, 3]}, f"{CALLBACKS}, got 3. Pass functions alone."),
        ({"callbacks": [early_stopping()]}, f"{CALLBACKS}, got {early_stopping()}, a callback of fit. Leave it"),
        ({"callbacks": early_stopping()}, f"{CALLBACKS}, got {early_stopping()}, a callback of fit. Leave it"),
        ({"callbacks": [early_stopping]}, f"{CALLBACKS}, got the class EarlyStopping, a callback of fit. Le"),
    ],
)
def test_mistakes_are_told_in_one_line_before_a_trial_is_asked(settings, message):
    study = study_with()
    call = {"study": study, "build": build, "loss": mse(), "n_trials": 4, **DATA, **settings}
    with pytest.raises(ChainruleError, match=f"^{re.escape(message)}") as raised:
        optimize(**call)
    assert "\n" not in str(raised.value)
    assert not study.trials


@pytest.mark.parametrize(
    ("metrics", "fix"),
    [(["r2", "mae"], 'Pass objective="validation_r2".'), (None, 'Create the study with "minimize" for it.')],
)
def test_a_loss_is_not_maximized(metrics, fix):
    study = optuna.create_study(direction="maximize")
    with pytest.raises(ChainruleError) as raised:
        optimize(study, build, loss=mse(), n_trials=1, **DATA, metrics=metrics)
    assert str(raised.value) == f'optimize: validation_loss must be minimized, got the direction "maximize". {fix}'
    optimize(study, build, loss=mse(), n_trials=1, **DATA, metrics=["r2"], objective="validation_r2", dtype=X.dtype)


def test_a_loss_among_several_objectives_is_not_maximized():
    study = optuna.create_study(directions=["maximize", "maximize"])
    objectives = ["validation_loss", "validation_r2"]
    with pytest.raises(
        ChainruleError, match=r'got the direction "maximize"\. Create the study with "minimize" for it\.'
    ):
        optimize(study, build, loss=mse(), n_trials=1, **DATA, metrics=["r2"], objective=objectives)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": torch.float32}, "fit: x of train must have dtype torch.float32, got torch.float64."),
        ({"train": (X, Y[:, 0])}, "mse: target must have the prediction's shape and dtype"),
        ({"validation": (X[:, :2], Y)}, "linear: x must have shape"),
    ],
)
def test_what_is_wrong_for_every_trial_is_told_at_the_first(settings, message):
    study = study_with()
    with pytest.raises(ChainruleError, match=f"^{re.escape(message)}"):
        together(study, **settings)
    assert [trial.state for trial in study.trials] == [FAIL]


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (None, "optimize: build must return (module, optimizer), or these and a seed, got None. Return a tuple."),
        ((linear(3, 1), "adam"), "optimize: an optimizer must be a rule or param_groups, got 'adam'."),
        ((linear(3, 1).build(), adam()), "optimize: a module must be one that is not built, got Network("),
        ((linear(3, 1), adam(), -1), "optimize: a seed must be an integer of at least 0, got -1."),
        ((linear(4, 1), adam()), "linear: "),
    ],
)
def test_what_build_must_return_is_told_in_one_line(built, message):
    study = study_with()
    with pytest.raises(ChainruleError, match=f"^{re.escape(message)}") as raised:
        together(study, lambda trial: built)
    assert "\n" not in str(raised.value)
    assert study.trials[0].state == FAIL
    assert RUNNING not in {trial.state for trial in study.trials}


def leave_running(study, process, build=build):
    """Ask two trials as a process does that is killed then."""
    for _ in range(2):
        trial = study.ask()
        build(trial)
        trial.set_user_attr("process", process)


def of_a_dead_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return f"{socket.gethostname()} {ended.pid} 12345678"


def test_trials_of_a_killed_process_are_run_again():
    study = study_with()
    leave_running(study, of_a_dead_process())
    left = [trial.params for trial in study.trials]
    together(study, n_trials=4)
    assert [trial.state for trial in study.trials] == [FAIL, FAIL, COMPLETE, COMPLETE, COMPLETE, COMPLETE]
    assert [trial.params for trial in study.trials[2:4]] == left
    assert [trial.user_attrs.get("retry_of") for trial in study.trials] == [None, None, 0, 1, None, None]


def test_a_trial_is_run_again_whose_process_is_killed_before_it_has_signed():
    study = study_with()
    leave_running(study, of_a_dead_process())
    with pytest.raises(KeyboardInterrupt):
        together(study, interrupting_build, n_trials=2, batch=1)
    study.ask()  # takes one that waits
    together(study, n_trials=2)
    assert [trial.params for trial in study.trials if trial.state == COMPLETE] == [
        trial.params for trial in study.trials[:2]
    ]


def interrupting_build(trial):
    raise KeyboardInterrupt


def test_a_grid_of_which_only_trials_of_a_killed_process_are_left_is_completed():
    study = study_with(optuna.samplers.GridSampler({"lr": [0.001, 0.01, 0.05, 0.1]}))
    together(study, of_one_form, n_trials=2)
    leave_running(study, of_a_dead_process(), of_one_form)
    together(study, of_one_form, n_trials=4, batch=1)
    complete = [trial.params["lr"] for trial in study.trials if trial.state == COMPLETE]
    assert sorted(complete) == [0.001, 0.01, 0.05, 0.1]


def test_a_trial_is_run_again_whose_process_was_killed_before_the_grid_gave_it_a_point():
    study = study_with(optuna.samplers.GridSampler({"lr": [0.001, 0.01, 0.1]}))
    together(study, of_one_form, n_trials=2)
    study.add_trial(optuna.create_trial(state=WAITING, user_attrs={"process": of_a_dead_process()}))
    study._pop_waiting_trial_id()
    together(study, of_one_form, n_trials=3)
    complete = [trial.params["lr"] for trial in study.trials if trial.state == COMPLETE]
    assert sorted(complete) == [0.001, 0.01, 0.1]


@pytest.mark.parametrize("process", [f"{socket.gethostname()} {os.getppid()} 12345678", "elsewhere 1 12345678", "?"])
def test_trials_of_other_processes_are_left_alone(process):
    study = study_with()
    leave_running(study, process)
    together(study, n_trials=3)
    assert [trial.state for trial in study.trials] == [RUNNING, RUNNING, COMPLETE, COMPLETE, COMPLETE]


@pytest.mark.slow
def test_trials_elsewhere_are_run_again_once_their_heartbeats_stop(tmp_path):
    again = optuna.storages.RetryHeartbeatStaleTrialCallback
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{tmp_path}/study.db",
            heartbeat_interval=1,
            grace_period=2,
            heartbeat_stale_trial_callback=again(max_retry=1),
        )
        study = study_with(storage=storage)
        with pytest.warns(UserWarning, match="Heartbeat"):
            leave_running(study, "elsewhere 1 12345678")
    for trial in study.trials:
        storage.record_heartbeat(trial._trial_id)
    time.sleep(3.5)
    together(study, n_trials=4)
    assert [trial.state for trial in study.trials].count(COMPLETE) == 4
    assert [trial.state for trial in study.trials[:2]] == [FAIL, FAIL]
    assert [trial.params for trial in study.trials[2:4]] == [trial.params for trial in study.trials[:2]]


def test_a_missing_optuna_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ChainruleError, match=r'^optimize needs optuna, which is not installed: pip install "chainrule\[op'
    ):
        optimize(None, build, loss=mse(), n_trials=1, **DATA)
