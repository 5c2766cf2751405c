import pytest
import torch

from chainrule import ChainruleError
from chainrule.activations import leaky_relu, relu
from chainrule.layers import mlp
from tests.oracles import assert_layer_equals

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("activation", "theirs"), [("tanh", torch.nn.Tanh()), (leaky_relu(0.3), torch.nn.LeakyReLU(0.3))]
)
@pytest.mark.parametrize("bias", [True, False])
def test_it_and_its_gradients_equal_torch(activation, theirs, bias):
    layers = [torch.nn.Linear(width, size, bias=bias) for width, size in ((3, 5), (5, 4), (4, 2))]
    twin = torch.nn.Sequential(layers[0], theirs, layers[1], theirs, layers[2])
    assert_layer_equals(mlp([3, 5, 4, 2], activation, bias=bias), twin, X)


def test_a_gated_activation_halves_its_size():
    network = mlp([3, 8, 6, 2], "swiglu").build()
    shapes = [tuple(parameter.shape) for name, parameter in network.named_parameters() if name.endswith("weight")]
    assert shapes == [(8, 3), (6, 4), (2, 3)]


def test_dropout_follows_each_activation_and_not_the_output():
    network = mlp([3, 200, 200, 2], dropout=0.5)
    assert [type(module).__name__ for module in network.modules] == [*["Linear", "Relu", "Dropout"] * 2, "Linear"]


def test_it_may_have_no_hidden_layer():
    for activation in ("relu", relu()):
        assert mlp([3, 2], activation).build()(X.float()).shape == (4, 2)


@pytest.mark.parametrize("hidden", [[], [4]])
def test_settings_do_not_change_without_the_layers(hidden):
    own = type("Own", (type(relu()),), {})()
    module = mlp([3, *hidden, 2], own)
    with pytest.raises(ChainruleError, match="mlp: bias must be given to the constructor"):
        module.bias = False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([3],), r"mlp: sizes must be two or more, from input to output, got \[3\]"),
        ((3, 4), "mlp: sizes must be two or more"),
        (([3, 0, 2],), "mlp: every size must be"),
        (([3, 4, 2], relu), "mlp: activation must be a module, got the class"),
        (([3, 4], "relo"), 'No activation is registered as "relo"'),
        (([3, 4], relu), "mlp: activation must be a module, got the class"),
        (([3, 4, 2], "relo"), 'No activation is registered as "relo"'),
        (([3, 5, 2], "swiglu"), "swiglu: axis -1 of x"),
    ],
)
def test_what_does_not_fit_raises(arguments, words):
    with pytest.raises(ChainruleError, match=f"^{words}"):
        mlp(*arguments)
