"""Wrong layers and activations."""

from __future__ import annotations

from torch import Tensor

from chainrule_plugins.activations.tanh import Tanh

from . import collect

MUTANTS, wrong = collect("layers")


@wrong("input_gradient_agrees_with_differences")
class SignFlipped(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        return -super().backward(grad_output)
