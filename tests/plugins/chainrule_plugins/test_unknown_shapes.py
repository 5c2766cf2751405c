"""Behind a module without a rule about shapes, a shape that does not fit is found by the layer's forward."""

import math

import pytest
import torch

from chainrule import Module, ShapeError
from chainrule.activations import geglu, glu, log_softmax, prelu, softmax, softmin, swiglu
from chainrule.layers import (
    avg_pool1d,
    batch_norm,
    dropout2d,
    flatten,
    global_avg_pool,
    group_norm,
    gru,
    instance_norm,
    layer_norm,
    linear,
    max_pool2d,
    pad,
    parallel,
    positional_embedding,
    rms_norm,
    sequential,
    transpose,
    unflatten,
    upsample,
)


class InShape(Module):
    """Give each example another shape, which no rule foretells."""

    def __init__(self, *shape):
        self.shape = shape

    def output_shape(self, input_shape):
        return (...,)

    def forward(self, x):
        self.save_for_backward()
        return x.view(*x.shape[:2], *self.shape)

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output.flatten(2)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layer_norm(4), (4, 6)),
        (layer_norm((3, 4)), (4,)),
        (rms_norm(4), (4, 6)),
        (positional_embedding(8, 4), (4, 1)),
        (positional_embedding(1, 4), (2, 4)),
        (batch_norm(3, affine=False, track_running_stats=False), (4,)),
        (group_norm(2, 6, affine=False), (4,)),
        (instance_norm(3), (4, 2)),
        (instance_norm(3, track_running_stats=True), (3, 1)),
        (prelu(3), (1, 2)),
        (dropout2d(), (4,)),
        (max_pool2d(2), (4, 4)),
        (avg_pool1d(1), (4,)),
        (pad(1), (4,)),
        (gru(1, 3), (1, 1, 1)),
        (glu(), (3,)),
        (geglu(), (3,)),
        (swiglu(), (3,)),
        (glu(), ()),
        (glu(2), (4,)),
        (softmax(2), (4,)),
        (transpose(1, 2), (4,)),
        (flatten(2, 3), (4,)),
        (global_avg_pool(), (4,)),
        (softmax(-2), (4,)),
        (softmin(), ()),
        (log_softmax(), ()),
        (transpose(-1, -2), (4,)),
        (flatten(-2, -1), (4,)),
        (unflatten(-1, (-1, 3)), ()),
        (upsample(scale_factor=2), (1, 2, 2, 2)),
    ],
    ids=str,
)
def test_a_layer_refuses_it_in_the_words_of_its_rule(layer, shape):
    with pytest.raises(ShapeError) as declared:
        layer.output_shape(shape)
    network = sequential(InShape(*shape), layer).build(seed=0)
    with pytest.raises(ShapeError) as caught:
        network(torch.randn(3, math.prod(shape)))
    assert str(caught.value) == str(declared.value)


def test_nothing_is_concatenated_along_the_batch():
    network = parallel(InShape(), sequential(linear(1, 1), InShape()), combine="concatenate").build(seed=0)
    with pytest.raises(ShapeError, match=r"^parallel: dim must be an axis of x \(N\), got -1\."):
        network(torch.randn(3, 1))
