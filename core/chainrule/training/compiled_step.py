"""A training step as one compiled function: forward, loss, backward and update, fused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.fx import GraphModule

from chainrule.compiled_rule import first_use, require_compiler
from chainrule.errors import CompileWarning
from chainrule.moment import Moment, TensorMoment
from chainrule.network import Network
from chainrule.protocols import Loss
from chainrule.training.step import TrainingStep
from chainrule.training.traced_step import trace
from chainrule.updater import Updater

BELOW_PARAMETERS = 2**22
"""Of all members; from here on, products take the time, and a rule that is compiled alone needs less memory."""

_OPTIONS = {
    "cpp.threads": 1,  # an index out of range in another thread would end the process; products keep their threads
    "cpp.enable_tiling_heuristics": False,  # a little slower for small ensembles
    "size_asserts": False,  # batches are told apart here
}

Function: TypeAlias = Callable[..., tuple[Tensor, Tensor]]

_functions: dict[object, Function] = {}


class CompiledStep:
    """Take steps as `TrainingStep` does, through a function compiled once for batches like the first one.

    The first step, and those on batches of another shape, such as an epoch's last, run uncompiled. Steps that are the
    same operations share a function, in whatever fit they occur; what changes from step to step, and the learning rate,
    enters as a tensor. A step that cannot be compiled warns and runs as it is.

    Attributes:
        function: what is called as ``function(*tensors, x, y)``; None before the second step, and where the step cannot
            be compiled.
        tensors: all that it reads and changes.
    """

    def __init__(self, network: Network, loss: Loss, updater: Updater) -> None:
        require_compiler(network.device)
        self.step = TrainingStep(network, loss, updater)
        self._batch: object = None
        self._held: list[TensorMoment] = []
        self.tensors: list[Tensor] = []
        self.function: Function | None = None

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step, and return the prediction and the value of the loss (M,) before the update."""
        moments = self.step.updater.advance()
        batch = _kinds(x, y)
        if batch != self._batch:
            self._batch = self._batch or batch
            return self.step.operations(x, y, moments)
        if not self._held:
            self._held = [TensorMoment() for _ in moments]
            try:
                self._compile(x, y, [held.fill(moment) for held, moment in zip(self._held, moments, strict=True)])
            except Exception as error:  # noqa: BLE001  # what a plugin does that no graph holds, it may do uncompiled
                outputs = self.step.operations(x, y, moments)  # and what is wrong in itself, it says better here
                _warn(error)
                return outputs
        if self.function is None:
            return self.step.operations(x, y, moments)
        for held, moment in zip(self._held, moments, strict=True):
            held.fill(moment)
        try:
            return self.function(*self.tensors, x, y)
        except RuntimeError:
            self.step.accumulate(x, y)  # a bad batch is an error here too, in the module's or the loss's own words
            raise

    @torch.inference_mode(False)
    @torch.no_grad()
    def _compile(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> None:
        with first_use("the step"):
            graph, self.tensors = trace(self.step, x, y, moments)
            self.function = _function(graph, [*self.tensors, x, y])


def _warn(error: Exception) -> None:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    warnings.warn(
        f"fit: the step cannot be compiled ({type(error).__name__}: {reason}). It runs uncompiled; "
        "a step that is the same tensor operations every time compiles.",
        CompileWarning,
        stacklevel=5,
    )


def _function(graph: GraphModule, inputs: list[Tensor]) -> Function:
    """Return the compiled graph; another one of the same operations on tensors of these kinds is not compiled again."""
    key = (graph.code, *_kinds(*inputs))
    if key not in _functions:
        _functions[key] = torch._inductor.compile(graph, list(inputs), options=_OPTIONS)
    return _functions[key]


def _kinds(*tensors: Tensor) -> tuple[object, ...]:
    """Return all of the tensors that goes into a compiled function."""
    return tuple([(tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors])
