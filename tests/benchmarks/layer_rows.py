"""Forward and backward of every component that torch.nn has too, beside torch's own, small and large."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any

import torch
from layer_twins import TWINS, Size, Twin
from rounds import Spread, alternate
from torch import Tensor, nn

import chainrule
from chainrule import Loss, Module
from chainrule.activations import prelu
from chainrule.layers import sequential
from chainrule.optimizers import sgd

SECONDS = 0.01
"""Least CPU time of one peer in a round."""

TOLERANCE = 1e-4
"""Largest difference from torch, in float32, as a share of the largest entry."""

MOMENTS_TOLERANCE = 0.1
"""The same for mean and standard deviation of what is drawn."""

COMPILED_GOAL = 1.0
"""The most times as long as torch.compile's that a compiled pass may take."""

COMPILED = "--compiled"

Pass = Callable[[], Sequence[Tensor]]
"""One forward and backward, which returns the output and all gradients."""


def main() -> None:
    rounds, *names = sys.argv[1:]
    torch.set_num_threads(1)
    compiled = COMPILED in names
    chosen = chosen_twins([name for name in names if name != COMPILED])
    rows = {name: {size: row(name, size, int(rounds), compiled) for size in ("small", "large")} for name in chosen}
    print(json.dumps(rows))


def chosen_twins(names: Sequence[str]) -> list[str]:
    """Return the twins of these names, or of these components, such as pad; all if there are none."""
    for name in names:
        if not any(name in (twin, twin.split()[0]) for twin in TWINS):
            raise ValueError(f"--component must be one of {', '.join(TWINS)}, got {name}.")
    return [twin for twin in TWINS if not names or {twin, twin.split()[0]} & set(names)]


def row(name: str, size: str, rounds: int, compiled: bool) -> dict[str, Any]:
    """Check that both compute the same, then time them in turns."""
    twin = TWINS[name]
    found = {
        "eager": {**compared(f"{name}, {size}", twin, *eager(twin, getattr(twin, size)), rounds), "goal": twin.goal}
    }
    if compiled:
        passes = compiled_passes(twin, getattr(twin, size))
        result = compared(f"{name}, {size}, compiled", twin, *passes, rounds)
        found["compiled"] = {**result, "goal": COMPILED_GOAL}
    return found


def compared(what: str, twin: Twin, ours: Pass, theirs: Pass, rounds: int) -> dict[str, Any]:
    """Return the seconds of both and the ratio of ours to torch's, once their results agree."""
    expect_same(what, ours(), theirs(), twin.is_random)
    timers = {"ours": seconds(ours), "theirs": seconds(theirs)}
    times = alternate(timers, rounds)
    return {
        "seconds": {who: vars(Spread.of(values)) for who, values in times.items()},
        "times_as_long": vars(Spread.of_ratios(times["ours"], times["theirs"])),
    }


def expect_same(what: str, ours: Sequence[Tensor], theirs: Sequence[Tensor], is_random: bool) -> None:
    """Raise RuntimeError unless all results are equal, or for random ones their moments."""
    for got, expected in zip(ours, theirs, strict=True):
        one, other = (moments(got), moments(expected)) if is_random else (got.reshape(expected.shape), expected)
        difference = ((one - other).abs().max() / other.abs().max().clamp_min(1e-6)).item()
        tolerance = MOMENTS_TOLERANCE if is_random else TOLERANCE
        if not difference < tolerance:
            raise RuntimeError(f"{what} differs from torch's by {difference:.1e}, more than {tolerance:.0e}")


def moments(values: Tensor) -> Tensor:
    """Return the mean square and the standard deviation, or a single number as it is."""
    if values.numel() == 1:
        return values
    return torch.stack([values.square().mean(), values.std()])


def eager(twin: Twin, size: Size) -> tuple[Pass, Pass]:
    """Return ours and torch's pass of the component alone."""
    torch.manual_seed(0)
    inputs, component, model = twin.draw(size.shape), ours_of(twin, size), theirs_of(twin, size)
    if isinstance(component, Loss):
        prediction, target = inputs
        leaf = prediction.clone().requires_grad_()
        return loss_pass(component, prediction, target), torch_pass(lambda: model(leaf, target), [leaf])
    network = component.build()
    network.load_state_dict(model.state_dict())
    leaf = inputs.clone().requires_grad_(inputs.is_floating_point())
    with torch.no_grad():
        grad_output = torch.randn_like(first(copy.deepcopy(model)(leaf)))
    parameters = network.parameters()

    def one_pass() -> Sequence[Tensor]:
        network.zero_grad()
        y = network(inputs)
        dx = network.backward(grad_output, input_grad=True)
        return [y, *([] if dx is None else [dx]), *(parameter.grad for parameter in parameters)]

    leaves = [*([leaf] if leaf.requires_grad else []), *model.parameters()]
    return one_pass, torch_pass(lambda: first(model(leaf)), leaves, grad_output)


def loss_pass(loss: Loss, prediction: Tensor, target: Tensor) -> Pass:
    return lambda: [loss(prediction, target), loss.backward()]


def torch_pass(forward: Callable[[], Tensor], leaves: Sequence[Tensor], grad_output: Tensor | None = None) -> Pass:
    """Return a pass through torch's autograd, to the gradients of the leaves."""

    def one_pass() -> Sequence[Tensor]:
        for leaf in leaves:
            leaf.grad = None
        y = forward()
        y.backward(grad_output)
        return [y.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

    return one_pass


class Weighted(Loss):
    """The sum of the predictions, each times its target, so that the gradient is the target.

    Forward:  ``ℓ = t p``
    Backward: ``dp = t``
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.save_for_backward(target)
        return prediction * target

    def gradient(self) -> Tensor:
        return self.saved_tensors()[0].clone()


def compiled_passes(twin: Twin, size: Size) -> tuple[Pass, Pass]:
    """Return compiled passes through prelu, which has an input's gradient computed, the component and the loss.

    Ours is a training step with every parameter frozen, so that its update does nothing.
    """
    torch.manual_seed(0)
    inputs, component, model = twin.draw(size.shape), ours_of(twin, size), theirs_of(twin, size)
    is_loss = isinstance(component, Loss)
    x, y = inputs if is_loss else (inputs, None)
    before = [nn.PReLU()] if x.is_floating_point() else []
    whole = nn.Sequential(*before, *([] if is_loss else [model]))
    parts: list[Module] = [prelu() for _ in before]
    if isinstance(component, Loss):
        loss = component
    else:
        loss = Weighted("sum")
        parts.append(component)
        with torch.no_grad():
            y = first(copy.deepcopy(whole).eval()(x))  # so that sums do not cancel; alone it has no dx where
            y = y if twin.is_random else y + torch.randn_like(y)  # a layer standardizes
    network = sequential(*parts).build()
    network.load_state_dict(whole.state_dict())
    network.freeze("*")
    step = chainrule.training_step(network, loss, sgd(lr=1.0), compile=True)
    torch.compiler.reset()  # or torch would compile for any shape, and at last for none

    @torch.compile
    def value(x: Tensor, y: Tensor) -> Tensor:
        return model(whole(x), y) if is_loss else (first(whole(x)) * y).sum()

    parameters, leaves = network.parameters(), list(whole.parameters())
    return lambda: [step(x, y), *(parameter.grad for parameter in parameters)], torch_pass(lambda: value(x, y), leaves)


def ours_of(twin: Twin, size: Size) -> Module | Loss:
    kind, _, name = twin.ours.partition(":")
    component: Module | Loss = chainrule.create(kind, name, *size.arguments, **size.settings, **twin.only_ours)
    return component


def theirs_of(twin: Twin, size: Size) -> nn.Module:
    return twin.theirs(*size.arguments, **size.settings, **twin.only_theirs)


def first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Return the output without the last states of a recurrent layer."""
    return output[0] if isinstance(output, tuple) else output


def seconds(one_pass: Pass) -> Callable[[], float]:
    """Return a function that gives the CPU seconds of one pass, from as many as take a while."""
    start = process_time()
    one_pass()
    times = max(1, int(SECONDS / max(process_time() - start, 1e-6)))

    def timer() -> float:
        start = process_time()
        for _ in range(times):
            one_pass()
        return (process_time() - start) / times

    return timer


if __name__ == "__main__":
    main()
