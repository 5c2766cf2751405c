import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import pad
from tests.oracles import assert_layer_equals

X = torch.randn(3, 2, 5, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
PADDINGS = [1, (3, 0), (0, 2, 1, 3), (1, 2, 0, 3, 4, 1), (0, 0)]


class Function(torch.nn.Module):
    def __init__(self, *arguments):
        super().__init__()
        self.arguments = arguments

    def forward(self, x):
        return torch.nn.functional.pad(x, *self.arguments)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_it_and_its_gradient_equal_torch(padding, mode):
    x = X if padding == 1 or len(padding) > 4 else X[:, :, 0]  # torch wants one or two axes before the padded ones
    x = x if padding == 1 or len(padding) > 2 else x[:, :, 0]
    layer, theirs = pad(padding, mode), Function(padding if padding != 1 else (1,) * 6, mode)
    assert_layer_equals(layer, theirs, x)
    assert layer.output_shape(tuple(x.shape[1:])) == theirs(x).shape[1:]


@pytest.mark.parametrize(("padding", "axes"), [((-1, 2, 3, -2), 3), ((-3, 5), 3), ((1, -4), 3), ((1, 2), 1)])
def test_a_constant_pads_any_axis_and_crops(padding, axes):
    x = X[:, 0, 0, 0] if axes == 1 else X[:, :, 0]
    assert_layer_equals(pad(padding, value=-1.5), Function(padding, "constant", -1.5), x)


@pytest.mark.parametrize(
    ("padding", "mode", "least"),
    [((2, 1), "reflect", 3), ((2, 1), "circular", 2), ((2, 1), "replicate", 1), ((-2, -1), "constant", 4)],
)
def test_the_shortest_axis_is_that_of_torch(padding, mode, least):
    network = pad(padding, mode).build()
    network(torch.ones(1, 1, least))
    with pytest.raises(ChainruleError, match=f"^pad: axis -1 of x must have at least {least} entries"):
        network(torch.ones(1, 1, least - 1))


@pytest.mark.parametrize(
    ("padding", "axes", "wanted"), [(1, 1, "2 to 4"), (1, 5, "2 to 4"), ((1, 2, 1, 2), 1, "at least 2")]
)
def test_another_number_of_axes_is_refused(padding, axes, wanted):
    with pytest.raises(ChainruleError, match=f"^pad: x must have {wanted} axes behind the batch .*, got {axes}"):
        pad(padding, "reflect").build()(torch.ones(2, *[4] * axes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding": (1, 2, 3)}, "padding must be 1, 2, 4 or 6 numbers, got"),
        ({"padding": (1, 2.5)}, "padding must be an integer, got 2.5"),
        ({"padding": (1, -1), "mode": "reflect"}, "padding must be at least 0 with mode=.reflect., got"),
        ({"padding": 1, "mode": "mirror"}, "mode must be one of"),
        ({"padding": 1, "mode": "circular", "value": 2}, "value must be 0 with mode=.circular., got 2"),
    ],
)
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(ChainruleError, match=f"^pad: {message}"):
        pad(**settings)
