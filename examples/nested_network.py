"""A small convolutional network of nested blocks: chainrule draw examples/nested_network.py:network."""

from chainrule import Module
from chainrule.activations import relu
from chainrule.layers import conv2d, flatten, group_norm, linear, sequential


def block(in_channels: int, out_channels: int) -> Module:
    """Return a convolution that keeps the size of its image, a normalization and an activation."""
    return sequential(conv2d(in_channels, out_channels, 3, padding=1), group_norm(2, out_channels), relu())


def network(classes: int = 10) -> Module:
    """Return a classifier of images (1, 8, 8), not built."""
    head = sequential(flatten(), linear(8 * 8 * 8, 32), relu(), linear(32, classes))
    return sequential(sequential(block(1, 4), block(4, 8)), head)


if __name__ == "__main__":
    print(network().build(seed=0).summary((1, 8, 8)))
