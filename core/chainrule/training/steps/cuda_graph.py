"""`GraphedStep`: a training step captured as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from chainrule.base.protocols import LossLike
from chainrule.network import Network
from chainrule.training.steps.eager import TrainingStep
from chainrule.training.steps.snapshot import Watch
from chainrule.updates.moment import Moment, TensorMoment, holds_at
from chainrule.updates.updater import Updater

Outputs: TypeAlias = tuple[Tensor, Tensor]

WARM_UP_CALLS = 3
"""Eager calls before the capture, so that libraries plan and torch compiles kernels outside of it."""


class Recording(NamedTuple):
    """A captured graph with its input and output tensors, and the moments for which its operations are right."""

    x: Tensor
    y: Tensor
    replay: Callable[[], None]
    outputs: Outputs
    moments: list[Moment]


class GraphedStep:
    """Takes steps as `TrainingStep` does, by replaying a graph captured once per batch shape.

    It is captured once for each set of answers of `Step.every`. A step consists of tensor operations without autograd,
    so that all of it is captured; its numbers enter as tensors. The tensors that a call returns are overwritten by the
    next call.
    """

    def __init__(self, network: Network, loss: LossLike, updater: Updater) -> None:
        self.network = network
        self.updater = updater
        self.step = TrainingStep(network, loss, updater)
        self._held: list[TensorMoment] = []
        self._recordings: dict[tuple[torch.Size, torch.Size], list[Recording]] = {}
        self._watch: Watch | None = None

    def __call__(self, x: Tensor, y: Tensor) -> Outputs:
        """Take one step, and return the prediction and the value of the loss (M,) before the update."""
        moments = self.updater.advance()
        if self._watch is None:
            self._move_tensors_of_the_loss()
            self._watch = Watch(self.step.parts, self.updater)
            self._held = [TensorMoment(self.network.device) for _ in moments]
        held = [tensors.fill(moment) for tensors, moment in zip(self._held, moments, strict=True)]
        recordings = self._recordings.setdefault((x.shape, y.shape), [])
        recording = next((one for one in recordings if holds_at(one.moments, moments)), None)
        if recording is None:
            recording = self._record(x.clone(), y.clone(), held)
            recordings.append(recording)
        recording.x.copy_(x)
        recording.y.copy_(y)
        recording.replay()
        return recording.outputs

    def follow_settings(self) -> None:
        """Discard the recordings if a setting of a module, the loss or the updater has changed since."""
        if self._watch is not None and self._watch.sees_changes():
            self._recordings, self._watch = {}, None

    def _move_tensors_of_the_loss(self) -> None:
        """Move what the loss holds, such as class weights, to the device: a graph captures no copy to it."""
        for name, value in list(vars(self.step.loss).items()):
            if isinstance(value, Tensor) and value.device != self.network.device:
                setattr(self.step.loss, name, value.to(self.network.device))

    def _record(self, x: Tensor, y: Tensor, moments: list[Moment]) -> Recording:
        # Warming up takes real steps, which are undone.
        declared = self.network.declared_tensors()
        tensors = [self.network.flat.data, *declared["buffers"], *(counter for _, counter in declared["streams"])]
        before, state = [tensor.clone() for tensor in tensors], self.updater.state_dict()
        replay, outputs = record(lambda: self.step.operations(x, y, moments))
        for tensor, values in zip(tensors, before, strict=True):
            tensor.copy_(values)
        self.updater.load_state_dict(state)
        return Recording(x, y, replay, outputs, moments)


def record(operations: Callable[[], Outputs]) -> tuple[Callable[[], None], Outputs]:
    """Capture the operations as a graph on the current CUDA device; return its replay function and its outputs."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_CALLS):
            operations()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = operations()
    return graph.replay, outputs
