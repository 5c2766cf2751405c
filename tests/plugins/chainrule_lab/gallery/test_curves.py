import pytest
import torch

from chainrule import Module, registry
from chainrule.activations import glu, identity, relu6, softmax, tanh, threshold
from chainrule.schedules import cosine
from chainrule_lab.gallery.curves import X_RANGE, activation_curve, schedule_factors


def test_the_derivative_is_that_of_autograd():
    curve = activation_curve(tanh.examples())
    x = curve.x.clone().requires_grad_()
    y = x.tanh()
    y.sum().backward()
    torch.testing.assert_close(curve.y, y.detach())
    torch.testing.assert_close(curve.slope, x.grad)
    assert (curve.x[0], curve.x[-1], curve.inputs) == (*X_RANGE, "")


@pytest.mark.parametrize(
    ("activation", "function"),
    [(softmax, lambda t: torch.exp(t) / (torch.exp(t) + torch.e)), (glu, torch.sigmoid)],
)
def test_of_several_inputs_the_last_is_drawn_beside_a_one(activation, function):
    curve = activation_curve(activation.examples())
    torch.testing.assert_close(curve.y, function(curve.x))
    torch.testing.assert_close(curve.slope, torch.func.vmap(torch.func.grad(function))(curve.x))
    assert curve.inputs == "(1, t)"


def test_without_a_rule_about_shapes_the_examples_width_is_drawn():
    class Scaled(Module):
        def forward(self, x):
            self.save_for_backward()
            return x * torch.arange(4.0, dtype=x.dtype)

        def backward(self, grad_output):
            self.saved_tensors()
            return grad_output * torch.arange(4.0, dtype=grad_output.dtype)

    curve = activation_curve(Scaled.examples())
    torch.testing.assert_close(curve.y, 3 * curve.x)
    assert curve.inputs == ""


def test_an_example_out_of_view_is_passed_over():
    high, low = threshold(5.0, 20.0), threshold(-1.0, 0.0)
    assert activation_curve([(high, (4,)), (low, (4,))]).module is low
    assert activation_curve([(identity(), (4,)), (relu6(), (4,))]).y[-1] == X_RANGE[1]
    assert activation_curve([(high, (4,))]).module is high


@pytest.mark.usefixtures("third_party")
def test_a_third_partys_activation_is_drawn():
    curve = activation_curve([(registry.get("activations", "square")(), torch.ones(2, 3))])
    torch.testing.assert_close(curve.slope, 2 * curve.x)


def test_factors_begin_at_step_1():
    assert schedule_factors(cosine(total_steps=2), 3) == pytest.approx([1, 0.5, 0])
