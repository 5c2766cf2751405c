import pytest
import torch

from chainrule.optimizers import schedule_free_adamw
from chainrule.testing.compare import expect_close
from chainrule.testing.optimizers.trials import draw_gradients, weights
from tests.oracles import assert_follows

WARM_UPS = {"from 0": lambda t: min(1.0, (t - 1) / 4), "from ¼": lambda t: min(1.0, t / 4)}


def iterates(rule, parameter, gradients):
    """Yield θ, where gradients are taken, and x, which is evaluated, with all three sequences kept."""
    (beta1, beta2), v, total = rule.betas, torch.zeros_like(parameter), 0.0
    x, z, y = parameter.clone(), parameter.clone(), parameter.clone()
    for t, gradient in enumerate(gradients, start=1):
        lr = rule.lr * (1.0 if rule.schedule is None else rule.schedule(t))
        v = beta2 * v + (1 - beta2) * gradient**2
        z = z - lr * gradient / ((v / (1 - beta2**t)) ** 0.5 + rule.eps) - lr * rule.weight_decay * y
        total += lr**2
        c = lr**2 / total if total else 0.0
        x = (1 - c) * x + c * z
        y = (1 - beta1) * z + beta1 * x
        yield y, x


def reference(rule, parameter, gradients):
    return [y for y, _ in iterates(rule, parameter, gradients)]


@pytest.mark.parametrize(
    "settings", [{"betas": (0.1, 0.99)}, {"betas": (0.99, 0.1)}, {"weight_decay": 0.1}, {"eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, schedule_free_adamw, lr=0.1, **settings)


@pytest.mark.parametrize("warm_up", WARM_UPS)
def test_a_warm_up_weighs_the_steps_by_their_rates(warm_up):
    assert_follows(reference, schedule_free_adamw, lr=0.1, schedule=WARM_UPS[warm_up])


@pytest.mark.parametrize("warm_up", [None, *WARM_UPS])
def test_the_mean_of_the_steps_is_evaluated(warm_up):
    rule = schedule_free_adamw(lr=0.1, betas=(0.8, 0.9), weight_decay=0.1, schedule=WARM_UPS.get(warm_up))
    network = weights(rule, [(3, 2)])
    start, updater, gradients, found = network.flat.data.clone(), rule.attach(network), [], []
    for t in range(1, 31):
        draw_gradients(network, t)
        gradients.append(network.flat.grad.clone())
        updater.step()
        with updater.evaluating():
            found.append(network.flat.data.clone())
    expected = [x for _, x in iterates(rule, start, gradients)]
    expect_close("the evaluated parameters", torch.stack(found), torch.stack(expected), tolerance=1e-12)
