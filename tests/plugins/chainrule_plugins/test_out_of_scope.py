"""What is said of published optimizers that are out of scope, and that the advice can be followed."""

import re

import numpy as np
import pytest
import scipy.optimize
import torch

import chainrule
from chainrule import get
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from chainrule.registry.component import is_valid_name
from chainrule_plugins.out_of_scope import OPTIMIZERS

X, Y = torch.randn(2, 20, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def differentiate(network, loss):
    network.zero_grad()
    value = loss(network(X), Y)
    network.backward(loss.backward())
    return value.item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_name_is_unknown_and_answered_in_one_line(name):
    assert is_valid_name(name)
    with pytest.raises(chainrule.UnknownComponentError) as caught:
        get("optimizers", name)
    assert str(caught.value) == f'No optimizer is registered as "{name}". {OPTIMIZERS[name]}'
    assert re.fullmatch(r"It [^\n]+\.", OPTIMIZERS[name])


def test_what_is_to_be_used_instead_exists():
    advised = {
        name for text in OPTIMIZERS.values() for found in re.findall(r"Use (\w+)(?: or (\w+))?", text) for name in found
    }
    assert advised - {""} <= {component.name for component in chainrule.components("optimizers")}


@pytest.mark.parametrize("train", [chainrule.fit, chainrule.training_step])
def test_training_by_such_a_name_gives_the_reason(train):
    settings = {"train": (X, Y), "epochs": 1} if train is chainrule.fit else {}
    with pytest.raises(chainrule.UnknownComponentError, match=r"sophia.*It needs Hessian-vector products"):
        train(linear(1, 1).build(), mse(), "sophia", **settings)


def test_lbfgs_of_scipy_minimizes_over_the_flat_parameters():
    network, loss = linear(1, 1).build(dtype=torch.float64), mse()

    def objective(values):
        network.flat.data.copy_(torch.tensor(values))
        return differentiate(network, loss), network.flat.grad.numpy().copy()

    found = scipy.optimize.minimize(objective, network.flat.data.numpy().copy(), jac=True, method="L-BFGS-B").x
    slope, intercept = np.polyfit(X.flatten(), Y.flatten(), 1)
    assert found == pytest.approx([slope, intercept], abs=1e-4)


def test_the_loop_of_sam_takes_the_gradient_at_the_point_ahead():
    network, loss, rho = linear(1, 1).build(dtype=torch.float64), mse(), 0.5
    updater, start = sgd(lr=0.1).attach(network), network.flat.data.clone()
    differentiate(network, loss)
    ahead = rho * network.flat.grad / network.flat.grad.norm()
    network.flat.data.add_(ahead)
    differentiate(network, loss)
    network.flat.data.sub_(ahead)
    updater.step()
    weight, bias = (start + ahead).tolist()
    error = weight * X + bias - Y
    expected = start - 0.1 * 2 * torch.stack([(error * X).mean(), error.mean()])
    torch.testing.assert_close(network.flat.data, expected)
