"""A reference may change one tensor in place; one that gives no parameters is refused without blaming the rule."""

from collections import deque

import pytest
import torch

from chainrule.testing import checks_of, run, subject
from chainrule_plugins.optimizers.sgd import Sgd

CHECKS = [check for check in checks_of("optimizers") if check.name.endswith("_the_reference")]


class Plain(Sgd):
    @classmethod
    def examples(cls):
        return [cls()]


class Resting(Plain):
    def update(self, parameter, grad, state, step):
        return torch.zeros_like(grad)


def in_place(rule, parameter, gradients):
    for grad in gradients:
        parameter -= rule.lr * grad
        yield parameter


def by_torch(rule, parameter, gradients):
    parameter = torch.nn.Parameter(parameter)
    optimizer = torch.optim.SGD([parameter], lr=rule.lr)
    for parameter.grad in gradients:
        optimizer.step()
        yield parameter


def stacked(rule, parameter, gradients):
    return parameter - rule.lr * torch.stack(gradients).cumsum(0)


def resting(rule, parameter, gradients):
    return [parameter] * len(gradients)


def nothing(rule, parameter, gradients):
    list(in_place(rule, parameter, gradients))


def floats(rule, parameter, gradients):
    return [each.tolist() for each in stacked(rule, parameter, gradients)]


def arrays(rule, parameter, gradients):
    return [each.numpy() for each in stacked(rule, parameter, gradients)]


def in_float32(rule, parameter, gradients):
    return stacked(rule, parameter, gradients).float()


def flattened(rule, parameter, gradients):
    return [each.view(1, -1) for each in stacked(rule, parameter, gradients)]


def too_many(rule, parameter, gradients):
    yield parameter.clone()
    yield from in_place(rule, parameter, gradients)


def the_last_alone(rule, parameter, gradients):
    return list(in_place(rule, parameter, gradients))


def kept(rule, parameter, gradients):
    return deque(stacked(rule, parameter, gradients))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("reference", [in_place, by_torch, stacked, kept])
def test_a_right_reference_of_any_form_is_followed(reference, check):
    result = run(subject(Plain, reference=reference), check)
    assert (result.outcome, result.detail) == ("passed", "")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_reference_may_give_one_tensor_for_steps_that_change_nothing(check):
    result = run(subject(Resting, reference=resting), check)
    assert (result.outcome, result.detail) == ("passed", "")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize(
    ("reference", "got"),
    [
        (nothing, "got None. Yield one after each gradient."),
        (floats, "Convert it by torch.as_tensor."),
        (arrays, "Convert it by torch.as_tensor."),
        (in_float32, "and torch.float32. Return one like it."),
        (flattened, "and torch.float64. Return one like it."),
        (too_many, " of them. Yield one after each gradient."),
        (the_last_alone, "got the first one, changed in place since. Append its clone(), or yield it."),
    ],
)
def test_a_reference_of_no_parameters_is_refused_as_such(reference, got, check):
    result = run(subject(Plain, reference=reference), check)
    assert result.outcome == "failed"
    assert "the reference must yield the parameter after each of " in result.detail
    assert result.detail.endswith(got)
    assert "\n" not in result.detail
