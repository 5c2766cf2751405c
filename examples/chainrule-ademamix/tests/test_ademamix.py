"""The optimizer ademamix passes the conformance kit and follows its formula."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from chainrule.layers import linear
from chainrule.testing import checks_of, parametrize_checks, run, subject
from torch import Tensor

from chainrule_ademamix import Ademamix


def beta3(rule: Ademamix, t: int) -> float:
    """Return β₃(t) by the paper's formula, in logarithms."""
    first, _, last = map(math.log, rule.betas)
    if t >= rule.beta3_warmup:
        return rule.betas[2]
    done = t / rule.beta3_warmup
    return math.exp(first * last / ((1 - done) * last + done * first))


def path(rule: Ademamix, theta: float, gradients: Sequence[float]) -> list[float]:
    """Return one element after each step, by sums over all gradients in place of running means, except for m₂."""
    assert isinstance(rule.lr, float)
    (beta1, beta2, _), m2, passed = rule.betas, 0.0, []
    for t, g in enumerate(gradients, start=1):
        past = list(zip(range(t - 1, -1, -1), gradients[:t], strict=True))
        m1 = sum(beta1**age * each for age, each in past) / sum(beta1**age for age, _ in past)
        v = sum(beta2**age * each**2 for age, each in past) / sum(beta2**age for age, _ in past)
        m2 = beta3(rule, t) * m2 + (1 - beta3(rule, t)) * g
        alpha = min(rule.alpha, t * rule.alpha / rule.alpha_warmup) if rule.alpha_warmup else rule.alpha
        theta -= rule.lr * ((m1 + alpha * m2) / (math.sqrt(v) + rule.eps) + rule.weight_decay * theta)
        passed.append(theta)
    return passed


def formula(rule: Ademamix, parameter: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the parameter after each step, computed element by element."""
    numbers = zip(parameter.flatten().tolist(), *(gradient.flatten().tolist() for gradient in gradients), strict=True)
    paths = [path(rule, theta, each) for theta, *each in numbers]
    return [torch.tensor(after, dtype=torch.float64).view(parameter.shape) for after in zip(*paths, strict=True)]


@parametrize_checks("optimizers:ademamix", reference=formula)
def test_ademamix(check: Callable[[], None]) -> None:
    check()


class Corrected(Ademamix):
    """A wrong version: bias correction of the slow mean, which the paper omits."""

    def scalars(self, t: int) -> dict[str, float]:
        scalars = super().scalars(t)
        return scalars | {"alpha": scalars["alpha"] / (1 - scalars["beta3"] ** t)}


class Linear(Ademamix):
    """A wrong version: linear growth of β₃ itself instead of its half-life."""

    def scalars(self, t: int) -> dict[str, float]:
        done = min(t / self.beta3_warmup, 1.0) if self.beta3_warmup else 1.0
        return super().scalars(t) | {"beta3": (1 - done) * self.betas[0] + done * self.betas[2]}


@pytest.mark.parametrize("wrong", [Corrected, Linear])
def test_the_reference_rejects_a_wrong_version(wrong: type[Ademamix]) -> None:
    target = subject(wrong, reference=formula)
    outcomes = {run(target, check).outcome for check in checks_of("optimizers") if "reference" in check.name}
    assert "failed" in outcomes


def test_the_half_life_of_beta3_grows_linearly() -> None:
    rule = Ademamix(beta3_warmup=1000)
    half_lives = [math.log(0.5) / math.log(rule.scalars(t)["beta3"]) for t in range(1, 1001)]
    growth = (math.log(0.5) / math.log(0.9999) - math.log(0.5) / math.log(0.9)) / 1000
    assert half_lives == pytest.approx([math.log(0.5) / math.log(0.9) + growth * t for t in range(1, 1001)])


def test_the_warm_ups_end_at_alpha_and_beta3() -> None:
    rule = Ademamix(alpha=4.0, alpha_warmup=10, beta3_warmup=20)
    assert rule.scalars(5)["alpha"] == 2.0
    assert rule.scalars(10)["alpha"] == rule.scalars(11)["alpha"] == 4.0
    assert rule.scalars(19)["beta3"] < rule.scalars(20)["beta3"] == rule.scalars(21)["beta3"] == 0.9999


def test_a_decay_of_0_has_the_half_life_0() -> None:
    assert Ademamix(betas=(0.0, 0.9, 0.5), beta3_warmup=2).scalars(1)["beta3"] == 0.25  # half-life 0.5
    assert Ademamix(betas=(0.0, 0.9, 0.0), beta3_warmup=2).scalars(1)["beta3"] == 0.0


def test_with_alpha_0_it_is_adamw() -> None:
    network = linear(3, 2).build(dtype=torch.float64)
    theta = torch.nn.Parameter(network.flat.data.clone())
    updater = Ademamix(lr=0.1, alpha=0.0, weight_decay=0.2).attach(network)
    adamw = torch.optim.AdamW([theta], lr=0.1, weight_decay=0.2)
    for gradient in torch.randn(50, *theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        network.flat.grad.copy_(gradient)
        theta.grad = gradient
        updater.step()
        adamw.step()
        torch.testing.assert_close(network.flat.data, theta.detach(), rtol=0, atol=1e-12)


def test_the_slow_mean_remembers_a_gradient_for_thousands_of_steps() -> None:
    network = linear(1, 1).build(dtype=torch.float64)
    updater = Ademamix().attach(network)
    for t in range(1, 5001):
        network.flat.grad.fill_(float(t == 1))
        updater.step()
    state = updater.state_dict()["state"]["weight"]
    assert state["m1"].abs().max() < 1e-100
    assert state["m2"].item() == pytest.approx(1e-4 * 0.9999**4999)
