"""What a network tells of its modules: the summary, and what one pass shows."""

import pytest
import torch
from torch.testing import assert_close

from chainrule import Module, ShapeError
from chainrule.activations import relu, tanh
from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.inspection import input_shape_of, passages
from chainrule.layers import conv2d, embedding, flatten, linear, sequential


class Twice(Module):
    """Apply a module that its rule about shapes does not mention."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return 2 * self.inner.forward(x)

    def backward(self, grad_output):
        return self.inner.backward(2 * grad_output)


def images():
    return sequential(sequential(conv2d(1, 4, 3), relu()), flatten(), linear(144, 10)).build(seed=0)


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_the_summary_names_every_module_with_its_shape_and_parameters():
    header, *lines, total = images().summary((1, 8, 8)).splitlines()
    assert header.split() == ["module", "layer", "output", "parameters"]
    assert [" ".join(line.split()) for line in lines] == [
        "0 sequential (N, 4, 6, 6)",
        "0.0 conv2d (N, 4, 6, 6) 40 weight (4, 1, 3, 3), bias (4,)",
        "0.1 relu (N, 4, 6, 6)",
        "1 flatten (N, 144)",
        "2 linear (N, 10) 1,450 weight (10, 144), bias (10,)",
    ]
    assert total == "1,490 parameters, torch.float32, cpu"


def test_without_an_input_the_summary_shows_what_the_layers_tell():
    network = images()
    assert "(N, 4, ?, ?)" in network.summary()
    network(torch.zeros(2, 1, 8, 8))
    assert "(N, 4, 6, 6)" in network.summary()


def test_a_module_that_no_rule_about_shapes_reaches_is_seen_in_a_pass():
    network = sequential(linear(2, 3), Twice(sequential(tanh()))).build(seed=0)
    assert "?" in network.summary()
    assert "?" not in network.summary((2,))
    assert "1.inner.0  tanh        (N, 3)" in network.summary((2,))


def test_an_input_that_does_not_fit_is_an_error():
    with pytest.raises(ShapeError, match=r"linear: x must have shape \(N, …, 2\)|linear: "):
        linear(2, 3).build().summary((5,))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (2, r"input_shape must be sizes without the batch, got 2\. Pass \(3,\), or x\.shape\[1:\]\."),
        (torch.zeros(4, 2), r"input_shape must be sizes without the batch, got a tensor \(4, 2\)\."),
        ((2.0,), r"every size must be an integer, got 2\.0\."),
    ],
)
def test_what_is_no_shape_is_refused(given, message):
    with pytest.raises(ShapeError, match=f"^summary: {message}"):
        linear(2, 3).build().summary(given)


@pytest.mark.parametrize(("module", "shape"), [(linear(7, 3), (7,)), (conv2d(1, 2, 3), None), (relu(), None)])
def test_one_axis_follows_from_the_first_parameter(module, shape):
    assert input_shape_of(module.build()) == shape


def test_norms_are_those_of_autograd():
    network = sequential(linear(3, 5), tanh(), linear(5, 2)).build(seed=0, dtype=torch.float64)
    passed = passages(network, (3,))
    first, _, last = [passed[name] for name in ("0", "1", "2")]
    weights = {name: tensor.requires_grad_() for name, tensor in network.state_dict().items()}
    x = first.x[0].clone().requires_grad_()
    hidden = x @ weights["0.weight"].T + weights["0.bias"]
    output = hidden.tanh() @ weights["2.weight"].T + weights["2.bias"]
    assert_close(output.detach(), last.y[0])
    generator = torch.Generator().manual_seed(0)
    torch.randn(*x.shape, generator=generator)
    direction = torch.randn(output.shape, generator=generator).double()
    gradients = torch.autograd.grad(output, [x, hidden], direction / direction.norm())
    found = torch.tensor([first.grad_input, first.grad_output, last.grad_output], dtype=torch.float64)
    assert_close(found, torch.tensor([*[g.norm().item() for g in gradients], 1.0], dtype=torch.float64))


@pytest.mark.parametrize("seeds", [{"seed": 0}, {"seeds": [0, 1]}])
def test_looking_changes_nothing(seeds):
    network = sequential(linear(3, 5), tanh()).build(**seeds)
    x = torch.ones(2, 3)
    network(x)
    before = [dict(vars(module)) for module in network.modules()], KeepsForBackward.changes
    network.summary((3,))
    passages(network, (3,))
    network._repr_html_()
    assert ([dict(vars(module)) for module in network.modules()], KeepsForBackward.changes) == before
    assert not network.flat.grad.any()
    network.backward(torch.ones_like(network(x)))


def test_an_embedding_of_one_row_has_a_summary_and_no_guess_at_its_input():
    network = sequential(embedding(1, 3), linear(3, 2)).build()
    assert "(N, …, 3)" in network.summary()
    assert "(N, 4, 3)" in network.summary((4,))
