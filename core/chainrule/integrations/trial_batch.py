"""`TrialBatch`: some trials of an Optuna study, asked, built and trained together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.arguments import flag, integer, nearest, shown
from chainrule.base.hookspecs import hookimpl
from chainrule.base.protocols import LossLike, ModuleLike
from chainrule.errors import ChainruleError
from chainrule.integrations.trials import Trials
from chainrule.joining import form_of, joined
from chainrule.training.batches import Data, checked_data, is_pair
from chainrule.training.fit import fit
from chainrule.training.history import History
from chainrule.training.passed_parts import Metrics, check_parts, check_reduction, checked_metrics
from chainrule.training.run import Run
from chainrule.training.training_step import Attachable
from chainrule.updates.clipping import checked_norm

if TYPE_CHECKING:
    from optuna import Trial


@dataclass
class Candidate:
    """A trial with what it is to train, and the number of epochs whose objective was reported."""

    trial: Trial
    module: ModuleLike
    optimizer: Attachable
    seed: int
    form: object
    reported: int = 0


@dataclass(frozen=True)
class Training:
    """How every trial is trained, by the arguments of `fit` and `build`, and the curves that are its objectives."""

    loss: LossLike
    train: Data
    validation: Data | None
    epochs: int
    batch_size: int
    metrics: Metrics | None
    objectives: tuple[str, ...]
    clip_norm: float | None
    compile: bool
    dtype: torch.dtype | None
    device: torch.device | str

    def check(self, directions: Sequence[str]) -> None:
        """Raise ChainruleError for what can be seen to be wrong before a trial is asked."""
        check_parts("optimize", loss=self.loss)
        check_reduction("optimize", self.loss)
        integer("optimize", "epochs", self.epochs, at_least=1)
        integer("optimize", "batch_size", self.batch_size, at_least=1)
        flag("optimize", "compile", self.compile)
        checked_norm("optimize", self.clip_norm)
        checked_data("optimize: train", self.train)
        splits = ["train"]
        if self.validation is not None:
            checked_data("optimize: validation", self.validation)
            splits.append("validation")
        measured = ["loss", *checked_metrics("optimize", self.metrics, for_curves=True)]
        curves = [f"{split}_{name}" for split in splits for name in measured]
        for name in self.objectives:
            if name not in curves:
                near = nearest(str(name), curves) or f" The curves are {', '.join(curves)}."
                raise ChainruleError(f"optimize: the objective must be a curve of the fit, got {shown(name)}.{near}")
        if len(self.objectives) != len(directions):
            raise ChainruleError(
                f"optimize: objectives must be as many as the study's directions, {len(directions)}, got "
                f"{list(self.objectives)}. Pass one curve for each direction."
            )
        for name, direction in zip(self.objectives, directions, strict=True):
            if direction == "maximize" and name in [f"{split}_loss" for split in splits]:
                fix = 'Create the study with "minimize" for it'
                if measured[1:] and len(directions) == 1:
                    fix = f'Pass objective="{splits[-1]}_{measured[1]}"'
                raise ChainruleError(f'optimize: {name} must be minimized, got the direction "maximize". {fix}.')

    def rehearse(self, candidate: Candidate) -> None:
        """Take no step, so that what is wrong with the data or an argument is raised before more trials are asked."""
        network, loss = self.fit([candidate], epochs=0).updater.network.eval(), self.loss.over_members()
        for data in (self.train, self.validation):
            if data is not None and is_pair(data):
                loss.mean(network(data[0][:2]), data[1][:2])

    def fit(
        self, candidates: Sequence[Candidate], callbacks: Sequence[object] = (), epochs: int | None = None
    ) -> History:
        """Train these trials as the members of one ensemble."""
        module: Any = copy.deepcopy(candidates[0].module)
        seeds = [candidate.seed for candidate in candidates]
        return fit(
            module.build(seeds=seeds, dtype=self.dtype, device=self.device),
            self.loss,
            joined([candidate.optimizer for candidate in candidates]),  # type: ignore[type-var]
            train=self.train,
            validation=self.validation,
            epochs=self.epochs if epochs is None else epochs,
            batch_size=self.batch_size,
            metrics=self.metrics,
            callbacks=callbacks,
            clip_norm=self.clip_norm,
            compile=self.compile,
            evaluate_train=any(name.startswith("train_") for name in self.objectives),
        )


class Pruning:
    """Reports every member's objective to its trial after each epoch, and drops the members whose trials are pruned.

    A trial that is trained once more, by itself, has its first epochs reported already.

    Args:
        trials: those of the study.
        candidates: the members' trials.
        objective: the curve that is reported.
        compiled: whether steps are compiled.

    Attributes:
        failure: the error of the study, if it had one, with which the fit ended.
    """

    def __init__(self, trials: Trials, candidates: Sequence[Candidate], objective: str, *, compiled: bool) -> None:
        self._trials, self._objective, self._compiled = trials, objective, compiled
        self._running = dict(enumerate(candidates))
        self.failure: Exception | None = None

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        """Report, and drop the members that are pruned; end the fit with the last."""
        values = metrics[self._objective].tolist()
        try:
            for member, candidate in list(self._running.items()):
                if epoch <= candidate.reported:
                    continue
                candidate.trial.report(values[member], epoch - 1)
                candidate.reported = epoch
                if candidate.trial.should_prune():
                    self._trials.prune(candidate.trial)
                    del self._running[member]
        except Exception as error:  # noqa: BLE001 - raised by `TrialBatch`, since it is no error of a trial
            self.failure = error
            run.stop()
        if not self._running:
            run.stop()
        elif epoch < run.epochs:
            run.drop(leaving(run.members, self._running, compiled=self._compiled))


def leaving(members: Sequence[int], running: Collection[int], *, compiled: bool) -> list[int]:
    """Return the members to drop: all whose trials do not run any more, or of compiled steps those in three of four.

    Each number of members is compiled once, so that the fewer numbers there are, the better.
    """
    gone, stay = [member for member in members if member not in running], len(running)
    if compiled:
        stay = len(members)
        while stay // 4 >= len(running):
            stay //= 4
    return gone[: len(members) - stay]


class TrialBatch:
    """Some trials that are asked, built and trained together.

    Args:
        trials: those of the study.
        training: how each is trained.
        caught: the errors of a trial after which the others go on.
        rehearses: whether the first trial is rehearsed before others are asked.
    """

    def __init__(
        self, trials: Trials, training: Training, caught: tuple[type[Exception], ...], *, rehearses: bool
    ) -> None:
        self._trials, self._training, self._caught, self._rehearses = trials, training, caught, rehearses
        self._candidates: list[Candidate] = []

    def run(self, build: Callable[[Trial], Any], size: int, seed: int) -> None:
        """Ask so many trials, build and train them, and tell how they end."""
        error = self._ask(build, size, seed)
        groups: dict[object, list[Candidate]] = {}
        for candidate in self._candidates:
            groups.setdefault(candidate.form, []).append(candidate)
        for group in groups.values():
            self._train(group)
        if error is not None:
            raise error

    def _ask(self, build: Callable[[Trial], Any], size: int, seed: int) -> Exception | None:
        """Ask and build trials; return the error with which building ended, if one is not caught."""
        import optuna

        exhaustive = isinstance(
            self._trials.study.sampler, optuna.samplers.GridSampler | optuna.samplers.BruteForceSampler
        )
        asked: list[dict[str, Any]] = []
        for _ in range(size):
            trial = self._trials.ask()
            try:
                candidate = _candidate(trial, build(trial), seed)
                if self._rehearses and not self._candidates:
                    self._training.rehearse(candidate)
                self._candidates.append(candidate)
            except optuna.TrialPruned:
                self._trials.prune(trial)
            except Exception as error:  # noqa: BLE001 - of the user's code
                self._trials.fail(trial, error)
                if not isinstance(error, self._caught):
                    return error
            self._trials.heed_stop()
            is_new = trial.params not in asked  # not so where a sampler waits for trials that run
            if self._trials.stopped or (exhaustive and (self._trials.has_asked_all(trial) or not is_new)):
                break
            asked.append(trial.params)
        return None

    def _train(self, candidates: list[Candidate]) -> None:
        """Train trials as one ensemble, or if that fails each by itself, and tell how they end."""
        pruning = self._pruning(candidates)
        history, failure = None, None
        try:
            history = self._training.fit(candidates, [] if pruning is None else [pruning])
        except Exception as error:  # noqa: BLE001 - of the user's code
            failure = error
        if pruning is not None and pruning.failure is not None:
            raise pruning.failure
        running = [one for one in candidates if one.trial.number in self._trials.running]
        if history is not None:
            curves = [history[name][-1].tolist() for name in self._training.objectives]
            values = dict(zip((one.trial.number for one in candidates), zip(*curves, strict=True), strict=True))
            for candidate in running:
                self._trials.complete(candidate.trial, values[candidate.trial.number])
        elif len(candidates) > 1:
            for candidate in running:
                self._train([candidate])
        elif running and failure is not None:
            self._trials.fail(candidates[0].trial, failure)
            if not isinstance(failure, self._caught):
                raise failure

    def _pruning(self, candidates: Sequence[Candidate]) -> Pruning | None:
        """Return what asks the pruner, None where there is nothing to ask."""
        import optuna

        objectives = self._training.objectives
        if len(objectives) > 1 or isinstance(self._trials.study.pruner, optuna.pruners.NopPruner):
            return None
        return Pruning(self._trials, candidates, objectives[0], compiled=self._training.compile)


def _candidate(trial: Trial, built: Any, seed: int) -> Candidate:
    """Return a trial with what `build` has returned for it, checked."""
    if not isinstance(built, tuple) or len(built) not in (2, 3):
        raise ChainruleError(
            f"optimize: build must return (module, optimizer), or these and a seed, got {shown(built)}. Return a tuple."
        )
    module, optimizer, *own = built
    seed = integer("optimize", "a seed", own[0] if own else seed, at_least=0)
    return Candidate(trial, module, optimizer, seed, form_of(module, optimizer, "optimize"))
