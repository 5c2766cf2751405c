"""`CompiledEvaluation`: forward, loss and metrics of a batch as one compiled function."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from chainrule.base.metric import Metric, MetricLike
from chainrule.training.batch_values import BatchValues
from chainrule.training.steps.compiled import CompiledStep, warn_uncompiled
from chainrule.training.steps.evaluation_stage import EvaluationStage
from chainrule.training.steps.snapshot import Watch
from chainrule.updates.fused_rule import first_use

FROM_EPOCH = 25
"""The first epoch whose evaluation is compiled, which takes up to half as long as for the step; a short run loses that.

It is an epoch, not a time, so that a resumed run evaluates as the uninterrupted one does, to the bit.
"""


class Compiled(NamedTuple):
    """A compiled evaluation of a batch.

    Attributes:
        stage: what it reads its batch from.
        calls: made one after the other, they evaluate it.
        values: where its results are then.
    """

    stage: EvaluationStage
    calls: Sequence[Callable[[], object]]
    values: BatchValues


class CompiledEvaluation:
    """Evaluates batches as `batch_values` does, through a function compiled for each signature of a batch.

    What it does is recorded, so that it is done again without Python in between. Metrics that cannot be traced, and
    functions in their place, are left out of the results; they run eagerly on the prediction. An evaluation that cannot
    be compiled warns and runs eagerly; where the step does so, it does without a warning of its own.

    Args:
        step: the compiled step of the network that is evaluated, with the loss over members.
        metrics: of the evaluation.
        splits: the rows of each split that is evaluated.
    """

    def __init__(self, step: CompiledStep, metrics: Mapping[str, MetricLike], splits: Sequence[int]) -> None:
        self._step = step
        self._count = len(metrics)
        self._metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, Metric)}
        self._splits = splits
        self._rows: dict[int, int] = {}
        self._compiled: dict[Hashable, Compiled] = {}
        self._watch: Watch | None = None
        self._has_failed = False

    def due(self, epoch: int) -> CompiledEvaluation | None:
        """Return itself from the first epoch on whose evaluation is compiled; None if it has turned out not to be."""
        return None if epoch < FROM_EPOCH or self._has_failed or self._step.is_eager else self

    def rows_of_a_batch(self, most: int) -> int:
        """Return how many rows a batch should have, at most so many, for few signatures and then for few batches."""
        if most not in self._rows:
            self._rows[most] = _rows_of_a_batch(self._splits, most)
        return self._rows[most]

    def follow_settings(self) -> None:
        """Discard the functions if a setting of a module, the loss or a metric has changed; in eval mode."""
        if self._watch is not None and self._watch.sees_changes():
            self._compiled, self._watch = {}, None

    @torch.inference_mode()
    def __call__(self, x: Tensor, y: Tensor) -> BatchValues | None:
        """Return the values of a batch, which the next call overwrites; None if it must be evaluated eagerly."""
        if self._has_failed:
            return None
        signature = EvaluationStage.form(x, y)
        compiled = self._compiled.get(signature)
        if compiled is None:
            error = self._compile(signature, x, y)
            if error is not None:
                self._has_failed = True
                warn_uncompiled("the evaluation cannot be compiled", error, "It runs eagerly.")
                return None
            compiled = self._compiled[signature]
        compiled.stage.put(x, y)
        try:
            for call in compiled.calls:
                call()
        except RuntimeError:  # eagerly, the module, loss or metric at fault raises an error of its own
            return None
        values = compiled.values
        if len(values.sums) < self._count:  # what runs eagerly may keep the prediction
            return values._replace(prediction=values.prediction.clone())
        return values

    @torch.inference_mode(False)
    @torch.no_grad()
    def _compile(self, signature: Hashable, x: Tensor, y: Tensor) -> Exception | None:
        """Add a function for batches like this one; return the error that prevents it."""
        step = self._step.step
        try:
            # Both use torch's private interfaces, which may change.
            from chainrule.training.steps.evaluation_functions import Evaluated, evaluation_of
            from chainrule.training.steps.launches import launches_of

            evaluated = Evaluated(step.network, step.loss, self._metrics)
            if self._watch is None:
                self._watch = Watch(evaluated.owners, step.updater)
            stage = EvaluationStage(x, y)
            with first_use("the evaluation"):
                function, tensors, layout = evaluation_of(evaluated, stage)
                calls, outputs, error = launches_of(function, tensors, stage)
        except Exception as error:  # noqa: BLE001  # whatever keeps a plugin from being traced, it may still run eagerly
            return error
        if error is not None:
            warn_uncompiled("the compiled evaluation cannot be recorded", error, "It runs all the same, more slowly.")
        self._compiled[signature] = Compiled(stage, calls, layout.values(outputs))
        return None


def _rows_of_a_batch(splits: Sequence[int], most: int) -> int:
    most = min(most, max(splits))
    sizes = np.arange(max(1, most // 4), most + 1)
    whole, rest = (np.stack(parts) for parts in zip(*[np.divmod(rows, sizes) for rows in splits], strict=True))
    rest.sort(0)
    kinds = np.sum([whole.any(0), rest[0] > 0, *(np.diff(rest, axis=0) > 0)], 0)
    batches = whole.sum(0) + (rest > 0).sum(0)
    return int(sizes[(kinds * (sum(splits) + 1) + batches).argmin()])


def compiled_evaluation(
    step: object, metrics: Mapping[str, MetricLike], splits: Sequence[int]
) -> CompiledEvaluation | None:
    """Return the compiled evaluation that goes with a step, None if it is not compiled as a whole on a CPU."""
    if not isinstance(step, CompiledStep) or step.step.network.device.type != "cpu" or not splits:
        return None
    return CompiledEvaluation(step, metrics, splits)
