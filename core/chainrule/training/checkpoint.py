"""`Checkpoint`: a fit that goes on where it was when it is killed and called again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.arguments import integer, shown
from chainrule.base.generators import (
    generators_in,
    random_states,
    set_state_of_generator,
    state_of_generator,
)
from chainrule.base.hookspecs import KeepsState
from chainrule.errors import CallbackError, ChainruleError, StateError, label, one_line
from chainrule.training.batches import Data, is_pair
from chainrule.training.checkpoint_file import CheckpointFile, first_not_plain
from chainrule.training.metric_values import MetricValues
from chainrule.training.run import Run
from chainrule.training.run_settings import described, difference, settings_of
from chainrule.training.running_means import RunningMeans
from chainrule.training.steps.compiled import CompiledStep
from chainrule.training.training_step import StepForm

PARTS = ("settings", "parts", "run", "values", "batch", "callbacks", "order")
"""What a checkpoint consists of."""

NEVER = 2**63
"""More steps than a fit takes."""


class Checkpoint:
    """Writes what a run is when that is due, and takes up what was written; does neither without a path.

    Within an epoch that also takes the step's batch signature and the running means; the order of batches follows from
    seeds and epoch alone. That of iterables may follow from global random numbers, which are then part of it.

    Args:
        path: the file.
        every: "epoch", or a number of steps.
        run: the run.
        step: its step.
        parts: what the run trains, whose settings callbacks may change in mid-run.
        data: the splits, by name.
        settings: what else the run depends on.

    Attributes:
        taken: the steps that the epoch to go on with had when it was saved.

    Raises:
        ChainruleError: if the file cannot be written, or an iterable is to be resumed within an epoch.
        StateError: if it holds another run, or is no checkpoint.
    """

    def __init__(
        self,
        path: str | Path | None,
        every: str | int,
        run: Run,
        step: StepForm,
        *,
        parts: Mapping[str, object],
        data: Mapping[str, Data],
        settings: Mapping[str, object],
    ) -> None:
        if isinstance(every, str) and every != "epoch":
            raise ChainruleError(
                f'fit: every must be "epoch" or a number of steps, got {shown(every)}. Pass "epoch", or 500.'
            )
        self._steps = NEVER if every == "epoch" else integer("fit", "every", every, at_least=1)
        self._run, self._step, self._parts = run, step, parts
        self.taken = 0
        self._file: CheckpointFile | None = None
        self._saved: dict[str, Any] | None = None
        if path is None:
            if every != "epoch":
                raise ChainruleError(
                    f'fit: every must come with a checkpoint, got {shown(every)} alone. Pass checkpoint="run.ckpt".'
                )
            return
        if every != "epoch" and not is_pair(data["train"]):
            raise ChainruleError(
                f'fit: every must be "epoch" for an iterable of batches, which cannot be resumed within one, got '
                f"{shown(every)}. Leave every out, or pass train as two tensors."
            )
        self._iterables = [one for one in data.values() if not is_pair(one)]
        self._generators = list(generators_in(self._iterables))
        length = {} if is_pair(data["train"]) else {"steps_per_epoch": run.steps_per_epoch}
        self._settings = settings_of(run.network, data, callbacks=self._callbacks(), **length, **settings)
        self._file = CheckpointFile(path, PARTS)
        self._saved = self._file.read(run.network.device)
        if self._saved is not None:
            self._expect_same(self._file, self._saved)

    def resume(self) -> None:
        """Take up what was written.

        Before callbacks are told of the start, so that they see where the run is, and again after it, since they may
        have changed what was written, such as the learning rate.
        """
        if self._saved is None:
            return
        self._run.load_state_dict(self._saved["run"])
        self.taken = 0
        if self._saved["values"] is not None:
            self._run.epoch -= 1  # which begins once more, after the steps that it had
            self.taken = self._saved["values"]["taken"]
        if isinstance(self._step, CompiledStep):
            self._step.batch = self._saved["batch"]

    def resume_callbacks(self) -> None:
        """Take up the callbacks' state too."""
        if self._saved is None:
            return
        self.resume()
        for callback, state in zip(self._callbacks(), self._saved["callbacks"], strict=True):
            _of_callback(callback, "load_state_dict", state)
        if self._iterables:
            self._load_order(self._saved["order"])
        if changed := difference(self._parts_now(), self._saved["parts"]):
            raise StateError(
                f"fit: a callback that changes settings must set them again when a run is resumed, got {changed}. "
                "Do so in its load_state_dict."
            )

    def resume_epoch(self, means: RunningMeans, metrics: MetricValues) -> None:
        """Take up the means over the steps that the epoch had, at its second beginning."""
        if self.taken and self._saved is not None:
            means.load_state_dict(self._saved["values"]["means"])
            metrics.load_state_dict(self._saved["values"]["metrics"])
        self.taken, self._saved = 0, None

    def pieces(self, several: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches (S, M, B, …), several at a time, such that a checkpoint that is due comes after a piece."""
        for xs, ys in several:
            start = 0
            while start < len(xs):
                stop = min(len(xs), start + self._steps - self._taken_since())
                yield xs[start:stop], ys[start:stop]
                start = stop

    def end_step(self, means: RunningMeans, metrics: MetricValues) -> None:
        """Write what is due after a step; after an epoch's last one, `end_epoch` does."""
        per_epoch = self._run.steps_per_epoch
        if self._file is None or self._taken_since() or per_epoch is None or not (taken := self._run.step % per_epoch):
            return
        self._write({"taken": taken, "means": means.state_dict(), "metrics": metrics.state_dict()})

    def end_epoch(self) -> None:
        """Write what is due after an epoch, and the end of the run in any case."""
        is_last = self._run.stopped or self._run.epoch == self._run.epochs
        if self._file is not None and (self._steps == NEVER or not self._taken_since() or is_last):
            self._write(None)

    def _taken_since(self) -> int:
        """Return the steps since a checkpoint was due."""
        return self._run.step % self._steps

    def _write(self, values: dict[str, Any] | None) -> None:
        if self._file is None:
            return
        callbacks = self._callbacks()
        states = [_of_callback(callback, "state_dict") for callback in callbacks]
        for callback, state in zip(callbacks, states, strict=True):
            if (found := first_not_plain(state)) is not None:
                path, value = found
                raise CallbackError(
                    f"{label(callback)}: state_dict must consist of numbers, text, tensors, lists, tuples and dicts, "
                    f"got {shown(value)} of type {type(value).__name__} at state{path}. "
                    f"Convert it{' with .tolist()' if hasattr(value, 'tolist') else ''}."
                )
        self._step.follow_settings()  # of an epoch's end, such as members that were dropped
        self._file.write(
            {
                "settings": self._settings,
                "parts": self._parts_now(),
                "run": self._run.state_dict(),
                "values": values,
                "batch": self._step.batch if isinstance(self._step, CompiledStep) else None,
                "callbacks": states,
                "order": self._order() if self._iterables else None,
            }
        )

    def _callbacks(self) -> list[KeepsState]:
        return [one for one in self._run.callbacks if isinstance(one, KeepsState)]

    def _parts_now(self) -> dict[str, str]:
        return {name: described(part) for name, part in self._parts.items()}

    def _expect_same(self, file: CheckpointFile, saved: Mapping[str, Any]) -> None:
        """Raise StateError unless the file is of this run, and not beyond its epochs."""
        if different := difference(self._settings, saved["settings"]):
            raise StateError(
                f"fit: the arguments must be those of the run in {file.path}, got {different}. "
                "Pass those, or another checkpoint."
            )
        if saved["run"]["epoch"] > self._run.epochs:
            raise StateError(
                f"fit: epochs must be at least {saved['run']['epoch']}, as many as checkpoint {file.path} has, "
                f"got {self._run.epochs}. Pass more, or another path."
            )

    def _order(self) -> dict[str, Any]:
        """Return the random numbers that the order of an iterable may follow from."""
        python, numpy = random_states()
        return {
            "torch": torch.get_rng_state(),
            "python": python,
            "numpy": numpy,
            "own": list(map(state_of_generator, self._generators)),
        }

    def _load_order(self, saved: Mapping[str, Any]) -> None:
        if len(saved["own"]) != len(self._generators):
            raise StateError(
                f"fit: batches must be drawn by as many generators as when the checkpoint was written, "
                f"{len(saved['own'])}, got {len(self._generators)}. Pass the same, or another checkpoint."
            )
        torch.set_rng_state(saved["torch"])
        random.setstate(saved["python"])
        np.random.set_state(saved["numpy"])
        for one, state in zip(self._generators, saved["own"], strict=True):
            set_state_of_generator(one, state)


def _of_callback(callback: Any, method: str, *arguments: Any) -> Any:
    """Return what a callback's method does; its errors name it."""
    try:
        return getattr(callback, method)(*arguments)
    except Exception as error:
        if isinstance(error, ChainruleError) and str(error).startswith(f"{label(callback)}: "):
            raise CallbackError(str(error)) from error
        raise CallbackError(
            f"{label(callback)}: {method} must not fail, got {one_line(error).rstrip('.')}. Mend the callback."
        ) from error
