"""Whether a rule is elementwise is found out by watching it."""

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule import Optimizer, hyperparameter
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, cautious, lookahead, rmsprop, sgd
from chainrule.updates.watching import is_elementwise, questions

X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Rule(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad


class Normalized(Rule):
    def update(self, parameter, grad, state, step):
        return grad / grad.norm()


class NormFromTheTenthStep(Rule):
    def update(self, parameter, grad, state, step):
        return grad / grad.norm() if step.t >= 10 else grad


class NormEverySeventhStep(Rule):
    def update(self, parameter, grad, state, step):
        return grad / grad.norm() if step.every(7, offset=3) else grad


class ReadsTheShape(Rule):
    def update(self, parameter, grad, state, step):
        return grad / parameter.shape[0]


class ReadsTheRank(Rule):
    def update(self, parameter, grad, state, step):
        return grad * (1 if parameter.dim() < 2 else 2)


class Counts(Rule):
    def update(self, parameter, grad, state, step):
        return grad / len(grad)


class FirstElement(Rule):
    def update(self, parameter, grad, state, step):
        return grad - grad[0]


class Sorted(Rule):
    def update(self, parameter, grad, state, step):
        return grad.sort().values


class EvaluatedTowardsTheMean(Rule):
    def evaluation_parameter(self, parameter, state):
        return (parameter + parameter.mean()) / 2


class ScalarState(Rule):
    def init(self, parameter):
        return {"count": torch.zeros((), dtype=parameter.dtype)}


class Matrices(Rule):
    ranks = (2,)


class Noisy(Rule):
    def update(self, parameter, grad, state, step):
        return grad + step.random.normal((6,))


class Summed(Rule):
    def reduce(self, parameter, grad, state, step):
        return {"one": torch.ones(())}


class MaskedByItsSign(Rule):
    threshold: float = hyperparameter(default=0.1, at_least=0)

    def init(self, parameter):
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter, grad, state, step):
        m = state["m"].lerp_(grad, 0.5)
        kept = torch.where(m * grad > 0, grad, torch.zeros_like(grad))
        return kept.clamp(-1, 1).masked_fill(m.abs() < self.threshold, 0.0) / step.t


@pytest.mark.parametrize(
    "kind",
    [
        *(Normalized, NormFromTheTenthStep, NormEverySeventhStep, ReadsTheShape, ReadsTheRank, Counts),
        *(FirstElement, Sorted, EvaluatedTowardsTheMean, ScalarState, Matrices, Noisy, Summed),
    ],
)
def test_a_rule_that_looks_beyond_an_element_is_not(kind):
    assert not is_elementwise(kind())


@pytest.mark.parametrize(
    "rule",
    [
        *(Rule(), MaskedByItsSign(), adam(), sgd(momentum=0.9, nesterov=True), rmsprop(centered=True, momentum=0.9)),
        *(adam(lr=torch.tensor([0.1, 0.2])), lookahead(inner=adam()), lookahead(inner=lookahead(inner=sgd()))),
    ],
    ids=repr,
)
def test_a_rule_of_pointwise_operations_is(rule):
    assert is_elementwise(rule)


def test_a_wrapper_is_if_it_and_its_rule_are():
    assert not is_elementwise(lookahead(inner=Normalized()))
    assert not is_elementwise(cautious(inner=sgd()))  # a mean over the parameter


def test_a_declaration_counts():
    class Declared(Normalized):
        elementwise = True

    class Denied(Rule):
        elementwise = False

    assert is_elementwise(Declared())
    assert not is_elementwise(Denied())


def test_settings_decide():
    class Sometimes(Rule):
        normalize: bool = False

        def update(self, parameter, grad, state, step):
            return grad / grad.norm() if self.normalize else grad

    assert is_elementwise(Sometimes())
    assert not is_elementwise(Sometimes(normalize=True))


def test_what_is_asked_of_every_is_found():
    assert questions(lookahead(inner=lookahead(inner=sgd(), k=3), k=4)) == [(3, 0), (4, 0)]
    assert questions(adam()) == []


@pytest.mark.parametrize("seeds", [[3], [3, 4, 5]])
def test_a_norm_is_that_of_a_layer_and_a_member(seeds):
    network = sequential(linear(3, 5), tanh(), linear(5, 3)).build(seeds=seeds, dtype=torch.float64)
    values = {name: parameter.data.clone() for name, parameter in network.named_parameters()}
    updater = Normalized(lr=0.1).attach(network)
    loss = mse(members=True)
    loss(network(X), Y)
    network.backward(loss.backward())
    grads = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    updater.step()
    for name, parameter in network.named_parameters():
        for member in range(len(seeds)):
            grad = grads[name][member]
            expected = values[name][member] - 0.1 * grad / grad.square().sum().sqrt()
            assert_close(parameter.data[member], expected, rtol=0, atol=1e-15)


@pytest.mark.usefixtures("traced")
def test_a_traced_fit_does_what_is_due_now_and_then():
    ends = []
    for compiled in (False, True):
        network = sequential(linear(3, 5), tanh(), linear(5, 3)).build(seeds=[0, 1], dtype=torch.float64)
        rule = lookahead(inner=NormEverySeventhStep(lr=0.05), k=3)
        chainrule.fit(network, mse(), rule, train=(X, Y), batch_size=10, epochs=8, compile=compiled)
        ends.append(network.flat.data)
    assert_close(*ends, rtol=0, atol=1e-12)
