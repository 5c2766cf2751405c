"""Search Adam's settings for the paper's network with Optuna, many trials at a time, and compare with one at a time."""

import argparse
import time

import optuna
import torch

import chainrule
from chainrule.integrations.optuna import optimize
from chainrule.optimizers import adam
from chainrule.tasks import circle

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--trials", type=int, default=1024)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch", type=int, default=256, help="how many trials are trained at a time")
parser.add_argument("--alone", type=int, default=16, help="how many trials are trained one at a time, to compare")
parser.add_argument(
    "--storage", help="where to keep the study, such as sqlite:///study.db; a run that is killed resumes"
)
parser.add_argument("--eager", action="store_true", help="do not compile, which takes 5 to 20 seconds once")
arguments = parser.parse_args()

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)
task = circle()
data = task.splits(seed=0)
settings = {"train": data.train, "validation": data.validation, "epochs": arguments.epochs, "batch_size": 20}


def build(trial):
    """What `optimize` takes: a trial's module and its optimizer."""
    betas = trial.suggest_float("beta1", 0.5, 0.95), trial.suggest_float("beta2", 0.9, 0.9999)
    return task.network(), adam(lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True), betas=betas)


def objective(trial):
    """What `study.optimize` takes: one trial alone."""
    module, optimizer = build(trial)
    history = chainrule.fit(module.build(seed=0), task.loss(), optimizer, **settings, evaluate_train=False)
    return history["validation_loss"][-1].item()


def study(**kept):
    """A study whose trials are the same however many are asked at a time; TPE is given constant_liar=True."""
    sampler, pruner = optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner()
    return optuna.create_study(sampler=sampler, pruner=pruner, **kept)


def train(studied, trials, **changed):
    """Train trials as the members of ensembles."""
    optimize(
        studied,
        build,
        loss=task.loss(),
        n_trials=trials,
        batch=arguments.batch,
        compile=not arguments.eager,
        **{**settings, **changed},
    )


if not arguments.eager:
    train(study(), min(arguments.trials, arguments.batch), epochs=1)  # compiles

together = study(study_name="circle", storage=arguments.storage, load_if_exists=True)
start = time.process_time()
train(together, arguments.trials)
per_trial = (time.process_time() - start) / arguments.trials
print(f"{arguments.trials} trials at {arguments.batch} a time: {1e3 * per_trial:.1f} ms of CPU each")
print(f"best validation loss {together.best_value:.4g} per point, with {together.best_params}")

one_by_one = study()
start = time.process_time()
one_by_one.optimize(objective, n_trials=arguments.alone)
alone = (time.process_time() - start) / arguments.alone
pairs = [(one.value, two.value) for one, two in zip(together.trials, one_by_one.trials, strict=False)]
print(
    f"{arguments.alone} trials one at a time: {1e3 * alone:.1f} ms of CPU each, {alone / per_trial:.1f} times as much"
)
print(f"greatest relative error of an objective: {max(abs(one - two) / two for one, two in pairs):.1e}")
