import dataclasses

import pytest
import torch

from chainrule import ContractError, Wrapper
from chainrule.layers import linear
from chainrule.optimizers import accumulate, adam, adamw, cautious, ema, grokfast, lookahead, prodigy, sgd
from chainrule.testing.optimizers.trials import draw_gradients, weights
from tests.built_ins import built_in_rules
from tests.contracts.correct_rules import RULES
from tests.forms import first_of_each_form
from tests.oracles import around_torch

K = 3
KINDS = [kind for kind in (*built_in_rules(), *RULES) if not issubclass(kind, Wrapper)]
FIRST = first_of_each_form(KINDS)
NESTED = [
    ema(inner=lookahead(inner=cautious(inner=adamw(lr=0.1)), k=K), decay=0.5),
    ema(inner=grokfast(inner=prodigy(d0=0.1)), decay=0.5),
    accumulate(inner=adam(), k=2),
]
INNER = [kind.examples()[-1] for kind in sorted(KINDS, key=lambda kind: kind not in FIRST)]
EACH = [
    # The first rules go into an ensemble of one and one of two by turns, and into both in the slow suite.
    pytest.param(
        inner, seeds, marks=() if i < len(NESTED) + len(FIRST) and i % 2 == len(seeds) - 1 else pytest.mark.slow
    )
    for i, inner in enumerate([*NESTED, *INNER])
    for seeds in ([0], [0, 1])
]


def reference(rule, parameter, gradients):
    means = [sum(gradients[i : i + rule.k]) / rule.k for i in range(0, len(gradients) - rule.k + 1, rule.k)]
    path = [parameter, *around_torch(rule, parameter, means, lambda t, before, gradient, after: after)]
    return [path[t // rule.k] for t in range(1, len(gradients) + 1)]


def evaluated(updater):
    with updater.evaluating():
        return updater.network.flat.data.clone()


@pytest.mark.parametrize(("inner", "seeds"), EACH, ids=repr)
def test_it_is_to_the_bit_the_inner_rule_fed_the_means(inner, seeds):
    if not isinstance(inner, Wrapper):
        inner = dataclasses.replace(inner, schedule=lambda t: 1 / t)
    around, fed = weights(inner, seeds=seeds), weights(inner, seeds=seeds)
    updater, expected = accumulate(inner=inner, k=K).attach(around), inner.attach(fed)
    seen = torch.zeros_like(around.flat.grad)
    for t in range(1, 4 * K + 1):
        draw_gradients(around, t)
        seen += around.flat.grad
        updater.step()
        if t % K == 0:
            fed.flat.grad.copy_(seen / K)
            expected.step()
            seen.zero_()
            assert updater.rates == expected.rates, t
        assert torch.equal(around.flat.data, fed.flat.data), t
        assert torch.equal(evaluated(updater), evaluated(expected)), t
    states = updater.state_dict()["state"], expected.state_dict()["state"]
    for name, state in states[1].items():
        assert all(torch.equal(states[0][name][f"inner.{key}"], value) for key, value in state.items())


def test_decay_waits_too():
    network = linear(2, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(1.0)
    updater = accumulate(inner=adamw(lr=0.5, weight_decay=0.1), k=2).attach(network)
    passed = []
    for _ in range(4):
        network.zero_grad()
        updater.step()
        passed.append(network.flat.data[0].item())
    assert passed == pytest.approx([1.0, 0.95, 0.95, 0.95**2], rel=1e-15)


class Watching(Wrapper):
    """Count, outside of what accumulates or inside, when each method is called."""

    def init(self, parameter):
        return {name: torch.zeros(()) for name in ("gradients", "sums", "directions", "ends")}

    def change_gradient(self, parameter, grad, state, step):
        state["gradients"].add_(1)
        return grad.clone()

    def reduce(self, parameter, grad, state, step):
        state["sums"].add_(1)
        return {"norm": grad.norm()}

    def change_direction(self, parameter, grad, direction, state, step):
        state["directions"].add_(1)
        return direction

    def after_step(self, parameter, state, step):
        assert step["norm"] is not None
        state["ends"].add_(1)


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_wrappers_outside_act_at_every_step_and_those_inside_with_the_rule(seeds):
    rule = Watching(inner=accumulate(inner=Watching(inner=sgd()), k=3))
    network = weights(rule, {"w": (2, 2)}, seeds=seeds)
    updater = rule.attach(network)
    for t in range(1, 8):
        draw_gradients(network, t)
        updater.step()
    counts = {name: value.tolist() for name, value in updater.state_dict()["state"]["w"].items() if value.dim() == 1}
    outside = {"gradients": 7, "sums": 7, "directions": 2, "ends": 7}
    inside = {f"inner.inner.{name}": 2 for name in outside}
    assert counts == {name: [count] * len(seeds) for name, count in (outside | inside).items()}


@pytest.mark.parametrize("period", [0, 2.0, None])
def test_a_period_that_is_no_number_of_steps_is_refused(period):
    class Odd(Wrapper):
        def inner_period(self):
            return period

    with pytest.raises(ContractError, match=r"^odd: inner_period must return a whole number of at least 1, got "):
        Odd(inner=sgd()).attach(linear(1, 1).build())
