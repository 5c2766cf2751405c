import pytest
import torch

from chainrule import ChainruleError, Module, ShapeError
from chainrule.activations import relu, tanh
from chainrule.layers import linear, sequential


def test_only_the_first_module_leaves_out_its_input_gradient():
    network = sequential(sequential(linear(3, 4), tanh()), linear(4, 2)).build()
    network.backward(network(torch.zeros(5, 3)))
    first, last = network.module.modules[0].modules[0], network.module.modules[1]
    assert (first.needs_input_grad, last.needs_input_grad) == (False, True)
    assert network.backward(network(torch.zeros(5, 3)), input_grad=True).shape == (5, 3)
    assert first.needs_input_grad


def test_training_mode_reaches_every_module():
    module = sequential(sequential(linear(3, 4), tanh()), relu())
    module.eval()
    assert not any(part.training for part in (module, *module.modules, *module.modules[0].modules))
    module.train()
    assert all(part.training for part in (module, *module.modules, *module.modules[0].modules))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (sequential, "sequential: needs at least one module."),
        (lambda: sequential(linear(2, 3), relu), "sequential: position 1 must be a module, got the class"),
        (lambda: sequential([linear(2, 3)]), "sequential: position 0 must be a module, got [Linear("),
    ],
)
def test_what_is_no_series_of_modules_raises(make, message):
    with pytest.raises(ChainruleError) as caught:
        make()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("place", [lambda m: sequential(m, linear(3, 3), m), lambda m: sequential(m, sequential(m))])
def test_one_module_in_two_places_raises(place):
    with pytest.raises(ChainruleError, match=r"^sequential: a module must appear once, got .* twice\."):
        place(tanh())


class EveryOther(Module):
    """A layer that changes shapes without a rule that says so."""

    def forward(self, x):
        return x[..., ::2]

    def backward(self, grad_output):
        return torch.stack([grad_output, torch.zeros_like(grad_output)], -1).flatten(-2)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            sequential(linear(2, 3), relu(), linear(4, 1)),
            "sequential: linear at 2, after relu at 1, does not fit: linear: x must have shape "
            "(N, …, 4), got (N, …, 3). Reshape x, or declare the layer for it.",
        ),
        (
            sequential(sequential(linear(2, 3)), sequential(tanh(), linear(5, 1))),
            "sequential: sequential at 1, after sequential at 0, does not fit: "
            "sequential: linear at 1, after tanh at 0, does not fit: "
            "linear: x must have shape (N, …, 5), got (N, …, 3). Reshape x, or declare the layer for it.",
        ),
        (
            sequential(linear(2, 4), EveryOther(), linear(2, 1)),
            "sequential: linear at 2, after every_other at 1, does not fit: linear: x must have shape (N, …, 2), "
            "got (N, …, 4). Reshape x, or declare the layer for it. "
            "If every_other changes shapes, write its output_shape(input_shape).",
        ),
    ],
)
def test_neighbours_that_do_not_fit_are_named_when_built(module, message):
    with pytest.raises(ShapeError) as caught:
        module.build()
    assert str(caught.value) == message


class Foreign:
    """A module that inherits from nothing."""

    training = needs_input_grad = True

    def forward(self, x):
        return 2 * x

    def backward(self, grad_output):
        return 2 * grad_output

    def named_children(self):
        return ()

    def own_parameters(self):
        return ()


def test_whatever_has_the_methods_of_a_module_fits_in():
    assert not isinstance(Foreign(), Module)
    network = sequential(linear(3, 4), Foreign(), linear(4, 2)).build()
    plain = sequential(linear(3, 4), linear(4, 2)).build()
    plain.flat.data.copy_(network.flat.data)
    plain.module.modules[1].weight.data.mul_(2)
    x = torch.ones(5, 3)
    torch.testing.assert_close(network(x), plain(x))
    torch.testing.assert_close(
        network.backward(torch.ones(5, 2), input_grad=True), plain.backward(torch.ones(5, 2), input_grad=True)
    )
