"""`CompiledStep`: forward, loss, backward and update as one compiled function."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.fx import GraphModule

from chainrule.base.protocols import LossLike
from chainrule.errors import CompileWarning
from chainrule.network import Network
from chainrule.training.steps.eager import TrainingStep
from chainrule.training.steps.snapshot import Watch
from chainrule.updates.fused_rule import first_use, require_compiler
from chainrule.updates.moment import Moment, TensorMoment, holds_at
from chainrule.updates.updater import Updater

BELOW_PARAMETERS = 2**22
"""Parameters of all members; from here on matrix products dominate, and compiling the rule alone needs less memory."""

Function: TypeAlias = Callable[..., tuple[Tensor, Tensor]]

FUNCTIONS = 256
"""The size of the cache of compiled functions; one takes a few megabytes."""

_functions: dict[object, Function] = {}


class Compiled(NamedTuple):
    """A compiled step, called as ``function(*tensors, x, y)``, and the moments for which its operations are right."""

    function: Function
    tensors: list[Tensor]
    moments: list[Moment]


class CompiledStep:
    """Takes steps as `TrainingStep` does, through functions compiled for one batch signature.

    Compiles for the first batch, before its step, and once for each set of answers of `Step.every`; any other batch,
    such as an epoch's last, runs eagerly. A function contains the step's operations and Python numbers; the learning
    rate and all that depends on the step's number are inputs. Steps that differ only in the values of their tensors
    share a function, across fits. A step that cannot be compiled warns and runs eagerly.

    Attributes:
        variants: the compiled functions.
    """

    def __init__(self, network: Network, loss: LossLike, updater: Updater) -> None:
        require_compiler(network.device)
        self.step = TrainingStep(network, loss, updater)
        self.variants: list[Compiled] = []
        self._batch: object = None
        self._held: list[TensorMoment] = []
        self._watch: Watch | None = None
        self._fails = False

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step, and return the prediction and the value of the loss (M,) before the update."""
        moments = self.step.updater.advance()
        batch = (_kinds(x, y), x is y)
        if self._batch is None:
            self._batch = batch
        if self._fails or batch != self._batch:
            return self.step.take(x, y, moments)
        for compiled in self.variants:
            if holds_at(compiled.moments, moments):
                break
        else:
            error = self._compile(x, y, moments)
            if error is not None:
                outputs = self.step.take(x, y, moments)  # a mistake in the step surfaces as it is
                self._fails, self._watch = True, None  # it is not tried again
                _warn(error)
                return outputs
            compiled = self.variants[-1]
        for held, moment in zip(self._held, moments, strict=True):
            held.write(moment)
        try:
            return compiled.function(*compiled.tensors, x, y)
        except RuntimeError:
            # Run the bad batch eagerly for the error of the module or the loss; it changes their state once more.
            # It does not count either.
            self.step.updater.t -= 1
            self.step.accumulate(x, y)
            raise

    def look_again(self) -> None:
        """Discard the functions if a setting of a module, the loss or the updater has changed since."""
        if self._watch is not None and self._watch.sees_changes():
            self.variants, self._watch, self._batch = [], None, None

    @torch.inference_mode(False)
    @torch.no_grad()
    def _compile(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> Exception | None:
        """Add a function for a step like this one, which is not taken; return the error that prevents it."""
        if self._watch is None:
            self._watch = Watch(self.step.parts, self.step.updater)
            self._held = [TensorMoment() for _ in moments]
        try:
            from chainrule.training.steps.tracing import trace  # torch's private interfaces, which may change

            with first_use("the step"):
                held = [tensors.fill(moment) for tensors, moment in zip(self._held, moments, strict=True)]
                graph, tensors = trace(self.step, x, y, held)
                function = _function(graph, [*tensors, x, y])
        except Exception as error:  # noqa: BLE001  # whatever keeps a plugin from being traced, it may still run eagerly
            return error
        self.variants.append(Compiled(function, tensors, held))
        return None


def _warn(error: Exception) -> None:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    warnings.warn(
        f"compile=True: the step cannot be compiled ({type(error).__name__}: {reason}). It runs eagerly; "
        "a step that performs the same tensor operations every time compiles.",
        CompileWarning,
        stacklevel=_levels_to_the_caller(),
    )


def _levels_to_the_caller() -> int:
    """Return how far up the stack, from the calling function, the code is that called chainrule."""
    frame, levels = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] == "chainrule":
        frame, levels = frame.f_back, levels + 1
    return levels


def _function(graph: GraphModule, inputs: list[Tensor]) -> Function:
    """Return the compiled graph; another one of the same operations on tensors of these kinds is not compiled again."""
    storages = [tensor.untyped_storage().data_ptr() for tensor in inputs]
    shared = [storages.index(storage) for storage in storages]
    key = (graph.code, *_kinds(*inputs), *shared, torch.get_default_dtype())
    if key not in _functions:
        if len(_functions) == FUNCTIONS:
            del _functions[next(iter(_functions))]  # the oldest
        from chainrule.training.steps.tracing import compile_graph

        _functions[key] = compile_graph(graph, inputs)
    return _functions[key]


def _kinds(*tensors: Tensor) -> tuple[object, ...]:
    """Return all of the tensors that goes into a compiled function."""
    return tuple([(tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors])
