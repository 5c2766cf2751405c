"""Each built-in rule follows its oracle over a hundred steps, also where it is resumed from a saved state half way."""

import pytest
import torch

from chainrule.testing.compare import expect_close
from chainrule.testing.optimizers.trials import draw_gradients, weights
from tests.built_ins import built_in_rules
from tests.contracts.mirrored_tests import reference_of

STEPS = 100
HALF_WAY = 50
EXAMPLES = [(rule, i) for rule in built_in_rules() for i in range(len(rule.examples()))]


@pytest.mark.parametrize(("kind", "example"), EXAMPLES, ids=lambda value: getattr(value, "__name__", value))
def test_a_hundred_steps_follow_the_reference(kind, example):
    rule = kind.examples()[example]
    network = weights(rule, {"w": (3, 2)})
    start, updater = network.flat.data.clone().view(3, 2), rule.attach(network)
    gradients, found = [], []
    for t in range(1, STEPS + 1):
        if t == HALF_WAY:
            saved, network = (network.state_dict(), updater.state_dict()), weights(rule, {"w": (3, 2)})
            network.load_state_dict(saved[0])
            updater = rule.attach(network)
            updater.load_state_dict(saved[1])
        draw_gradients(network, t)
        gradients.append(network.flat.grad.clone().view(3, 2))
        updater.step()
        found.append(network.flat.data.clone().view(3, 2))
    expected = list(reference_of(kind)(rule, start, gradients))
    expect_close(f"{rule!r}: the parameter after each step", torch.stack(found), torch.stack(expected), tolerance=1e-10)
