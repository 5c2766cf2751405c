"""What the authors of components get wrong is told with the class, by build, or at the first step."""

import re
from typing import Generic, TypeVar

import pytest
import torch

import chainrule
from chainrule import (
    Buffer,
    ChainruleError,
    ContractError,
    Initializer,
    Loss,
    Metric,
    Module,
    Optimizer,
    Random,
    Schedule,
    Wrapper,
    hookimpl,
)
from chainrule.layers import linear, mlp, parallel, residual, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.ones(6, 2), torch.zeros(6, 1)


@pytest.mark.parametrize(
    ("parent", "method", "written", "message"),
    [
        (
            Optimizer,
            "update",
            lambda self, grad, state: grad,
            "update must take (self, parameter, grad, state, step), got",
        ),
        (Optimizer, "init", lambda self: {}, "init must take (self, parameter), got (self)."),
        (
            Wrapper,
            "change_direction",
            lambda self, direction: direction,
            "change_direction must take (self, parameter,",
        ),
        (Loss, "gradient", lambda self, grad: grad, "gradient must take (self), got (self, grad)."),
        (Loss, "forward", lambda prediction, target: target, "forward must take (self, prediction, target), got (pred"),
        (Metric, "value", lambda self, right, rows: right, "value must take (self, sums), got (self, right, rows)."),
        (Schedule, "__call__", lambda self: 1.0, "__call__ must take (self, t), got (self)."),
        (
            Initializer,
            "__call__",
            lambda self, tensor: None,
            "must take (self, tensor, *, fan_in, fan_out, generator), got",
        ),
        (
            Loss,
            "forward",
            lambda self, target, prediction: target,
            "forward must take (self, prediction, target), got (self, target, prediction). Write these arguments.",
        ),
        (Metric, "sums", lambda self, target, output: {}, "sums must take (self, prediction, target), got (self, targ"),
        (
            Wrapper,
            "change_gradient",
            lambda self, grad, parameter, state, step: grad,
            "change_gradient must take (self, parameter, grad, state, step), got (self, grad, parameter, state, step).",
        ),
    ],
)
def test_a_method_with_other_arguments_is_refused_with_its_class(parent, method, written, message):
    with pytest.raises(ContractError, match=re.escape(message)):
        type("Own", (parent,), {method: written})


@pytest.mark.parametrize(
    ("parent", "missing"),
    [
        (Module, "backward and forward"),
        (Loss, "forward and gradient"),
        (Schedule, "__call__"),
        (Metric, "sums and value"),
    ],
)
def test_an_instance_of_a_class_that_lacks_methods_is_refused_with_their_names(parent, missing):
    with pytest.raises(ContractError, match=re.escape(f"own: must define {missing}, got none. Write ")):
        type("Own", (parent,), {})()


def test_further_arguments_with_defaults_and_other_names_are_taken():
    type("Own", (Optimizer,), {"update": lambda self, parameter, grad, state, step, scale=1.0: grad})
    type("Own", (Loss,), {"forward": lambda self, *tensors: tensors[0]})
    type("Own", (Loss,), {"forward": lambda self, logits, labels, prediction=None: logits})
    type("Own", (Optimizer,), {"update": staticmethod(lambda parameter, grad, state, step: grad)})


class Holder(Module):
    def __init__(self, held):
        self.held = held

    def forward(self, x):
        self.save_for_backward()
        return x

    def backward(self, grad_output):
        return grad_output


@pytest.mark.parametrize(
    "held",
    [
        torch.nn.Parameter(torch.zeros(2)),
        torch.nn.Linear(2, 2),
        [torch.nn.Linear(2, 2)],
        {"a": torch.ones(2).requires_grad_()},
    ],
    ids=["parameter", "module", "list", "dict"],
)
def test_what_torch_would_train_is_refused_in_a_module(held):
    with pytest.raises(ChainruleError, match=r"^holder: held.* must be one of chainrule's parts, got .*not be trained"):
        sequential(Holder(held), linear(2, 1)).build()


@pytest.mark.parametrize("held", [torch.zeros(2), torch.nn.ReLU(), torch.relu], ids=["tensor", "module", "function"])
def test_what_has_nothing_to_train_is_taken(held):
    sequential(Holder(held), linear(2, 1)).build()


def test_an_update_that_steps_by_itself_is_refused():
    class Steps(Optimizer):
        def update(self, parameter, grad, state, step):
            return parameter.sub_(step.lr * grad)

    with pytest.raises(ContractError, match=r"^steps: update must return a direction, got the parameter"):
        chainrule.fit(linear(2, 1).build(), mse(), Steps(), train=(X, Y))


class Records:
    def __init__(self, **recorded):
        self.recorded = recorded

    @hookimpl
    def chainrule_epoch_end(self, run):
        for name, values in self.recorded.items():
            if (value := values[run.epoch - 1]) is not None:
                run.record(name, value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x", 1.0], "run.record: rate must be a number or a tensor, got 'x'. Convert it."),
        ([None, 1.0], 'run.record: "rate" must be recorded at every epoch\'s end, got 2 epochs and 0 values.'),
        ([1.0, None, 1.0], 'run.record: "rate" must be recorded at every epoch\'s end, got 3 epochs and 1 values.'),
    ],
)
def test_a_curve_of_ones_own_has_a_value_for_each_epoch(values, message):
    with pytest.raises(ChainruleError, match=re.escape(message)):
        chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), epochs=3, callbacks=[Records(rate=values)])


@pytest.mark.parametrize("callback", [lambda run: None, Holder(None)], ids=["function", "object"])
def test_what_is_no_callback_is_shown_without_its_address(callback):
    with pytest.raises(ChainruleError, match="implements no training hook") as caught:
        chainrule.fit(linear(2, 1).build(), mse(), sgd(), train=(X, Y), callbacks=[callback])
    assert " at 0x" not in str(caught.value)


class Same(Module, Generic[TypeVar("T")]):
    def forward(self, x):
        return x

    def backward(self, grad_output):
        return grad_output


def test_a_generic_module_and_one_that_keeps_the_class_of_a_module_have_no_parts_for_that():
    module = Same[int]()
    module._kind, module._alias = Same, Same[int]
    assert list(module.named_children()) == []


def test_a_module_that_holds_the_one_around_it_is_refused():
    module, inner = Same(), Same()
    module._inner, inner._around = inner, module
    with pytest.raises(ChainruleError, match=r"^same: _around must be a part of the module, got Same\(\) around it\."):
        module.build()


@pytest.mark.parametrize("part", [linear(2, 2), Buffer(2), Random()])
def test_a_part_of_the_class_that_all_instances_would_share_is_refused(part):
    with pytest.raises(ContractError, match=rf"^own: part must be made by __init__, got a {type(part).__name__} of"):
        type("Own", (Same,), {"part": part})


class Forgetful(Same):
    """A layer whose rule about shapes returns nothing."""

    def output_shape(self, input_shape):
        return None


@pytest.mark.parametrize(
    "around",
    [
        lambda own: own,
        lambda own: sequential(linear(2, 2), own),
        residual,
        lambda own: parallel(linear(2, 2), own),
        lambda own: mlp([2, 3, 1], own),
    ],
    ids=["alone", "sequential", "residual", "parallel", "mlp"],
)
def test_a_rule_about_shapes_that_returns_none_is_told_by_build(around):
    with pytest.raises(ContractError, match=r"forgetful: output_shape must return a tuple, got None\. Return the "):
        around(Forgetful()).build(seed=0)
