"""What pooling layers share: the number of windows, and the arguments that are refused."""

import re
from itertools import product

import pytest
import torch

from chainrule import ShapeError
from chainrule.layers import adaptive_avg_pool2d, avg_pool1d, linear, max_pool1d, max_pool2d, sequential


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size", range(1, 7))
def test_the_number_of_windows_is_that_of_torch(size, ceil_mode):
    x = torch.ones(1, 1, size, requires_grad=True)
    for kernel, stride, dilation in product(range(1, 5), range(1, 5), (1, 2, 3)):
        for padding in range(kernel // 2 + 1):
            settings = (kernel, stride, padding, dilation)
            ours = max_pool1d(*settings, ceil_mode=ceil_mode)
            try:
                expected = _torchs_number(x, *settings, ceil_mode)
            except RuntimeError:
                with pytest.raises(ShapeError) as caught:
                    ours.output_shape((1, size))
                least = int(re.search(r"must have at least (\d+) entries", str(caught.value))[1])
                assert least > size, settings
                assert ours.output_shape((1, least))[1] == _torchs_number(x.new_ones(1, 1, least), *settings, ceil_mode)
            else:
                assert ours.output_shape((1, size)) == (1, expected), settings


def _torchs_number(x, kernel, stride, padding, dilation, ceil_mode):
    y = torch.nn.MaxPool1d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)(x)
    if y.isinf().any():
        raise RuntimeError("a window lies in the padding alone, of which torch takes a maximum all the same")
    return y.shape[-1]


@pytest.mark.parametrize(
    ("pool", "arguments", "message"),
    [
        (max_pool2d, (0,), "max_pool2d: kernel_size must be an integer of at least 1, got 0."),
        (max_pool2d, ((2, 2, 2),), "max_pool2d: kernel_size must have 2 numbers, got (2, 2, 2)."),
        (max_pool1d, (2, 1.5), "max_pool1d: stride must be an integer of at least 1, got 1.5."),
        (avg_pool1d, (3, 1, 2), "avg_pool1d: padding must be at most half of kernel_size=(3,), got (2,)."),
        (max_pool2d, (3, 1, (1, -1)), "max_pool2d: padding must be an integer of at least 0, got -1."),
        (max_pool2d, (3, 1, (1,)), "max_pool2d: padding must have 2 numbers, got (1,)."),
        (adaptive_avg_pool2d, (0,), "adaptive_avg_pool2d: output_size must be an integer of at least 1, got 0."),
        (adaptive_avg_pool2d, ((1, 2, 3),), "adaptive_avg_pool2d: output_size must have 2 numbers, got (1, 2, 3)."),
    ],
)
def test_a_wrong_argument_is_refused(pool, arguments, message):
    with pytest.raises(ShapeError) as caught:
        pool(*arguments)
    assert str(caught.value).startswith(message)


def test_an_input_smaller_than_the_window_is_refused():
    with pytest.raises(ShapeError) as caught:
        max_pool1d(3, padding=1, dilation=2).build()(torch.ones(1, 1, 2))
    assert str(caught.value) == (
        "max_pool1d: each axis of x must have at least 3 entries for this window, got 2. "
        "Pass larger inputs, or declare a smaller window."
    )


def test_neighbours_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="must have shape"):
        sequential(linear(3, 4), max_pool2d(2), linear(3, 2), max_pool1d(1), max_pool2d(2)).build()
