import pytest
import torch

from chainrule.optimizers import schedule_free_sgd
from chainrule.testing.compare import expect_close
from chainrule.testing.optimizers.trials import draw_gradients, weights
from tests.oracles import assert_follows

WARM_UPS = {"from 0": lambda t: min(1.0, (t - 1) / 4), "from ¼": lambda t: min(1.0, t / 4)}


def iterates(rule, parameter, gradients):
    """Yield θ, where gradients are taken, and x, which is evaluated, with all three sequences kept."""
    x, z, y, total = parameter.clone(), parameter.clone(), parameter.clone(), 0.0
    for t, gradient in enumerate(gradients, start=1):
        lr = rule.lr * (1.0 if rule.schedule is None else rule.schedule(t))
        z = z - lr * (gradient + rule.weight_decay * y)
        total += lr**2
        c = lr**2 / total if total else 0.0
        x = (1 - c) * x + c * z
        y = (1 - rule.momentum) * z + rule.momentum * x
        yield y, x


def reference(rule, parameter, gradients):
    return [y for y, _ in iterates(rule, parameter, gradients)]


@pytest.mark.parametrize(
    "settings", [{"momentum": 0.1}, {"momentum": 0.99}, {"weight_decay": 0.1}, {"lr": 1e-3}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, schedule_free_sgd, **settings)


@pytest.mark.parametrize("warm_up", WARM_UPS)
def test_a_warm_up_weighs_the_steps_by_their_rates(warm_up):
    assert_follows(reference, schedule_free_sgd, schedule=WARM_UPS[warm_up])


@pytest.mark.parametrize("warm_up", [None, *WARM_UPS])
def test_the_mean_of_the_steps_is_evaluated(warm_up):
    rule = schedule_free_sgd(lr=0.1, momentum=0.8, weight_decay=0.1, schedule=WARM_UPS.get(warm_up))
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


def test_members_warm_up_by_their_own_rates():
    rates = [1.0, 0.25, 0.05]
    rule = schedule_free_sgd(lr=torch.tensor(rates, dtype=torch.float64), schedule=WARM_UPS["from ¼"])
    network = weights(rule, [(3, 2)], seeds=[0, 0, 0])
    start, updater, gradients = network.flat.data.view(3, -1)[0].clone(), rule.attach(network), []
    for t in range(1, 11):
        draw_gradients(network, t)
        gradients.append(network.flat.grad.view(3, -1)[0].clone())
        updater.step()
    with updater.evaluating():
        for i, lr in enumerate(rates):
            alone = schedule_free_sgd(lr=lr, schedule=WARM_UPS["from ¼"])
            *_, (_, x) = iterates(alone, start, gradients)
            expect_close(f"member {i}", network.flat.data.view(3, -1)[i], x, tolerance=1e-12)
