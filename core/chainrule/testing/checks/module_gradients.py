"""Checks on layers and activations: their gradients."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.module import Module
from chainrule.network import Network
from chainrule.testing.check import check
from chainrule.testing.compare import central_difference, expect, expect_close

Example = tuple[Module, tuple[int, ...]]


def cases(example: Example) -> Iterator[tuple[Network, Tensor, Tensor]]:
    """Yield networks of one member and of three, each with an input and a grad_output, float64, the smallest first."""
    module, shape = example
    for members, rows in ((1, 1), (3, 4)):
        network = copy.deepcopy(module).build(seeds=list(range(members)), dtype=torch.float64)
        x = torch.randn(members, rows, *shape, dtype=torch.float64)
        yield network, x, torch.randn_like(network.module.forward(x))


@check("layers", "activations", cause="a wrong sign, a missing factor, or a transposed product in backward.")
def input_gradient_agrees_with_differences(example: Example) -> None:
    """Demand that backward returns the derivative of forward with respect to x, within what differences can show."""
    for network, x, grad_output in cases(example):
        module = network.module
        module.forward(x)
        got = module.backward(grad_output)
        expect(got is not None, "backward must return dL/dx, got None.")
        expected = central_difference(lambda: (module.forward(x) * grad_output).sum(), x)
        expect_close("dL/dx", got, expected, tolerance=1e-6, of=x)
