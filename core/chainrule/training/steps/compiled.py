"""`CompiledStep`: forward, loss, backward and update as one compiled function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeAlias

import torch
from torch import Tensor
from torch.fx import GraphModule

from chainrule.base.protocols import LossLike
from chainrule.errors import CompileWarning
from chainrule.network import Network
from chainrule.training.steps.eager import TrainingStep, keep_as_ordinary_tensors
from chainrule.training.steps.snapshot import Snapshot
from chainrule.updates.fused_rule import first_use, require_compiler
from chainrule.updates.moment import Moment, TensorMoment
from chainrule.updates.updater import Updater

BELOW_PARAMETERS = 2**22
"""Parameters of all members; from here on matrix products dominate, and compiling the rule alone needs less memory."""

Function: TypeAlias = Callable[..., tuple[Tensor, Tensor]]

FUNCTIONS = 256
"""The size of the cache of compiled functions; one takes a few megabytes."""

_functions: dict[object, Function] = {}
_compiling = Lock()


class CompiledStep:
    """Takes steps as `TrainingStep` does, through a function compiled for one batch signature.

    Compiles for the first batch signature seen twice in a row; those two batches, and any other batch, such as an
    epoch's last, run eagerly. The function contains the step's operations and Python numbers; the learning rate and all
    that depends on the step's number are inputs. Steps that differ only in the values of their tensors share a
    function, across fits. A step that cannot be compiled warns and runs eagerly.

    Attributes:
        function: called as ``function(*tensors, x, y)``; None until it is compiled.
        tensors: what the step reads and changes beside the batch.
    """

    def __init__(self, network: Network, loss: LossLike, updater: Updater) -> None:
        require_compiler(network.device)
        self.step = TrainingStep(network, loss, updater)
        self.tensors: list[Tensor] = []
        self.function: Function | None = None
        self._batch: object = None
        self._held: list[TensorMoment] | None = None
        self._parts = [*network.modules(), loss]
        self._seen: tuple[Snapshot, float | None] | None = None

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step, and return the prediction and the value of the loss (M,) before the update."""
        moments = self.step.updater.advance()
        batch = (_kinds(x, y), x is y, [moment.scalars.keys() for moment in moments])
        if self.function is None or self._held is None or batch != self._batch:
            outputs = self.step.operations(x, y, moments)
            if self._held is None and batch == self._batch:
                # After an eager step, so that lazily created tensors exist and errors of the step surface as they are.
                self._compile(x, y, moments)
            elif self._held is None:
                self._batch = batch
            return outputs
        for held, moment in zip(self._held, moments, strict=True):
            held.fill(moment)
        try:
            return self.function(*self.tensors, x, y)
        except RuntimeError:
            # Run the bad batch eagerly for the error of the module or the loss; it changes their state once more.
            self.step.accumulate(x, y)
            raise

    def look_again(self) -> None:
        """Discard the function if an attribute of a module or clip_norm has changed since it was compiled."""
        if self._seen is not None:
            snapshot, clip_norm = self._seen
            if snapshot.difference(among_random=False) or clip_norm != self.step.updater.clip_norm:
                self.function = self._held = self._seen = self._batch = None

    @torch.inference_mode(False)
    @torch.no_grad()
    def _compile(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> None:
        keep_as_ordinary_tensors(self._parts)
        self._held = [TensorMoment() for _ in moments]
        self._seen = Snapshot(self._parts), self.step.updater.clip_norm
        try:
            from chainrule.training.steps.tracing import trace  # torch's private interfaces, which may change

            with _compiling, first_use("the step"):
                held = [tensors.fill(moment) for tensors, moment in zip(self._held, moments, strict=True)]
                graph, self.tensors = trace(self.step, x, y, held)
                self.function = _function(graph, [*self.tensors, x, y])
        except Exception as error:  # noqa: BLE001  # whatever keeps a plugin from being traced, it may still run eagerly
            self._seen = None  # do not try again
            _warn(error)


def _warn(error: Exception) -> None:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    warnings.warn(
        f"fit: the step cannot be compiled ({type(error).__name__}: {reason}). It runs eagerly; "
        "a step that performs the same tensor operations every time compiles.",
        CompileWarning,
        stacklevel=8,
    )


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
