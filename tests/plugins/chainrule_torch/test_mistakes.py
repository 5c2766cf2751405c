"""Test what users of PyTorch get wrong with rules as its optimizers: each is answered with what to write."""

import re

import pytest
import torch
from torch import nn

import chainrule_torch
from chainrule import ChainruleError, Optimizer, StateError
from chainrule.layers import linear
from chainrule.optimizers import adam, ema, lion
from chainrule_torch import from_torch, optim, optimizer, wrap
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

NETWORK = linear(2, 1).build()


class Mine(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad


class Adam(Mine):
    """A rule of its own under a name that a package has."""


def step(weight, rule):
    weight.sum().backward()
    rule.step()


def model():
    return nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chainrule_torch.Lion, "has no attribute 'Lion'. Write from chainrule_torch.optim import Lion"),
        (lambda: optimizer(lion, model().parameters()), 'got the class Lion. Write optimizer("lion", params, …).'),
        (lambda: optimizer("lion", lr=1e-4), "optimizer: needs params, got none. Write optimizer(name, params)."),
        (
            lambda: optimizer("sgd", model().parameters(), 0.1),
            "got 3, from 0.1 on. Pass the others by name: optimizer(name, params, NAME=0.1).",
        ),
        (
            lambda: optimizer("sgd", model().parameters(), model()),
            "got 3, from Sequential of torch.nn on. Pass no others.",
        ),
        (lambda: optimizer(lion(), model().parameters()), 'Write optimizer("lion", params, …).'),
        (lambda: optimizer(ema(inner=adam()), model().parameters()), 'Write optimizer("ema", params, inner=…).'),
        (
            lambda: optimizer(Mine, model().parameters()),
            'Write chainrule.register("optimizers", "mine", Mine), then optimizer("mine", params, …).',
        ),
        (
            lambda: optimizer(Adam(), model().parameters()),
            'Write chainrule.register("optimizers", "my_adam", Adam), then optimizer("my_adam", params, …).',
        ),
        (lambda: optimizer(torch.optim.Adam, model().parameters()), "Call it with the parameters."),
        (lambda: optim.Lion(), "Lion: takes params alone by position, got none. Write Lion(model.parameters(), lr=…)."),
        (lambda: optim.Lion(model().parameters(), 0.1), "got 0.1 too. Write Lion(model.parameters(), lr=…)."),
        (
            lambda: optim.Adam(model().parameters(), foreach=True),
            'adam: takes no argument "foreach". It takes lr, schedule, betas, eps, weight_decay, maximize, rounding, '
            "state_dtype, release, compile, flatten.",
        ),
        (lambda: optim.Adam(model().parameters(), flaten=True), 'argument "flaten". Did you mean "flatten"?'),
        (lambda: optim.Lion(model()), "got Sequential of torch.nn. Pass model.parameters()."),
        (lambda: optim.Lion(torch.tensor(1.0)), "lion: params must be parameters of torch, got"),
        (lambda: optim.Lion(None), "lion: params must be parameters of torch, got None. Pass model.parameters()."),
        (
            lambda: optim.Lion(nn.LazyLinear(2).parameters()),
            "lion: a parameter must have its shape, got one of a lazy module before its first call. Call the module",
        ),
        (lambda: optim.Lion(NETWORK), "Write lion(…).attach(network), or chainrule.fit("),
        (
            lambda: optim.Lion(NETWORK.parameters()),
            "got a list of Parameter, Parameter. Write lion(…).attach(network).",
        ),
        (lambda: optim.Lion(model().parameters()).load_state_dict(None), "a state must be a dict by names, got None."),
        (lambda: optim.Lion(model().parameters()).load_state_dict({}), "a state must have state and param_groups, got"),
        (lambda: optimizer("torch/lion", model().parameters()), 'No optimizer is registered as "torch/lion".'),
        (lambda: wrap("AdamW"), 'wrap: kind must be a class or its path, got "AdamW".'),
        (lambda: wrap(torch.optim.AdamW, model().parameters()), "wrap: takes by position kind, got 2, from"),
        (lambda: from_torch(nn.Linear(2, 2, device="meta")), "must be one that this machine and this torch have, got"),
        (lambda: NETWORK.load_state_dict(nn.Linear(2, 1, device="meta").state_dict()), "torch.strided, on meta."),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(call, message):
    with pytest.raises(ChainruleError, match=re.escape(message)):
        call()


def test_a_model_that_is_converted_after_its_optimizer_was_made_is_named():
    converted = model()
    stepper = optim.adam(converted.parameters())
    converted(torch.ones(3, 2)).sum().backward()
    stepper.step()
    converted.double()
    stepper.zero_grad()
    converted(torch.ones(3, 2, dtype=torch.float64)).sum().backward()
    with pytest.raises(StateError, match=r"got torch\.float64 on cpu with m of torch\.float32"):
        stepper.step()


@pytest.mark.parametrize("made", [{}, {"release": True}], ids=str)
@pytest.mark.parametrize(
    ("before", "after"), [(torch.float32, torch.float64), (torch.float64, torch.bfloat16)], ids=["float64", "bfloat16"]
)
@pytest.mark.parametrize(
    ("name", "settings"),
    [("adam", {}), ("sgd", {"momentum": 0.9}), ("rprop", {}), ("muon", {}), ("adafactor", {}), ("torch_adam", {})],
)
def test_a_model_that_is_converted_after_the_first_step_is_answered(name, settings, before, after, made):
    weight = nn.Parameter(torch.ones(2, 3, dtype=before))
    rule = optimizer(name, [weight], **settings, **made)
    step(weight, rule)
    weight.grad, weight.data = None, weight.data.to(after)
    with pytest.raises(StateError, match=f"^{name}: a parameter must keep dtype and device, got {after} on cpu"):
        step(weight, rule)


def test_a_model_that_is_converted_where_another_optimizer_keeps_a_number_by_its_dtype_is_answered():
    weight = nn.Parameter(torch.ones(2, 3, dtype=torch.float64))
    rule = optimizer("torch_adam", [weight], state_dtype=torch.bfloat16)
    step(weight, rule)
    weight.grad, weight.data = None, weight.data.float()
    with pytest.raises(ChainruleError, match=r"\. Convert the model before the optimizer is made, or wrap another"):
        step(weight, rule)


class Failing(Optimizer):
    elementwise = False

    def init(self, parameter):
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter, grad, state, step):
        raise RuntimeError("none")


def test_an_error_in_a_step_of_16_bits_is_not_taken_for_that_of_a_conversion():
    made = type("Made", (RuleOptimizer,), {"factory": Failing})
    only = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    stepper = made([only], lr=0.1)
    only.grad = torch.ones_like(only)
    with pytest.raises(RuntimeError, match=r"^none$"):
        stepper.step()


class Wide(Optimizer):
    """A rule whose state has a dtype of its own."""

    elementwise = False

    def init(self, parameter):
        return {"m": torch.zeros_like(parameter, dtype=torch.float64)}

    def update(self, parameter, grad, state, step):
        if step.t > 1:
            raise ChainruleError("wide: none.")
        return grad


@pytest.mark.parametrize("settings", [{}, {"release": True}], ids=str)
def test_an_error_of_a_rule_with_state_of_another_dtype_is_not_taken_for_that_of_a_conversion(settings):
    weight = nn.Parameter(torch.ones(3))
    rule = type("Made", (RuleOptimizer,), {"factory": Wide})([weight], lr=0.1, **settings)
    step(weight, rule)
    weight.grad = None
    with pytest.raises(ChainruleError, match=r"^wide: none\.$"):
        step(weight, rule)
