"""`optimize`: an Optuna study whose trials are trained together, as the members of ensembles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from chainrule.arguments import integer, is_iterable, shown
from chainrule.base.hookspecs import TrainingHooks
from chainrule.base.protocols import LossLike, ModuleLike
from chainrule.calls import explained
from chainrule.errors import ChainruleError
from chainrule.integrations.trial_batch import Training, TrialBatch
from chainrule.integrations.trials import Trials
from chainrule.training.batches import Data
from chainrule.training.passed_parts import Metrics

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

Built = tuple[Any, Any] | tuple[Any, Any, int]
"""A trial's module, its optimizer and, if it is not the one of all trials, its seed."""


@explained
def optimize(
    study: Study,
    build: Callable[[Trial], Built],
    *,
    loss: LossLike,
    train: Data,
    validation: Data | None = None,
    n_trials: int,
    epochs: int = 1,
    batch_size: int = 32,
    objective: str | Sequence[str] = "validation_loss",
    metrics: Metrics | None = None,
    batch: int = 64,
    seed: int = 0,
    clip_norm: float | None = None,
    compile: bool = False,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    catch: type[Exception] | Iterable[type[Exception]] = (),
    callbacks: Sequence[Callable[[Study, FrozenTrial], object]] = (),
) -> None:
    """Train the trials of a study many at a time, each to the objective that it has alone.

    A batch of trials is asked and built; those of equal modules, whose optimizers differ in numbers alone, are the
    members of one ensemble, and every trial is told as it ends. Samplers, pruners, storages and their logs are
    Optuna's. A sampler learns of a batch only when it ends: give TPE ``constant_liar=True``.

    The objective is reported to the pruner after every epoch, counted from 0, and pruned trials leave the ensemble. A
    trial whose objective is NaN fails, as does one whose `build` or training raises. The study may be killed at any
    time: the next call runs the trials again that a process of this machine has left behind, and others once their
    heartbeats stop, if the storage has heartbeats.

    Args:
        study: any study.
        build: returns a trial's module, not built, and its optimizer, or these and its seed; it suggests values as an
            objective of `study.optimize` does.
        loss: as in `fit`.
        train: as in `fit`.
        validation: as in `fit`.
        n_trials: how many trials the study is to have that are complete or pruned, those of earlier calls included;
            trials that fail in this call count too.
        epochs: as in `fit`.
        batch_size: rows per step and trial, as in `fit`.
        objective: the curve whose last value is told, such as "validation_accuracy"; for several objectives a list.
        metrics: as in `fit`.
        batch: the most trials that are trained at a time.
        seed: that of every trial for which `build` returns none.
        clip_norm: as in `fit`.
        compile: as in `fit`; each number of members and each form of network is compiled once.
        dtype: as in `Module.build`.
        device: as in `Module.build`.
        catch: errors of a trial after which the study goes on, as in `study.optimize`.
        callbacks: called with the study and each trial that has ended.

    Raises:
        ChainruleError: if Optuna is not installed, or an argument is not as it should be.
        Exception: what a trial raises, unless it is one to catch. Trials that were built before are trained first.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ChainruleError(
            'optimize needs optuna, which is not installed: pip install "chainrule[optuna]".'
        ) from error
    if not isinstance(study, optuna.Study):
        raise ChainruleError(
            f"optimize: study must be one of Optuna's, got {shown(study)}. Pass optuna.create_study()."
        )
    if not callable(build) or isinstance(build, ModuleLike):
        raise ChainruleError(
            f"optimize: build must be a function trial -> (module, optimizer), got {shown(build)}. Write one."
        )
    if not isinstance(objective, str | list | tuple):
        raise ChainruleError(
            f"optimize: the objective must be a curve's name or a list of them, got {shown(objective)}. "
            'Pass "validation_loss", for example.'
        )
    training = Training(
        loss=loss,
        train=train,
        validation=validation,
        epochs=epochs,
        batch_size=batch_size,
        metrics=metrics,
        objectives=(objective,) if isinstance(objective, str) else tuple(objective),
        clip_norm=clip_norm,
        compile=compile,
        dtype=dtype,
        device=device,
    )
    training.check([direction.name.lower() for direction in study.directions])
    n_trials, batch = (
        integer("optimize", "n_trials", n_trials, at_least=0),
        integer("optimize", "batch", batch, at_least=1),
    )
    classes: Any = catch  # one, or several
    caught = tuple(classes) if is_iterable(classes) else (classes,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in caught):
        raise ChainruleError(
            f"optimize: catch must be classes of exceptions, got {shown(catch)}. Pass catch=(ValueError,), for example."
        )
    trials = Trials(study, _checked_callbacks(callbacks))
    with trials.open():
        is_first = True
        while not trials.stopped and (left := trials.left(n_trials)) > 0:
            TrialBatch(trials, training, caught, rehearses=is_first).run(build, min(batch, left), seed)
            is_first = False


def _checked_callbacks(callbacks: Any) -> list[Callable[[Study, FrozenTrial], object]]:
    """Return the callbacks as a list, or raise ChainruleError if one is no function of Optuna's form."""
    must = "optimize: callbacks must be a list of functions (study, trial)"
    found = list(callbacks) if is_iterable(callbacks) else [callbacks]
    for one in found:
        is_of_fit = any(hasattr(one, hook) for hook in vars(TrainingHooks) if hook.startswith("chainrule_"))
        if is_of_fit and (isinstance(one, type) or not callable(one)):
            raise ChainruleError(
                f"{must}, got {shown(one)}, a callback of fit. Leave it out; what stops trials early is the study's "
                "pruner: optuna.create_study(pruner=optuna.pruners.MedianPruner())."
            )
        if not callable(one):
            raise ChainruleError(f"{must}, got {shown(one)}. Pass functions alone.")
    if not is_iterable(callbacks):
        raise ChainruleError(f"{must}, got {shown(callbacks)}. Pass a list.")
    return found
