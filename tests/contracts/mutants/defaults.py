"""Components of several kinds that make tensors on torch's default device or of its default dtype."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from chainrule import Optimizer
from chainrule.base.optimizer import State
from chainrule.base.step import Step
from chainrule_plugins.activations.relu import Relu
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.initializers.uniform import Uniform
from chainrule_plugins.losses.cross_entropy import CrossEntropy
from chainrule_plugins.losses.mse import Mse
from chainrule_plugins.metrics.accuracy import Accuracy
from chainrule_plugins.optimizers.adam import Adam
from chainrule_plugins.optimizers.sgd import Sgd

from . import collect

MODULES, wrong_module = collect("layers")
LOSSES, wrong_loss = collect("losses")
METRICS, wrong_metric = collect("metrics")
INITIALIZERS, wrong_initializer = collect("initializers")
OPTIMIZERS, wrong_optimizer = collect("optimizers")


@wrong_module("passes_follow_no_default")
class PositionsOnTheDefaultDevice(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.arange(x.shape[-1], dtype=x.dtype))


@wrong_module("passes_follow_no_default")
class MaskOfTheGradientOnTheDefaultDevice(Relu):
    def backward(self, grad_output: Tensor) -> Tensor:
        return super().backward(grad_output) * torch.ones(grad_output.shape, dtype=grad_output.dtype)


@wrong_module("passes_follow_no_default")
class OutputOfEvaluationOnTheDefaultDevice(Tanh):
    same_in_eval = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else torch.zeros(x.shape, dtype=x.dtype)


@wrong_loss("losses_follow_no_default")
class WeightsOnTheDefaultDevice(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target) * torch.ones(prediction.shape[-1], dtype=prediction.dtype)


@wrong_loss("losses_follow_no_default")
class GradientOnTheDefaultDevice(Mse):
    def gradient(self) -> Tensor:
        grad = super().gradient()
        return grad + torch.zeros(grad.shape, dtype=grad.dtype)


@wrong_loss("losses_follow_no_default")
class DenominatorOnTheDefaultDevice(CrossEntropy):
    def denominator(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.full(prediction.shape[:1], super().denominator(prediction, target), dtype=prediction.dtype)


@wrong_metric("metrics_follow_no_default")
class RowsOnTheDefaultDevice(Accuracy):
    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return sums["right"] / torch.full((1,), sums["rows"].item(), dtype=torch.float64)


@wrong_initializer("values_follow_no_default")
class DrawnOnTheDefaultDevice(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype))


@wrong_initializer("values_follow_no_default")
class DrawnInTheDefaultDtype(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.copy_(torch.rand(tensor.shape, generator=generator, device=tensor.device))


@wrong_module("passes_follow_no_default")
class FactorInTheDefaultDtype(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * torch.tensor(0.1, device=x.device))


@wrong_optimizer("steps_follow_no_default")
class StateOnTheDefaultDevice(Adam):
    def init(self, parameter: Tensor) -> State:
        return {name: torch.zeros(parameter.shape, dtype=parameter.dtype) for name in super().init(parameter)}


@wrong_optimizer("steps_follow_no_default")
class FactorOnTheDefaultDevice(Sgd):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return super().update(parameter, grad, state, step) * torch.tensor(0.5, dtype=grad.dtype)


@wrong_optimizer("steps_follow_no_default")
class EvaluatedOnTheDefaultDevice(Optimizer):
    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return parameter + torch.ones(parameter.shape, dtype=parameter.dtype)


MUTANTS = [*MODULES, *LOSSES, *METRICS, *INITIALIZERS, *OPTIMIZERS]
