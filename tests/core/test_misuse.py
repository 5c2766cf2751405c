"""Likely mistakes are refused in one line, or made harmless."""

import copy
import pickle
import re

import pytest
import torch

import chainrule
from chainrule import ArgumentError, ChainruleError, HyperparameterError
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam, sgd

X, Y = torch.randn(20, 2), torch.randn(20, 1)


def step(network, updater):
    loss = mse()
    loss(network(X), Y)
    network.zero_grad()
    network.backward(loss.backward())
    updater.step()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda updater: pickle.loads(pickle.dumps(updater))])  # noqa: S301 - our own
def test_a_copied_updater_trains_its_copied_network(copied):
    network = linear(2, 1).build()
    updater = adam(lr=0.1).attach(network)
    step(network, updater)
    other = copied(updater)
    for one in (updater, other):
        step(one.network, one)
    assert other.network is not network
    assert torch.equal(other.network.flat.data, network.flat.data)


def test_backward_in_eval_mode_finds_nothing_of_an_earlier_batch():
    network = linear(2, 1).build()
    network(X)
    network.eval()
    output = network(10 * X)
    with pytest.raises(chainrule.BackwardError):
        network.backward(torch.ones_like(output))


@pytest.mark.parametrize("name", ["data", "grad"])
def test_a_parameter_keeps_its_tensors(name):
    (parameter, _) = linear(2, 1).build().parameters()
    with pytest.raises(ChainruleError, match=rf"{name} must stay the network's own tensor"):
        setattr(parameter, name, torch.ones(1, 1, 2))
    parameter.grad += 1
    assert torch.equal(parameter.grad, torch.ones(1, 1, 2))


def test_a_constant_is_not_set_but_may_be_declared_with_its_type():
    mine = type("Mine", (chainrule.Optimizer,), {"beta": 0.5})
    with pytest.raises(ArgumentError) as caught:
        mine(beta=0.9)
    assert str(caught.value).startswith('mine: takes no argument "beta", which its class declares without a type.')
    assert str(caught.value).endswith(" Write beta: float = 0.5 there.")
    with pytest.raises(ArgumentError, match=r'takes no argument "decay_kind".*It takes lr and schedule'):
        mine(decay_kind="none")


def test_a_metric_over_all_members_is_refused():
    metrics = {"accuracy": lambda prediction, target: (prediction.argmax(-1) == target).float().mean()}
    network = linear(2, 3).build(seeds=range(4))
    with pytest.raises(ChainruleError, match=r"accuracy must return one value for each member, \(4,\), got \(\)"):
        chainrule.fit(network, cross_entropy(), sgd(), train=(X, torch.zeros(20).long()), metrics=metrics)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("lr", 0.5, "lr: LearningRate = 0.5"),
        ("lr", chainrule.hyperparameter(default=0.5), "lr: LearningRate = hyperparameter(…)"),
        ("schedule", None, "schedule: Callable[[int], float | Tensor] | None = None"),
        ("steps", 4, "steps: int = 4"),
        ("beta", chainrule.hyperparameter(default=0.5), "beta: float = hyperparameter(…)"),
    ],
)
def test_a_setting_without_its_type_is_refused_with_its_parents(name, value, fix):
    parent = type("Parent", (chainrule.Optimizer,), {"__annotations__": {"steps": int}, "steps": 3})
    with pytest.raises(HyperparameterError) as caught:
        type("Mine", (parent,), {name: value})
    given = fix.partition(" = ")[2]
    assert str(caught.value) == (
        f"mine: {name} must be declared with its type, got {name} = {given}, which Python would ignore. Write {fix}."
    )


def test_a_callback_with_an_ordering_of_its_own_is_refused():
    class First:
        @chainrule.hookimpl(tryfirst=True)
        def chainrule_fit_start(self):
            raise AssertionError

    with pytest.raises(ChainruleError, match="hooks run in the order of the callbacks"):
        chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), callbacks=[First()])


def test_what_a_module_made_for_itself_in_a_fit_can_be_changed_afterwards():
    class Center(chainrule.Module):
        mean = None

        def forward(self, x):
            mean = x.mean(1, keepdim=True)
            self.mean = mean if self.mean is None else self.mean.lerp_(mean, 0.1)
            self.save_for_backward()
            return x - self.mean

        def backward(self, grad_output):
            self.saved_tensors()
            return grad_output

    network = sequential(Center(), linear(2, 1)).build()
    chainrule.fit(network, mse(), sgd(), train=(X, Y), evaluate_train=False)
    assert network(X).isfinite().all()


def test_a_state_that_starts_as_the_parameter_is_not_the_parameter():
    class Anchored(chainrule.Optimizer):
        def init(self, parameter):
            return {"anchor": parameter}

        def update(self, parameter, grad, state, step):
            return grad

    network = linear(2, 1).build()
    start = network.flat.data.clone()
    updater = Anchored(lr=1.0).attach(network)
    step(network, updater)
    assert torch.equal(updater.state_dict()["state"]["weight"]["anchor"].flatten(), start[:2])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((linear(2, 1), mse(), sgd()), "fit: the network must be ready"),
        ((linear(2, 1).build(), mse, sgd()), "fit: the loss must be ready"),
        ((linear(2, 1).build(), mse(), sgd), "fit: the optimizer must be ready"),
    ],
)
def test_a_forgotten_call_is_named(parts, message):
    with pytest.raises(ChainruleError, match=message):
        chainrule.fit(*parts, train=(X, Y))


def test_a_fit_needs_one_number_for_each_batch():
    with pytest.raises(ChainruleError) as caught:
        chainrule.fit(linear(2, 1).build(), mse("none"), sgd(), train=(X, Y))
    assert str(caught.value) == (
        'fit: the loss must have reduction "mean" or "sum", got "none". Use "mean", or write the loop and weigh the '
        "terms with loss.backward(weights)."
    )


def test_other_forgotten_things_are_named():
    with pytest.raises(ChainruleError, match="attach: network must be a built network"):
        sgd().attach(linear(2, 1))
    with pytest.raises(
        ChainruleError, match="build: seeds must be a sequence of integers, one for each member, got 10"
    ):
        linear(2, 1).build(seeds=10)
    with pytest.raises(ChainruleError, match="sgd: schedule must be a callable"):
        sgd(schedule=0.5)
    with pytest.raises(ChainruleError, match=r"batch_size must be an integer of at least 1, got 2\.5"):
        chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), batch_size=2.5)
    with pytest.raises(ChainruleError, match=r"dtype must be torch\.float32 or torch\.float64"):
        linear(2, 1).build(dtype=torch.bfloat16)


@pytest.mark.parametrize(
    ("parent", "attributes", "message"),
    [
        (chainrule.Module, {"integer_input": True}, 'Did you mean "integer_inputs"?'),
        (chainrule.Module, {"same_in_eval": "no"}, "same_in_eval must be True or False, got 'no'"),
        (chainrule.Module, {"output_shapes": lambda self, shape: shape}, 'Did you mean "output_shape"?'),
        (chainrule.Loss, {"denominators": lambda self, p, t: 1}, 'Did you mean "denominator"?'),
        (chainrule.Loss, {"nonnegative": False}, 'Did you mean "non_negative"?'),
        (chainrule.Initializer, {"depend_on_shape": True}, 'Did you mean "depends_on_shape"?'),
        (chainrule.Initializer, {"depends_on_shape": "yes"}, "depends_on_shape must be True or False, got 'yes'"),
    ],
)
def test_a_misspelt_attribute_of_a_component_is_refused(parent, attributes, message):
    with pytest.raises(chainrule.ContractError, match=re.escape(message)):
        type("Wrong", (parent,), attributes)
