import pytest
import torch

from chainrule import ChainruleError, Module, ShapeError
from chainrule.activations import tanh
from chainrule.layers import embedding, linear, parallel, sequential
from tests.oracles import assert_layer_equals


class RowSum(Module):
    """A module of one's own without a rule about shapes."""

    def forward(self, x):
        self.save_for_backward(x)
        return x.sum(-1, keepdim=True)

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        return grad_output.expand(x.shape)


class Theirs(torch.nn.Sequential):
    """The same by torch.nn."""

    def __init__(self, combine, *modules):
        super().__init__(*modules)
        self.combine = combine

    def forward(self, x):
        return self.combine([module(x) for module in self])


@pytest.mark.parametrize(
    ("settings", "combine"),
    [
        ({}, sum),
        ({"combine": "product"}, lambda outputs: outputs[0] * outputs[1] * outputs[2]),
        ({"combine": "concatenate"}, lambda outputs: torch.cat(outputs, -1)),
        ({"combine": "concatenate", "dim": 1}, lambda outputs: torch.cat(outputs, 1)),
    ],
)
def test_it_and_its_gradients_equal_torch(settings, combine):
    x = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = Theirs(combine, torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3, bias=False))
    assert_layer_equals(parallel(linear(3, 3), tanh(), linear(3, 3, bias=False), **settings), theirs, x)


def test_sizes_along_the_axis_may_differ_and_add_up():
    network = parallel(linear(3, 2), tanh(), linear(3, 1), combine="concatenate").build()
    assert network(torch.zeros(4, 3)).shape == (4, 6)
    assert network.backward(torch.ones(4, 6), input_grad=True).shape == (4, 3)


def test_modules_may_take_integers():
    network = parallel(embedding(3, 2), embedding(3, 4), combine="concatenate").build()
    assert network(torch.tensor([[0, 2]])).shape == (1, 2, 6)
    assert network.backward(torch.ones(1, 2, 6), input_grad=True) is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (parallel, "needs at least one module"),
        (lambda: parallel([tanh()]), r"position 0 must be a module, got \[.*one by one: parallel\(\*modules\)"),
        (
            lambda: parallel(tanh(), combine="mean"),
            'combine must be one of "sum", "product", "concatenate", got \'mean\'',
        ),
        (lambda: parallel(linear(3, 3), embedding(3, 3)), "modules must all take integers, or all floats, got Par"),
        (
            lambda: parallel(linear(3, 2), tanh()).build()(torch.zeros(4, 3)),
            r"the modules' outputs must have one shape, got \(2,\), \(3,\)",
        ),
        (
            lambda: parallel(linear(3, 2), tanh(), combine="concatenate", dim=1).build()(torch.zeros(4, 5, 3)),
            r"the modules' outputs must have one shape but for axis 1, got \(5, 2\), \(5, 3\)",
        ),
        (lambda: parallel(tanh(), combine="concatenate", dim=0).build()(torch.zeros(4, 3)), "dim must be an axis"),
    ],
)
def test_what_does_not_fit_together_raises(make, words):
    with pytest.raises(ChainruleError, match=f"^parallel: {words}"):
        make()


def test_a_neighbour_that_does_not_fit_is_named_when_built():
    with pytest.raises(ChainruleError, match=r"^sequential: linear at 1, after parallel at 0, does not fit"):
        sequential(parallel(linear(3, 2), linear(3, 2)), linear(3, 1)).build()


@pytest.mark.parametrize("combine", ["sum", "product"])
def test_outputs_of_modules_without_a_rule_are_not_broadcast(combine):
    network = parallel(linear(3, 3), RowSum(), combine=combine).build()
    with pytest.raises(
        ShapeError, match=r"^parallel: the modules' outputs must have one shape, got \(3,\), \(1,\) for"
    ):
        network(torch.zeros(2, 3))
