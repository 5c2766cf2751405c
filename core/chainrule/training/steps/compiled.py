"""`CompiledStep`: forward, loss, backward and update as one compiled function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from chainrule.base.protocols import LossLike
from chainrule.base.step import Due
from chainrule.errors import CompileWarning, causes, levels_to_the_caller
from chainrule.network import Network
from chainrule.shared_modules import begin_call
from chainrule.training.running_means import RunningMeans
from chainrule.training.steps import cuda_graph
from chainrule.training.steps.ahead import numbers_ahead
from chainrule.training.steps.eager import Outputs, TrainingStep, UntraceableError, keep_as_ordinary_tensors
from chainrule.training.steps.snapshot import Watch
from chainrule.training.steps.stage import Stage
from chainrule.updates.fused_rule import first_use, require_compiler
from chainrule.updates.moment import Moment, holds_at
from chainrule.updates.updater import Updater

BELOW_PARAMETERS = 2**22
"""Parameters of all members on a CPU; from here on matrix products dominate, and compiling the rule alone needs less
memory.
"""

OTHER_BATCHES = 8
"""The most further batch signatures whose steps are captured on a CUDA device."""

OF_VALUES = ("data-dependent", "trying to get a value out of", "memo disaster")
"""What torch's errors say of an operation that needs a tensor's value."""

Batch: TypeAlias = tuple[tuple[int, ...], torch.dtype, tuple[int, ...], torch.dtype]
"""The shape and dtype of a batch's inputs, and of its targets."""


class Compiled(NamedTuple):
    """A compiled step, and the moments for which its operations are right.

    Attributes:
        stage: what it reads its batches and moments from.
        calls: made one after the other, they take a step and write its outputs.
    """

    stage: Stage
    calls: Sequence[Callable[[], object]]
    outputs: Outputs
    moments: list[Moment]


class CompiledStep:
    """Takes steps as `TrainingStep` does, through functions compiled for one batch signature.

    Compiles for the first batch, before its step, and once for each set of answers of `Step.every`; any other batch,
    such as an epoch's last, runs eagerly. A function contains the step's operations and Python numbers; batches, the
    learning rate and all that depends on the step's number are read from a stage, which can hold those of many steps.
    Steps that differ only in the values of their tensors share a function, across fits. What a function does is
    recorded, so that it is done again without Python in between. A step that cannot be compiled warns and runs eagerly.

    On a CUDA device a function is recorded as one graph. There other batches are captured too, and what torch cannot
    compile, as they are.

    Attributes:
        variants: the compiled functions.
        batch: the signature for which they are compiled, None before the first batch.
        others: steps on batches of other signatures, captured but not compiled; None where that failed.
    """

    def __init__(self, network: Network, loss: LossLike, updater: Updater) -> None:
        require_compiler(network.device)
        self.step = TrainingStep(network, loss, updater)
        self.variants: list[Compiled] = []
        self.batch: Batch | None = None
        self.others: dict[Batch, list[Compiled] | None] = {}
        self._watch: Watch | None = None
        self._error: Exception | None = None
        self._has_failed = False
        self._captures_alone = False

    def __call__(self, x: Tensor, y: Tensor) -> Outputs:
        """Take one step, and return the prediction and the loss (M,) before the update; the next overwrites them.

        There need be no inference mode around it, which takes longer than to detach x and y.
        """
        updater = self.step.updater
        counted = updater.t
        try:
            moments = updater.advance()
            compiled = self._variant(x, y, moments)
            if compiled is None:
                return self._take(x, y, moments)
            compiled.stage.put_one(x, y, moments)
            self._run(compiled, 1)
        except BaseException:
            updater.t = counted
            raise
        return compiled.outputs

    def take_all(self, xs: Tensor, ys: Tensor, means: RunningMeans | None = None) -> Outputs:
        """Take a step on each batch of xs and ys (S, M, N, …), and return what the last gives.

        If one fails, those before it have been taken, and they alone count.

        Args:
            xs: the inputs.
            ys: their targets.
            means: gets the loss of each step.
        """
        start = 0
        while True:
            taken, outputs = self._take_some(xs[start:], ys[start:], means)
            start += taken
            if start == len(xs):
                return outputs

    def _take_some(self, xs: Tensor, ys: Tensor, means: RunningMeans | None) -> tuple[int, Outputs]:
        """Take as many of the first steps as can be staged together, or one eagerly; return how many, and the outputs.

        What fails before a step is taken lets none of them count.
        """
        updater = self.step.updater
        counted, steps = updater.t, 1
        try:
            moments = updater.advance()
            compiled = self._variant(xs[0], ys[0], moments)
            if compiled is None:
                outputs = self._take(xs[0], ys[0], moments)
            else:
                following = numbers_ahead(updater, compiled.moments, min(compiled.stage.rows, len(xs)) - 1)
                steps += len(following)
                updater.t += len(following)
                compiled.stage.put(xs[:steps], ys[:steps], moments, following)
        except BaseException:
            updater.t = counted
            raise
        if compiled is None:
            if means is not None:
                means.add_loss(self.step.loss, *outputs, ys[0])
            return 1, outputs
        self._run(compiled, steps)
        if means is not None:
            means.add_losses(self.step.loss, compiled.outputs[1].dtype, *compiled.stage.losses(steps))
        return steps, compiled.outputs

    @property
    def is_eager(self) -> bool:
        """Whether the step turned out not to compile."""
        return self._has_failed

    def follow_settings(self) -> None:
        """Discard the functions if a setting of a module, the loss or the updater has changed since."""
        if self.step.network.shared:
            begin_call(self.step.network)
        if self._watch is not None and self._watch.sees_changes():
            self.variants, self._watch, self.batch, self.others = [], None, None, {}
            self._captures_alone = False

    def _variant(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> Compiled | None:
        """Return the compiled step for such a batch at these moments; None if it is taken eagerly."""
        if self.batch is None:
            self.batch = (tuple(x.shape), x.dtype, tuple(y.shape), y.dtype)
        if self._has_failed:
            return None
        if (x.shape, x.dtype, y.shape, y.dtype) != self.batch:
            return self._captured(x, y, moments)
        for compiled in self.variants:
            if holds_at(compiled.moments, moments):
                return compiled
        self._error = self._compile(x, y, moments, self.variants)
        return None if self._error else self.variants[-1]

    def _captured(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> Compiled | None:
        """Return the captured step for a batch of another signature than the first; None if it is taken eagerly."""
        batch = tuple(x.shape), x.dtype, tuple(y.shape), y.dtype
        if batch not in self.others:
            if not cuda_graph.is_captured(x.device) or len(self.others) >= OTHER_BATCHES:
                return None
            self.others[batch] = []
        variants = self.others[batch]
        if variants is None:
            return None
        for captured in variants:
            if holds_at(captured.moments, moments):
                return captured
        if self._compile(x, y, moments, variants) is not None:
            self.others[batch] = None
            return None
        return variants[-1]

    def _take(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> Outputs:
        """Take a step eagerly, and say so if it is since the step cannot be compiled."""
        try:
            with torch.inference_mode():
                outputs = self.step.operations(x, y, moments)
        except BaseException:  # a mistake in the step, or of a batch, which tells nothing about other batches
            self._error = None
            if not self.variants:
                self.batch, self._watch = None, None
            raise
        if not torch.is_inference_mode_enabled():
            keep_as_ordinary_tensors(self.step.parts)
        if self._error is not None:
            warn_uncompiled(
                "the step cannot be compiled",
                self._error,
                "It runs eagerly; a step that performs the same tensor operations every time compiles.",
            )
            self._error, self._watch, self._has_failed = None, None, True  # it is not tried again
        return outputs

    def _run(self, compiled: Compiled, steps: int) -> None:
        """Take so many staged steps, which the updater has counted."""
        calls = compiled.calls
        taken = 0
        try:
            if len(calls) == 1:
                call = calls[0]
                for taken in range(steps):  # noqa: B007
                    call()
            else:
                for taken in range(steps):  # noqa: B007
                    for call in calls:
                        call()
        except BaseException as error:
            self.step.updater.t -= steps - taken
            if isinstance(error, RuntimeError):
                # Run the bad batch eagerly for the error of the module or the loss; it changes their state once more.
                self.step.accumulate(*compiled.stage.batch(taken))
            raise

    @torch.inference_mode(False)
    @torch.no_grad()
    def _compile(self, x: Tensor, y: Tensor, moments: Sequence[Moment], variants: list[Compiled]) -> Exception | None:
        """Add to the variants one for a step like this, which is not taken; return the error that prevents it."""
        begin_call(self.step.network)
        if self._watch is None:
            self._move_tensors_of_the_loss()
            self._watch = Watch(self.step.parts, self.step.updater)
        held = [replace(moment, due=Due(int(moment.t))) for moment in moments]  # what is asked is kept
        dues = [moment.due for moment in held]
        is_compiled = variants is self.variants and not self._captures_alone
        try:
            # These use torch's private interfaces, which may change.
            from chainrule.training.steps.functions import function_of, operations_of
            from chainrule.training.steps.launches import launches_of

            stage = Stage(x, y, moments)
            stage.put_one(x, y, moments)
            with first_use("the step"):
                function, tensors = (function_of if is_compiled else operations_of)(self.step, stage, dues)
                calls, outputs, error = launches_of(function, tensors, stage)
        except Exception as failure:  # noqa: BLE001  # whatever keeps a plugin from being traced, it may still run eagerly
            is_captured = is_compiled and cuda_graph.is_captured(x.device)
            if not is_captured or isinstance(failure, UntraceableError):  # which a graph would leave out
                return failure
            self._captures_alone = True
            if self._compile(x, y, moments, variants) is not None:
                return failure
            warn_uncompiled("the step cannot be compiled", failure, "Its operations are captured as they are.")
            return None
        if error is not None:
            if not is_compiled:
                return error
            warn_uncompiled("the compiled step cannot be recorded", error, "It runs all the same, more slowly.")
        variants.append(Compiled(stage, calls, outputs, held))
        return None

    def _move_tensors_of_the_loss(self) -> None:
        """Move what the loss holds, such as class weights, to the device: a CUDA graph holds no copy to it."""
        own, device = vars(self.step.loss), self.step.network.flat.data.device
        own |= {name: value.to(device) for name, value in own.items() if isinstance(value, Tensor)}


def warn_uncompiled(what: str, error: Exception, rest: str) -> None:
    """Warn that compile=True does less than it might, and what happens in its place."""
    reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"
    said = " ".join(map(str, causes(error)))
    if any(words in said for words in OF_VALUES):
        reason = "what it does depends on a tensor's value, as by if, .item() or a mask"
    warnings.warn(
        f"compile=True: {what} ({reason}). {rest}",
        CompileWarning,
        stacklevel=levels_to_the_caller(),
    )
