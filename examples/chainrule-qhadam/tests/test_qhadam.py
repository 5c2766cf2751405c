"""The optimizer qhadam passes the conformance kit and follows its formula."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from chainrule import State, Step
from chainrule.layers import linear
from chainrule.testing import checks_of, parametrize_checks, run, subject
from torch import Tensor

from chainrule_qhadam import Qhadam


def mean(beta: float, numbers: Sequence[float]) -> float:
    """Return the mean of all numbers so far, weighted by powers of beta: of a running mean, what bias correction gives."""
    weights = [beta**age for age in range(len(numbers) - 1, -1, -1)]
    return math.fsum(map(math.prod, zip(weights, numbers, strict=True))) / math.fsum(weights)


def path(rule: Qhadam, theta: float, gradients: Sequence[float]) -> list[float]:
    """Return one element after each step, by sums over all gradients in place of running means."""
    assert isinstance(rule.lr, float)
    (beta1, beta2), (nu1, nu2), passed = rule.betas, rule.nus, []
    for t, g in enumerate(gradients, start=1):
        above = (1 - nu1) * g + nu1 * mean(beta1, gradients[:t])
        below = (1 - nu2) * g**2 + nu2 * mean(beta2, [each**2 for each in gradients[:t]])
        theta -= rule.lr * (above / (math.sqrt(below) + rule.eps) + rule.weight_decay * theta)
        passed.append(theta)
    return passed


def formula(rule: Qhadam, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the parameter after each step, computed element by element."""
    numbers = zip(parameter.flatten().tolist(), *(gradient.flatten().tolist() for gradient in gradients), strict=True)
    paths = [path(rule, theta, each) for theta, *each in numbers]
    return [torch.tensor(after, dtype=torch.float64).view(parameter.shape) for after in zip(*paths, strict=True)]


@parametrize_checks("optimizers:qhadam", reference=formula)
def test_qhadam(check: Callable[[], None]) -> None:
    check()


class Uncorrected(Qhadam):
    """A wrong version: no bias correction of the running means."""

    def scalars(self, t: int) -> dict[str, float]:
        return {"bias1": 1.0, "bias2": 1.0}


class Late(Qhadam):
    """A wrong version: the running means lack the current gradient."""

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        before = {name: values.clone() for name, values in state.items()}
        super().update(parameter, grad, state, step)
        m, v = before["m"] / step["bias1"], before["v"] / step["bias2"]
        root = torch.lerp(grad**2, v, self.nus[1]).sqrt()
        return torch.lerp(grad, m, self.nus[0]) / (root + self.eps)


@pytest.mark.parametrize("wrong", [Uncorrected, Late])
def test_the_reference_rejects_a_wrong_version(wrong: type[Qhadam]) -> None:
    target = subject(wrong, reference=formula)
    outcomes = {run(target, check).outcome for check in checks_of("optimizers") if "reference" in check.name}
    assert "failed" in outcomes


def test_with_nus_of_1_it_is_adamw() -> None:
    network = linear(3, 2).build(dtype=torch.float64)
    theta = torch.nn.Parameter(network.flat.data.clone())
    updater = Qhadam(lr=0.1, betas=(0.9, 0.999), nus=(1.0, 1.0), weight_decay=0.2).attach(network)
    adamw = torch.optim.AdamW([theta], lr=0.1, weight_decay=0.2)
    for gradient in torch.randn(50, *theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        network.flat.grad.copy_(gradient)
        theta.grad = gradient
        updater.step()
        adamw.step()
        torch.testing.assert_close(network.flat.data, theta.detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("nus", [(0.0, 0.0), (0.7, 1.0), (0.2, 0.5), (1.0, 0.0)])
def test_the_first_step_is_that_of_adam_whatever_the_nus(nus: tuple[float, float]) -> None:
    assert path(Qhadam(lr=0.5, nus=nus, eps=0.0), 1.0, [-3.0]) == pytest.approx([1.5])
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    before, updater = network.flat.data.item(), Qhadam(lr=0.5, nus=nus, eps=0.0).attach(network)
    network.flat.grad.fill_(-3.0)
    updater.step()
    assert network.flat.data.item() == pytest.approx(before + 0.5)


def test_a_gradient_acts_at_once_and_through_the_running_mean() -> None:
    rule = Qhadam(lr=1.0, betas=(0.9, 0.0), nus=(0.7, 1.0))
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    updater, passed = rule.attach(network), [network.flat.data.item()]
    for t in range(1, 11):
        network.flat.grad.fill_(float(t == 10))
        updater.step()
        passed.append(network.flat.data.item())
    assert passed[:10] == [passed[0]] * 10
    assert passed[9] - passed[10] == pytest.approx(0.3 + 0.7 * 0.1 / (1 - 0.9**10))
