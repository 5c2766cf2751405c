"""An Optuna study by ensembles has the trials that `study.optimize` around single fits has."""

import pytest
import torch

import chainrule
from chainrule.activations import tanh
from chainrule.integrations.optuna import optimize
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd

optuna = pytest.importorskip("optuna")

DRAWS = torch.Generator().manual_seed(0)
X = torch.randn(60, 3, generator=DRAWS, dtype=torch.float64)
Y = X.square().sum(1, keepdim=True)
DATA = {"train": (X[:40], Y[:40]), "validation": (X[40:], Y[40:])}
EPOCHS = 4
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


def test_a_batch_of_one_trial_is_what_optuna_does_whatever_sampler_and_pruner():
    for pruner in (optuna.pruners.MedianPruner(n_startup_trials=2), optuna.pruners.SuccessiveHalvingPruner()):
        study, other = (study_with(optuna.samplers.TPESampler(seed=0, n_startup_trials=4), pruner) for _ in "ab")
        together(study, n_trials=12, batch=1)
        other.optimize(one_by_one, n_trials=12)
        expect_same(study, other)
        assert PRUNED in {trial.state for trial in study.trials}
