"""The trials of an Optuna study in one process: asked in batches, told one by one, and resumed after a kill."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from chainrule.errors import ChainruleError, one_line

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

PROCESS = "process"
"""The user attribute of a trial that names the process which runs it."""

RETRY = "retry_of"
"""The user attribute of a trial that has the number of the one that it takes the place of."""

_TOKEN = uuid.uuid4().hex[:8]  # tells this process from an earlier one with its number


class Trials:
    """The trials of a study that this process runs, and what `study.optimize` does around one.

    Args:
        study: the study.
        callbacks: called with the study and each trial that has ended.

    Attributes:
        running: the trials that were asked and not told yet.
        failed: how many trials have failed.
        stopped: whether a sampler or a callback has stopped the study.
    """

    def __init__(self, study: Study, callbacks: Sequence[Callable[[Study, FrozenTrial], object]]) -> None:
        import optuna

        self.study = study
        self.running: dict[int, Trial] = {}
        self.failed = 0
        self.stopped = False
        self._callbacks = callbacks
        self._states = optuna.trial.TrialState
        self._log = optuna.logging.get_logger("optuna.chainrule")

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within the block, let samplers and callbacks stop the study, as in `study.optimize`; leave no trial running.

        Raises:
            ChainruleError: if the study is being optimized already.
        """
        local = self.study._thread_local
        if local.in_optimize_loop:
            raise ChainruleError(
                "optimize: a study must not be optimized within its own optimization, got a nested call. "
                "Use another study."
            )
        local.in_optimize_loop = True
        try:
            self._give_up_what_was_left()
            self.study._stop_flag = False
            with self._heartbeats():
                yield
        finally:
            try:
                self.give_up()
            finally:
                local.in_optimize_loop = False
                self.study._storage.remove_session()

    def left(self, n_trials: int) -> int:
        """Return how many trials are to be run until the study has so many, beside those that failed before."""
        states = (self._states.COMPLETE, self._states.PRUNED)
        return n_trials - len(self.study.get_trials(deepcopy=False, states=states)) - self.failed

    def ask(self) -> Trial:
        """Return one that waits in the study, or a new trial, which has this process's name from the start."""
        import optuna

        self._fail_stale()
        own = _own_process()
        if not self.study.get_trials(deepcopy=False, states=(self._states.WAITING,)):
            self.study.add_trial(optuna.create_trial(state=self._states.WAITING, user_attrs={PROCESS: own}))
        trial = self.study.ask()
        self.running[trial.number] = trial
        if self._interval() is not None:
            storage: Any = self.study._storage
            storage.record_heartbeat(trial._trial_id)
        if trial.user_attrs.get(PROCESS) != own:
            trial.set_user_attr(PROCESS, own)
        return trial

    def has_asked_all(self, trial: Trial) -> bool:
        """Whether the sampler, of a finite space, has asked all of it: this trial, those that run and have ended."""
        import optuna

        sampler, trials = self.study.sampler, self.study.get_trials(deepcopy=False)
        if any(one.state == self._states.WAITING for one in trials):
            return False
        last = next(one for one in trials if one.number == trial.number)
        if isinstance(sampler, optuna.samplers.GridSampler):
            grid = last.system_attrs.get("search_space", {})
            asked = {one.system_attrs["grid_id"] for one in trials if one.system_attrs.get("search_space") == grid}
            return len(asked) == math.prod(map(len, grid.values()))
        stopped, self.study._stop_flag = self.study._stop_flag, False
        try:
            sampler.after_trial(self.study, last, self._states.PRUNED, None)  # which stops the study then
            return self.study._stop_flag
        finally:
            self.study._stop_flag = stopped

    def heed_stop(self) -> None:
        """Note whether the study was told to stop."""
        self.stopped |= self.study._stop_flag

    def complete(self, trial: Trial, values: Sequence[float]) -> None:
        """Tell the objective's values, of which NaN lets the trial fail."""
        if any(value != value for value in values):
            self.fail(trial, f"the objective is {', '.join(map(str, values))}")
            return
        frozen = self._tell(trial, self._states.COMPLETE, values)
        if self._log.isEnabledFor(logging.INFO):
            told = f"value: {values[0]}" if len(values) == 1 else f"values: {list(values)}"
            self._log.info(
                f"Trial {trial.number} finished with {told} and parameters: {frozen.params}.{self._best(values)}"
            )
        self._call_back(frozen)

    def prune(self, trial: Trial) -> None:
        """Tell that the trial is pruned."""
        frozen = self._tell(trial, self._states.PRUNED)
        self._log.info(f"Trial {trial.number} pruned.")
        self._call_back(frozen)

    def fail(self, trial: Trial, reason: BaseException | str) -> None:
        """Tell that the trial has failed, with the reason in Optuna's log."""
        self.failed += 1
        frozen = self._tell(trial, self._states.FAIL)
        told = reason if isinstance(reason, str) else one_line(reason)
        self._log.warning(f"Trial {trial.number} failed with parameters: {frozen.params}: {told}")
        self._call_back(frozen)

    def give_up(self) -> None:
        """Let the trials that are still running fail, and wait in the study to be run again."""
        for number in list(self.running):
            self._retry(number)
            del self.running[number]

    def _tell(self, trial: Trial, state: Any, values: Sequence[float] | None = None) -> FrozenTrial:
        self.study._stop_flag = False
        frozen = self.study.tell(trial, values, state, skip_if_finished=True)  # another may have given it up
        del self.running[trial.number]
        if self.study._stop_flag:  # a sampler of a finite space takes trials that were given up for visited
            waiting = self.study.get_trials(deepcopy=False, states=(self._states.WAITING,))
            self.study._stop_flag = not waiting
        return frozen

    def _call_back(self, frozen: FrozenTrial) -> None:
        for callback in self._callbacks:
            callback(self.study, frozen)
        self.heed_stop()

    def _best(self, values: Sequence[float]) -> str:
        """Return a sentence on the best trial so far; nothing if there are several objectives, or none is feasible."""
        if len(values) == 1:
            with suppress(ValueError):
                return f" Best is trial {self.study.best_trial.number} with value: {self.study.best_value}."
        return ""

    def _retry(self, number: int) -> None:
        """Let a trial fail, and wait once more, in the order in which a kill in between loses nothing."""
        import optuna

        trials = self.study.get_trials(deepcopy=False)
        frozen = next(trial for trial in trials if trial.number == number)
        if frozen.state != self._states.RUNNING:
            return
        if not any(trial.user_attrs.get(RETRY) == number for trial in trials):
            kept = {key: value for key, value in frozen.system_attrs.items() if not key.startswith("completed_rung")}
            again = optuna.create_trial(
                state=self._states.WAITING,
                params=frozen.params,
                distributions=frozen.distributions,
                user_attrs={**frozen.user_attrs, RETRY: number},  # with a process, until another takes it
                system_attrs=kept,
            )
            self.study.add_trial(again)
        with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another has given it up
            # Not by study.tell: a sampler may look for what it had not noted yet when the process was killed.
            self.study._storage.set_trial_state_values(frozen._trial_id, state=self._states.FAIL)

    def _give_up_what_was_left(self) -> None:
        """Give up the trials of processes that were killed."""
        for trial in self.study.get_trials(deepcopy=False, states=(self._states.RUNNING,)):
            if _is_dead(trial.user_attrs.get(PROCESS)):
                self._retry(trial.number)

    def _fail_stale(self) -> None:
        """Let trials fail whose heartbeat has stopped, if the storage has any, as `study.optimize` does."""
        import optuna

        if self._interval() is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(self.study)

    def _interval(self) -> int | None:
        """Return the seconds from one heartbeat to the next, None if the storage has none."""
        storage = self.study._storage
        return storage.get_heartbeat_interval() if hasattr(storage, "get_heartbeat_interval") else None

    @contextmanager
    def _heartbeats(self) -> Iterator[None]:
        """Record the heartbeats of running trials, if the storage has any."""
        interval, ended = self._interval(), Event()
        if interval is None:
            yield
            return

        def beat() -> None:
            storage: Any = self.study._storage
            while not ended.wait(interval):
                for trial in list(self.running.values()):
                    storage.record_heartbeat(trial._trial_id)

        thread = Thread(target=beat, name="heartbeats")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _own_process() -> str:
    return f"{socket.gethostname()} {os.getpid()} {_TOKEN}"


def _is_dead(process: object) -> bool:
    """Whether a trial's process is known to have ended: on this machine, where no process has its number now."""
    host, _, rest = str(process).partition(" ")
    pid = rest.partition(" ")[0]
    if host != socket.gethostname() or not pid.isdigit() or sys.platform == "win32":
        return False
    if int(pid) == os.getpid():
        return process != _own_process()
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # of another user
        return False
    return False
