import pytest
import torch

from chainrule import ChainruleError
from chainrule.layers import upsample
from tests.oracles import assert_layer_equals

X = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SETTINGS = [{"size": 7}, {"size": (3, 9)}, {"scale_factor": 2}, {"scale_factor": (1.7, 0.6)}, {"scale_factor": 2.3}]
MODES = [("nearest", None), ("bilinear", None), ("bilinear", False), ("bilinear", True)]


@pytest.mark.parametrize(("mode", "align_corners"), MODES)
@pytest.mark.parametrize("settings", SETTINGS)
def test_images_and_their_gradient_equal_torch(settings, mode, align_corners):
    settings = {**settings, "mode": mode, "align_corners": align_corners}
    layer, theirs = upsample(**settings), torch.nn.Upsample(**settings)
    assert_layer_equals(layer, theirs, X)
    assert layer.output_shape((2, 5, 4)) == theirs(X).shape[1:]


@pytest.mark.parametrize("settings", [{"size": 7}, {"size": (3,)}, {"scale_factor": 2}, {"scale_factor": (1.7,)}])
def test_sequences_and_their_gradient_equal_torch(settings):
    assert_layer_equals(upsample(**settings), torch.nn.Upsample(**settings), X[:, 0])


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (2, 7), (2, 2, 3), (1, 5, 7)])
@pytest.mark.parametrize("scale", [0.6, 1.3, 2.3])
def test_the_gradient_is_the_adjoint_whatever_the_sizes_cut_off(shape, scale):
    """torch's is not where a sequence keeps its size, nor, compiled, for images."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    network = upsample(scale_factor=scale).build(dtype=torch.float64)
    y = network(x)
    grad_output = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    dx = network.backward(grad_output, input_grad=True)
    torch.testing.assert_close((x * dx).sum(), (y * grad_output).sum())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "one of size and scale_factor must be given, got neither"),
        ({"size": 2, "scale_factor": 2}, "one of size and scale_factor must be given, got both"),
        ({"size": 2, "align_corners": False}, "align_corners must be None with mode=.nearest., got False"),
        ({"size": 2, "mode": "bicubic"}, 'mode must be one of "nearest", "bilinear", got'),
        ({"size": (2, 0)}, "size must be an integer of at least 1, got 0"),
        ({"scale_factor": 0}, "scale_factor must be a number above 0, got 0"),
        ({"size": (2,)}, r"size must have 2 numbers for this x, got \(2,\)"),
        ({"scale_factor": 0.2}, r"sizes must be at least 1, got \(1, 0\) from \(5, 4\)"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(ChainruleError, match=f"^upsample: {message}"):
        upsample(**settings).build(dtype=torch.float64)(X)
