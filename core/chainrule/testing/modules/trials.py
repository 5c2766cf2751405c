"""Trials of modules: a built network with reproducible inputs, and passes through it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from chainrule.base.module import Module
from chainrule.network import Network
from chainrule.ops import expect_tensor
from chainrule.testing.compare import expect, expect_close, expect_numbers

MODES = {"": True, " in eval mode": False}
"""What messages add for a mode, and whether it is train mode."""

Example = tuple[Module, tuple[int, ...] | Tensor]
"""An unbuilt module, and the shape of one example input or a tensor (N, …) of inputs."""


@dataclass(frozen=True)
class Pass:
    """The results of a forward and backward pass: the output, dL/dx, and each parameter's gradient by name."""

    output: Tensor
    input_grad: Tensor | None
    parameter_grads: dict[str, Tensor]

    def part(self, *index: slice) -> Pass:
        """Return these members and rows of the output and of dL/dx, without parameter gradients."""
        return Pass(self.output[index], None if self.input_grad is None else self.input_grad[index], {})


@dataclass(frozen=True)
class Trial:
    """A built network, an input (M, N, …) for it, and a gradient of the output's shape.

    Every pass runs on a new copy of the network, so that passes are independent.
    """

    network: Network
    x: Tensor
    grad_output: Tensor

    def module(self, *, training: bool = True) -> Module:
        """Return the module of a new copy of the network, in train or eval mode."""
        module = cast("Module", copy.deepcopy(self.network).module)
        module.train(training)
        return module

    def output(self, *, training: bool = True) -> Tensor:
        """Return the output for x in train or eval mode."""
        return self.module(training=training).forward(self.x)

    def draws_numbers(self) -> bool:
        """Return whether forward draws random numbers, so that a second call on the same copy differs."""
        module = self.module()
        return not torch.equal(module.forward(self.x).clone(), module.forward(self.x))

    def scalar(self) -> Callable[[], Tensor]:
        """Return L = Σ y · grad_output, whose gradients backward returns, as a function of x and the parameters.

        One copy of the network serves all of its calls; what a call changes in it by declared tensors is put back.
        """
        own = copy.deepcopy(self.network)
        declared = own.declared_tensors()
        changed = [*declared["buffers"], *(counter for _, counter in declared["streams"])]
        before = [tensor.clone() for tensor in changed]

        def value() -> Tensor:
            own.flat.data.copy_(self.network.flat.data)
            for tensor, kept in zip(changed, before, strict=True):
                tensor.copy_(kept)
            return (own.module.forward(self.x) * self.grad_output).sum()

        return value

    def run(self, *, passes: int = 1, needs_input_grad: bool = True) -> Pass:
        """Run forward and backward the given number of times on one copy, and return the last results."""
        network = copy.deepcopy(self.network)
        network.module.needs_input_grad = needs_input_grad
        for _ in range(passes):
            output = network.module.forward(self.x)
            input_grad = network.module.backward(self.grad_output)
        return Pass(output, input_grad, {name: p.grad.clone() for name, p in network.named_parameters()})

    def trained(self) -> Network:
        """Return a copy of the network after a pass on copies of the tensors, in eval mode."""
        network = copy.deepcopy(self.network)
        network.module.forward(self.x.clone())
        network.module.backward(self.grad_output.clone())
        return network.eval()

    def given(self, x: Tensor | None = None, grad_output: Tensor | None = None) -> Trial:
        """Return the same network with another input or grad_output."""
        return replace(
            self,
            x=self.x if x is None else x,
            grad_output=self.grad_output if grad_output is None else grad_output,
        )


def make_trial(
    example: Example, *, members: int = 1, rows: int = 4, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Trial:
    """Build the example as an ensemble and draw an input for it, with the same random numbers in every dtype.

    Parameters are perturbed, since an initial zero or one can hide an error, and drawn inputs stay away from 0, where
    many functions have a kink.
    """
    module, inputs = example
    network = copy.deepcopy(module).build(seeds=list(range(seed, seed + members)), dtype=dtype)
    generator = torch.Generator().manual_seed(members * 100 + rows)

    def draw(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=generator, dtype=torch.float64)

    for parameter in network.parameters():
        parameter.data.add_(0.1 * draw(*parameter.data.shape))
    if isinstance(inputs, Tensor):
        x = batches_of(inputs, members, rows)
    else:
        x = draw(members, rows, *inputs)
        x += 0.05 * x.sign()
    if x.is_floating_point():
        x = x.to(dtype)
    output = copy.deepcopy(network).module.forward(x.clone())
    expect_tensor(network.module, output)
    for what, tensor in (("an example's input", x), ("the output for an example", output)):
        expect(tensor.numel() > 0, f"{what} must have values to look at, got shape {tuple(tensor.shape)}.")
    if dtype == torch.float64:
        remedy = "In examples(), give a tensor of inputs at which it is defined, in place of a shape to draw from."
        if network.parameters():
            remedy += " It must be defined around the first values of parameters too, which the kit moves by about 0.1."
        expect_numbers("the output for an example", output, of=[x], remedy=remedy)
    return Trial(network, x, draw(*output.shape).to(dtype))


def batches_of(inputs: Tensor, members: int, rows: int) -> Tensor:
    """Return a batch (members, rows, …) of the inputs (N, …).

    Each member's rows start at another one, and the last repeats the first, so that indices occur twice in a batch.
    """
    order = torch.arange(members).unsqueeze(1) + torch.arange(rows)  # (M, rows)
    order[:, -1] = order[:, 0]
    return inputs[order % len(inputs)]


def shape_of(example: Example) -> tuple[int, ...]:
    """Return the shape of one example input."""
    _, inputs = example
    return tuple(inputs.shape[1:]) if isinstance(inputs, Tensor) else inputs


def declares(module: Module, declaration: str) -> bool:
    """Return a class attribute of a module such as same_in_eval: False if it is so of any module inside."""
    return all(getattr(part, declaration, True) for _, part in module.named_modules())


def trials(example: Example) -> Iterator[Trial]:
    """Yield a trial of one member, then one of three."""
    module, _ = example
    yield make_trial(example, rows=1 if declares(module, "batch_independent") else 3)
    yield make_trial(example, members=3)


def expect_same_pass(
    when: str, got: Pass, expected: Pass, *, tolerance: float = 1e-12, of: Tensor | None = None
) -> None:
    """Raise CheckFailed unless both passes agree; `when` follows the quantity's name in the message."""
    expect_close(f"the output {when}", got.output, expected.output, tolerance=tolerance, of=of)
    if expected.input_grad is not None:
        expect_close(f"dL/dx {when}", given(got.input_grad), expected.input_grad, tolerance=tolerance, of=of)
    for name, grad in expected.parameter_grads.items():
        expect_close(f"the gradient of {name} {when}", got.parameter_grads[name], grad, tolerance=tolerance, of=of)


def given(input_grad: Tensor | None) -> Tensor:
    """Return dL/dx, or raise CheckFailed if backward omitted it although it was needed."""
    expect(input_grad is not None, "backward must return dL/dx if needs_input_grad is True, got None.")
    assert input_grad is not None  # noqa: S101 - for the type checker
    return input_grad


def error_of(call: Callable[[], object]) -> Exception | None:
    """Return the exception that the call raises, or None."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - the caller inspects it
        return error
    return None
