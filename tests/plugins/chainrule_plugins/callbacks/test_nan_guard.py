import math

import pytest
import torch

from chainrule import CallbackError, Module, fit, hookimpl
from chainrule.activations import relu
from chainrule.callbacks import nan_guard
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))


class Exp(Module):
    def forward(self, x):
        y = x.exp()
        self.save_for_backward(y)
        return y

    def backward(self, grad_output):
        (y,) = self.saved_tensors()
        return grad_output * y


class Root(Module):
    """The root of the size, whose derivative at 0 is not finite."""

    def forward(self, x):
        self.save_for_backward(x)
        return x.abs().sqrt()

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        return grad_output * x.sign() / (2 * x.abs().sqrt())


class Logarithm(mse):
    """The logarithm of the prediction."""

    def forward(self, prediction, target):
        self.save_for_backward(prediction)
        return prediction.log()

    def gradient(self):
        (prediction,) = self.saved_tensors()
        return 1 / prediction


def message(module, *, x=X, loss=None, lr=0.0, seeds=(0, 1, 2), **weights):
    network = module.build(seeds=seeds)
    for name, (member, value) in weights.items():
        dict(network.named_parameters())[name.replace("_", ".", 1)].data[member] = value
    with pytest.raises(CallbackError) as caught:
        fit(network, loss or mse(), sgd(lr=lr), train=(x, Y), batch_size=5, epochs=3, callbacks=[nan_guard()])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_layer_whose_output_is_not_finite_is_named():
    deep = sequential(linear(3, 4), sequential(relu(), Exp()), relu(), linear(4, 3))
    assert message(deep, **{"0_bias": (2, 1000.0)}) == (
        "nan_guard: loss and parameters of member 2 must be finite, got the loss nan at step 1 in epoch 1. The first "
        "value that is not finite is in the output of layer 1.1 (exp). Lower lr, or pass clip_norm=1.0."
    )
    assert "in the output of exp. Lower" in message(Exp(), x=X * 1000, seeds=None)


def test_the_layer_is_found_with_the_parameters_before_the_step():
    text = message(sequential(linear(3, 3), Exp()), lr=1e4, seeds=None)
    assert "at step 2 in epoch 1" in text
    assert "is in the output of layer 1 (exp)." in text


class Spoiled:
    """A data set that has a NaN from the second epoch on."""

    epoch = 0

    def __iter__(self):
        self.epoch += 1
        x = X.clone()
        x[13, 1] = math.nan if self.epoch > 1 else 0.0
        yield x, Y


def test_a_batch_that_is_not_finite_is_named():
    with pytest.raises(CallbackError) as caught:
        fit(linear(3, 3).build(), mse(), sgd(), train=Spoiled(), epochs=2, callbacks=[nan_guard()])
    text = str(caught.value)
    assert text.startswith("nan_guard: loss and parameters must be finite, got the loss nan at step 2 in epoch 2.")
    assert text.endswith("The first value that is not finite is in x of the batch. Clean the data.")


def test_a_loss_of_a_finite_prediction_is_named():
    assert "is in the loss of a finite prediction." in message(linear(3, 3), loss=Logarithm())


def test_a_gradient_that_is_not_finite_is_named():
    network = sequential(linear(3, 3), Root(), linear(3, 3))
    text = message(network, **{"0_weight": (1, 0.0), "0_bias": (1, 0.0)}, lr=0.1)
    assert "of member 1 must" in text
    assert "is in the gradient of 0.bias." in text


def test_a_step_that_is_too_long_is_named_as_the_update():
    text = message(sequential(linear(3, 3), linear(3, 3)), lr=1e38, x=X * 1e4, seeds=None)
    assert "at step 1 in epoch 1" in text
    assert "is in the update of 0.weight. Lower lr" in text


def test_a_member_that_was_stopped_may_be_what_it_is():
    class StopsTheSecond:
        @hookimpl
        def chainrule_step_end(self, run):
            if run.step == 1:
                dict(run.network.named_parameters())["weight"].data[1] = math.nan
                run.stop(members=[1])

    network = linear(3, 3).build(seeds=[0, 1])
    history = fit(network, mse(), sgd(), train=(X, Y), epochs=2, callbacks=[StopsTheSecond(), nan_guard()])
    assert history.epochs == 2
