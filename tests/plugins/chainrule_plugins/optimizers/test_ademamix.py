import math

import pytest

from chainrule.layers import linear
from chainrule.optimizers import ademamix
from tests.oracles import assert_follows, by_formula


def beta3_of(rule, t):
    """Return β₃(t) by the paper's formula, in logarithms."""
    if t >= rule.beta3_warmup:
        return rule.betas[2]
    (first, _, last), done = map(math.log, rule.betas), t / rule.beta3_warmup
    return math.exp(first * last / ((1 - done) * last + done * first))


def reference(rule, parameter, gradients):
    beta1, beta2, _ = rule.betas

    def formula(theta, g, memory, t):
        beta3, past = beta3_of(rule, t), memory.setdefault("past", [])
        past.append(g)
        m1 = sum(beta1 ** (t - i) * each for i, each in enumerate(past, 1)) * (1 - beta1) / (1 - beta1**t)
        m2 = memory["m2"] = beta3 * memory.get("m2", 0.0) + (1 - beta3) * g
        v = sum(beta2 ** (t - i) * each**2 for i, each in enumerate(past, 1)) * (1 - beta2) / (1 - beta2**t)
        alpha = min(rule.alpha, rule.alpha * t / rule.alpha_warmup) if rule.alpha_warmup else rule.alpha
        return theta - rule.lr * ((m1 + alpha * m2) / (math.sqrt(v) + rule.eps) + rule.weight_decay * theta)

    return by_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [
        {"betas": (0.0, 0.9, 0.99)},
        {"betas": (0.9, 0.0, 0.99)},
        {"betas": (0.9, 0.99, 0.0)},
        {"betas": (0.9, 0.99, 0.8), "beta3_warmup": 100},
        {"alpha": 8.0, "alpha_warmup": 3, "beta3_warmup": 5},
        {"eps": 1e-2},
    ],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, ademamix, lr=0.1, **settings)


def test_the_half_life_of_beta3_grows_linearly():
    rule = ademamix(beta3_warmup=1000)
    half_lives = [math.log(0.5) / math.log1p(-rule.scalars(t)["new3"]) for t in range(1, 1001)]
    first, last = (math.log(0.5) / math.log(beta) for beta in (0.9, 0.9999))
    assert half_lives == pytest.approx([first + (last - first) * t / 1000 for t in range(1, 1001)])


def test_a_beta1_of_0_has_the_half_life_0():
    assert ademamix(betas=(0.0, 0.9, 0.5), beta3_warmup=2).scalars(1)["new3"] == 0.75  # half-life ½
    assert ademamix(betas=(0.0, 0.9, 0.0), beta3_warmup=2).scalars(1)["new3"] == 1.0


def test_the_slow_mean_remembers_a_gradient_for_thousands_of_steps():
    network = linear(1, 1, bias=False).build()
    updater = ademamix().attach(network)
    for t in range(1, 5001):
        network.flat.grad.fill_(float(t == 1))
        updater.step()
    state = updater.state_dict()["state"]["weight"]
    assert state["m1"].abs().max() < 1e-30
    assert state["m2"].item() == pytest.approx(1e-4 * 0.9999**4999, rel=1e-3)
