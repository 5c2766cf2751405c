"""Independent answers with which components are compared, in float64."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close

from chainrule import Initializer, Loss, Module, Optimizer, label
from chainrule.testing import checks_of, run, subject
from chainrule.testing.optimizers.trials import weights
from chainrule.testing.subject import Reference

(TRAJECTORY,) = (check for check in checks_of("optimizers") if check.name == "trajectory_follows_the_reference")

Number = Callable[[float, float, dict[str, float], int], float]
"""Where one number θ goes with gradient g, given what it remembers and t."""

Array = Callable[[Any, Any, dict[str, Any], int], Any]
"""The same for a parameter as a numpy array, where its norm counts."""


@contextmanager
def torchs_scalars_in_float64() -> Iterator[None]:
    """Keep in float64 the rates and products that optimizers of torch.optim hold in the default dtype."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(default)


def by_torch(
    kind: Any, settings: dict[str, Any], parameter: Tensor, gradients: Sequence[Tensor], *, shrink: float = 0.0
) -> list[Tensor]:
    """Return the positions of an optimizer of torch.optim, after θ ← (1 − shrink) θ ahead of each step.

    This is decoupled weight decay with shrink = lr w, for those that couple it.
    """
    theta, passed = torch.nn.Parameter(parameter.clone()), []
    with torchs_scalars_in_float64():
        optimizer = kind([theta], **settings)
        for gradient in gradients:
            theta.data.mul_(1 - shrink)
            theta.grad = gradient.clone()
            optimizer.step()
            passed.append(theta.detach().clone())
    return passed


def around_torch(
    rule: Any, parameter: Tensor, gradients: Sequence[Tensor], change: Callable[[int, Tensor, Tensor, Tensor], Tensor]
) -> list[Tensor]:
    """Return the positions of torch's rule like the inner one of a wrapper, each changed by hand.

    Args:
        rule: a wrapper around adam or sgd.
        parameter: the start.
        gradients: one for each step.
        change: takes t, the position before, the gradient and the position after, and returns what is in its place.
    """
    inner = rule.inner
    theta, passed = torch.nn.Parameter(parameter.clone()), []
    optimizer: torch.optim.Optimizer
    if label(inner) == "adam":
        optimizer = torch.optim.Adam([theta], lr=inner.lr, betas=inner.betas, eps=inner.eps)
    else:
        settings = {"momentum": inner.momentum, "weight_decay": inner.weight_decay}
        optimizer = torch.optim.SGD([theta], lr=inner.lr, **settings)
    for t, gradient in enumerate(gradients, start=1):
        before, theta.grad = theta.detach().clone(), gradient.clone()
        optimizer.step()
        with torch.no_grad():
            theta.copy_(change(t, before, gradient, theta.detach().clone()))
        passed.append(theta.detach().clone())
    return passed


def by_formula(formula: Number, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the positions of a formula that is applied number by number, in Python's floats."""

    def paths() -> Iterator[list[float]]:
        for i, theta in enumerate(parameter.flatten().tolist()):
            memory: dict[str, float] = {}
            path = []
            for t, gradient in enumerate(gradients, start=1):
                theta = formula(theta, gradient.flatten()[i].item(), memory, t)
                path.append(theta)
            yield path

    return list(torch.tensor(list(paths()), dtype=torch.float64).T.reshape(len(gradients), *parameter.shape))


def by_array_formula(formula: Array, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the positions of a formula that is applied to whole parameters, in numpy."""
    memory: dict[str, Any] = {}
    theta, passed = parameter.numpy().copy(), []
    for t, gradient in enumerate(gradients, start=1):
        theta = formula(theta, gradient.numpy().copy(), memory, t)
        passed.append(torch.tensor(theta))
    return passed


def running_mean(beta: float, values: Sequence[Any]) -> Any:
    """Return (1 − β) Σ βᵃ x₋ₐ over all values so far, the last of age 0: a running mean that started at 0."""
    return (1 - beta) * sum(beta**age * value for age, value in enumerate(reversed(values)))


def factors_by_torch(schedule: Callable[[torch.optim.Optimizer], Any], steps: int) -> list[float]:
    """Return the factors at steps 1, 2, … of a schedule of torch.optim.lr_scheduler."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler, factors = schedule(optimizer), []
    for _ in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


def assert_factors_of_torch(schedule: Callable[[int], float | Tensor], theirs: Callable[..., Any]) -> None:
    """Compare 120 steps of a schedule with one of torch.optim.lr_scheduler, which takes an optimizer."""
    ours, expected = [schedule(t) for t in range(1, 121)], factors_by_torch(theirs, steps=120)
    assert_close(*(torch.tensor(factors, dtype=torch.float64) for factors in (ours, expected)), rtol=0, atol=1e-12)


VALUES = torch.cat([torch.zeros(2), torch.logspace(-4, 2, 100)]).double()
VALUES = torch.stack([VALUES, -VALUES], 1).unsqueeze(0)
"""An input (1, 102, 2) of many magnitudes and both signs, with 0 among them."""


def assert_module_equals(module: Module, function: Callable[[Tensor], Tensor], x: Tensor = VALUES) -> None:
    """Compare a module without parameters, and its gradient, with a function that torch differentiates."""
    leaf = x.clone().requires_grad_()
    expected = function(leaf)
    grad_output = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    assert_close(module.forward(x), expected.detach())
    assert_close(module.backward(grad_output), torch.autograd.grad(expected, leaf, grad_output)[0])


def assert_layer_equals(layer: Module, theirs: torch.nn.Module, x: Tensor) -> None:
    """Compare a layer with one of torch.nn on x (N, …): outputs, gradients and buffers, alone and in an ensemble.

    In train mode, and then the outputs in eval mode.
    """
    generator = torch.Generator().manual_seed(0)
    theirs = theirs.double()
    for seeds in ([0], [0, 1, 2]):
        network = copy.deepcopy(layer).build(seeds=seeds, dtype=torch.float64)
        for parameter in network.parameters():
            parameter.data.add_(torch.randn(parameter.data.shape, generator=generator, dtype=torch.float64))
        before = [network.member(i).state_dict() for i in range(len(seeds))]
        y = network(x)
        grad_output = torch.randn(y.shape, generator=generator, dtype=torch.float64)
        dx = network.backward(grad_output, input_grad=True)
        for i, state in enumerate(before):
            theirs.train().load_state_dict(state)
            leaf, parameters = x.clone().requires_grad_(), dict(theirs.named_parameters())
            expected = theirs(leaf)
            gradients = torch.autograd.grad(expected, [leaf, *parameters.values()], grad_output[i])
            assert_close(y[i], expected.detach())
            assert_close(dx[i], gradients[0])
            found = {name: parameter.grad[i] for name, parameter in network.named_parameters()}
            assert_close(found, dict(zip(parameters, gradients[1:], strict=True)))
            assert_close(network.member(i).state_dict(), dict(theirs.state_dict()))
            assert_close(network.eval()(x)[i], theirs.eval()(x).detach())


def assert_drops_as(layer: type[Module], function: Callable[..., Tensor], x: Tensor) -> None:
    """Compare a dropout layer, and its gradient, with a function of torch.nn.functional, whose mask it is given."""
    for p in (0.0, 0.3, 1.0):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            leaf = x.clone().requires_grad_()
            expected = function(leaf, p, training=True)
        grad_output = torch.linspace(1, 2, x.numel(), dtype=x.dtype).view(x.shape)
        (grad,) = torch.autograd.grad(expected, leaf, grad_output)
        network: Any = layer(p).build(dtype=x.dtype)  # type: ignore[call-arg]
        drawn = network.module.random.bernoulli

        def mask(
            probability: float, shape: Sequence[int], p: float = p, grad: Tensor = grad, drawn: Any = drawn
        ) -> Tensor:
            assert_close(drawn(probability, (10000,)).mean().item(), 1 - p, rtol=0, atol=0.02)
            return (grad != 0).to(grad)[(..., *[0] * (grad.dim() - len(shape)))].unsqueeze(0)

        network.module.random.bernoulli = mask
        exact = {"rtol": 0, "atol": 0} if p in (0, 1) else {}
        assert_close(network(x), expected.detach(), **exact)
        assert_close(network.backward(grad_output, input_grad=True), grad, **exact)
        assert network.eval()(x).equal(x)


def assert_recurrence_equals(layer: type[Module], theirs: type[torch.nn.RNNBase], **settings: Any) -> None:
    """Compare a recurrent layer with one of torch.nn, once by the whole sequence and once by the last states."""
    x = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    class Sequence(theirs):  # type: ignore[valid-type, misc]
        def forward(self, x: Tensor) -> Any:
            return super().forward(x)[0]

    class Last(theirs):  # type: ignore[valid-type, misc]
        def forward(self, x: Tensor) -> Any:
            _, states = super().forward(x)
            states = states[0] if isinstance(states, tuple) else states  # an LSTM's are h and c
            return torch.cat(list(states[-2:] if self.bidirectional else states[-1:]), -1)

    for output, kind in (("sequence", Sequence), ("last", Last)):
        ours = layer(3, 2, output=output, **settings)
        assert_layer_equals(ours, kind(3, 2, batch_first=True, **settings), x)


def assert_loss_equals(
    loss: type[Loss], function: Callable[..., Tensor], prediction: Tensor, target: Tensor, **settings: Any
) -> None:
    """Compare a loss of every reduction, and its gradient, with a function of torch.nn.functional."""
    for reduction in ("mean", "sum", "none"):
        leaf, ours = prediction.clone().requires_grad_(), loss(reduction, **settings)
        expected = function(leaf, target, reduction=reduction, **settings)
        weights = torch.linspace(-1, 2, expected.numel(), dtype=prediction.dtype).view(expected.shape)
        for given in (torch.ones_like(weights), weights):
            assert_close(ours(prediction, target), expected.detach(), rtol=1e-10, atol=1e-12)
            (grad,) = torch.autograd.grad(expected, leaf, given, retain_graph=True)
            assert_close(ours.backward(given), grad, rtol=1e-10, atol=1e-12)
        ours(prediction, target)
        assert_close(ours.backward(), torch.autograd.grad(expected.sum(), leaf)[0], rtol=1e-10, atol=1e-12)


def assert_fills_as(initializer: Initializer, fill: Callable[..., Any]) -> None:
    """Compare the values of a matrix of fan_in 30 and fan_out 20 with those of a function of torch.nn.init."""
    ours, theirs = torch.full((2, 20, 30), torch.nan, dtype=torch.float64)
    initializer(ours, fan_in=30, fan_out=20, generator=torch.Generator().manual_seed(0))
    fill(theirs, generator=torch.Generator().manual_seed(0))
    assert_close(ours, theirs, rtol=1e-12, atol=0)


def assert_follows(reference: Reference, rule: type[Optimizer], **settings: Any) -> None:
    """Compare a rule with its reference at settings that none of its examples has."""
    result = run(subject(rule, reference=reference, **settings), TRAJECTORY)
    assert result.outcome == "passed", result.detail


def assert_moves_as_one_vector(reference: Reference, rule: Optimizer, steps: int = 60) -> Tensor:
    """Compare a rule that sums over parameters, on several of them in a bowl, with its reference on one vector of all.

    Returns the d in each parameter's state after the last step.
    """
    network = weights(rule)
    curvatures = torch.arange(len(network.flat.data), dtype=torch.float64) % 3 + 0.5
    start, updater = network.flat.data.clone(), rule.attach(network)
    gradients, found = [], []
    for _ in range(steps):
        network.flat.grad.copy_(curvatures * (network.flat.data - 1))
        gradients.append(network.flat.grad.clone())
        updater.step()
        found.append(network.flat.data.clone())
    expected = list(reference(rule, start, gradients))
    assert_close(torch.stack(found), torch.stack(expected), rtol=1e-9, atol=1e-12)
    return torch.stack([state["d"].squeeze() for state in updater.state_dict()["state"].values()])


def shown_alike(value: object) -> str:
    """Return a value as text that is the same in every process, for the name of a test."""
    return re.sub(r" at 0x\w+", "", str(value))
