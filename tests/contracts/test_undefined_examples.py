"""A component that is NaN for its examples is told so once, with the remedy."""

import pytest
import torch

from chainrule import Loss, Module, Parameter
from chainrule.initializers import constant
from chainrule.testing import checks_of, run, run_all, subject
from chainrule.testing.check import CheckFailed
from chainrule.testing.numbers import numbers_of_loss, numbers_of_module


class Root(Module):
    """Take the root.

    Forward:  ``y = √x``
    Backward: ``dx = dy / (2 y)``
    Shapes:   any
    Source:   by definition
    """

    finite = False

    def forward(self, x):
        y = x.sqrt()
        self.save_for_backward(y)
        return y

    def backward(self, grad_output):
        (y,) = self.saved_tensors()
        return grad_output / (2 * y)


class RootOfPositive(Root):
    """Take the root.

    Forward:  ``y = √x``
    Backward: ``dx = dy / (2 y)``
    Shapes:   any
    Source:   by definition
    """

    @classmethod
    def examples(cls):
        return [(cls(), torch.linspace(0.5, 4, 12, dtype=torch.float64).view(3, 4))]


class RootOfParameter(Module):
    """Scale by the root of a parameter.

    Forward:  ``y = x √p``
    Backward: ``dx = √p dy``, ``dp = Σ dy x / (2 √p)``
    Shapes:   any
    Source:   by definition
    """

    def __init__(self):
        self.p = Parameter(1, init=constant(0.01), fan_in=1, fan_out=1)

    def forward(self, x):
        self.save_for_backward(x)
        return x * self._root(x)

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        self.p.grad += (grad_output * x / (2 * self._root(x))).flatten(1).sum(1, keepdim=True)
        return grad_output * self._root(x)

    def _root(self, x):
        return self.p.data.sqrt().view(-1, *[1] * (x.dim() - 1))

    @classmethod
    def examples(cls):
        return [(cls(), (3,))]


class LogRatio(Loss):
    """The square of the logarithms' difference.

    Forward:  ``ℓ = (log p − log t)²``
    Backward: ``dp = 2 (log p − log t) / p``
    """

    def forward(self, prediction, target):
        difference = prediction.log() - target.log()
        self.save_for_backward(prediction, difference)
        return difference.square()

    def gradient(self):
        prediction, difference = self.saved_tensors()
        return 2 * difference / prediction


class WithoutDomain(LogRatio):
    """The square of the logarithms' difference.

    Forward:  ``ℓ = (log p − log t)²``
    Backward: ``dp = 2 (log p − log t) / p``
    """

    @classmethod
    def examples(cls):
        values = torch.linspace(0.5, 4, 12, dtype=torch.float64).view(4, 3)
        return [(cls(), values, values.flip(0))]


@pytest.mark.parametrize(
    ("component", "kind", "got", "remedy"),
    [
        (Root, "activations", "9 NaN in 16", "In examples(), give a tensor of inputs at which it is defined"),
        (RootOfParameter, "layers", "24 NaN in 36", "It must be defined around the first values of parameters too"),
        (LogRatio, "losses", "11 NaN in 15", "Give predictions and targets at which it is defined in examples()"),
        (WithoutDomain, "losses", "12 NaN in 12", "and their bounds in domain()"),
    ],
)
def test_the_checks_end_at_the_first_that_finds_it(component, kind, got, remedy):
    *before, last = run_all(subject(component, kind=kind), checks_of(kind))
    assert f"must be a number, got {got}." in last.detail
    assert remedy in last.detail
    assert "Usual cause" not in last.detail
    assert all(result.outcome != "failed" for result in before)


def test_a_tensor_of_inputs_leaves_nothing_wrong():
    target = subject(RootOfPositive, kind="activations")
    results = [run(target, check) for check in checks_of("activations") if "gradient" in check.name]
    assert not [result.detail for result in results if result.outcome == "failed"]


@pytest.mark.parametrize(("numbers_of", "component"), [(numbers_of_module, Root), (numbers_of_loss, LogRatio)])
def test_no_numbers_are_shown_of_it(numbers_of, component):
    with pytest.raises(CheckFailed, match=r"must be a number, got \d+ NaN"):
        numbers_of(component.examples())
