"""The picture of a network."""

import re
from xml.etree import ElementTree

import pytest
import torch

from chainrule import Module
from chainrule.activations import relu, tanh
from chainrule.drawing import WIDTH, svg
from chainrule.inspection import passages
from chainrule.layers import conv2d, linear, sequential

SVG = "{http://www.w3.org/2000/svg}"


class Product(Module):
    """Multiply what several modules make of x.

    Forward:  ``y = ∏ fᵢ(x)``, a < b & c
    Backward: ``dx = Σᵢ …``
    """

    def __init__(self, *parts):
        self.parts = list(parts)

    def forward(self, x):
        outputs = [part.forward(x) for part in self.parts]
        self.save_for_backward(*outputs)
        return torch.stack(outputs).prod(0)

    def backward(self, grad_output):
        outputs = self.saved_tensors()
        total = torch.stack(outputs).prod(0)
        pairs = zip(self.parts, outputs, strict=True)
        return sum(part.backward(grad_output * total / output) for part, output in pairs)


def drawn(module, shape):
    network = module.build(seed=0)
    return ElementTree.fromstring(svg(network, shape, passages(network, shape)))  # noqa: S314 - made here


def boxes_of(picture):
    """Return the rectangle of each box by its heading."""
    found = {}
    for group in picture.iter(f"{SVG}g"):
        rectangle = group.find(f"{SVG}rect")
        found[group.find(f"{SVG}text").text] = {key: float(rectangle.get(key)) for key in ("x", "y", "width", "height")}
    return found


def test_a_group_counts_a_shared_parameter_once():
    first, second = linear(6, 6), linear(6, 6)
    second.weight = first.weight
    picture = drawn(sequential(sequential(first, second), linear(6, 2)), (6,))
    titles = [title.text.splitlines()[0] for title in picture.iter(f"{SVG}title")]
    assert "sequential, output (N, 6), 48 parameters" in titles


def test_every_module_is_a_box_inside_that_of_its_container():
    boxes = boxes_of(drawn(sequential(sequential(linear(2, 3), tanh()), linear(3, 1)), (2,)))
    assert list(boxes) == ["0 sequential", "0 linear", "1 tanh", "1 linear"]
    outer = boxes["0 sequential"]
    for name in ("0 linear", "1 tanh"):
        inner = boxes[name]
        assert outer["x"] < inner["x"] < inner["x"] + inner["width"] < outer["x"] + outer["width"]
        assert outer["y"] < inner["y"] < inner["y"] + inner["height"] < outer["y"] + outer["height"]
    assert boxes["1 linear"]["y"] > outer["y"] + outer["height"]


def test_branches_stand_side_by_side_where_there_is_room():
    two = boxes_of(drawn(sequential(Product(linear(2, 2), sequential(linear(2, 2), relu()))), (2,)))
    tops = [box["y"] for heading, box in two.items() if heading.startswith("parts.")]
    assert len(tops) == 2
    assert tops[0] == tops[1]
    four = boxes_of(drawn(sequential(Product(*[linear(2, 2) for _ in range(4)])), (2,)))
    assert len({box["y"] for box in four.values()}) == 5
    assert max(box["x"] + box["width"] for box in [*two.values(), *four.values()]) <= WIDTH


def test_every_edge_bears_the_norm_of_its_gradient():
    network = sequential(linear(2, 3), tanh(), linear(3, 1)).build(seed=0)
    passed = passages(network, (2,))
    picture = ElementTree.fromstring(svg(network, (2,), passed))  # noqa: S314 - made here
    shown = [text.text for text in picture.iter(f"{SVG}text") if text.get("class") == "grad"]
    norms = [passed["0"].grad_input, passed["1"].grad_input, passed["2"].grad_input, passed["2"].grad_output]
    assert shown == [f"{norm:.2g}" for norm in norms]


def test_hovering_shows_the_formulas():
    picture = drawn(sequential(Product(linear(2, 2), relu())), (2,))
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert "product, output (N, 2), 6 parameters\nForward: y = ∏ fᵢ(x), a < b & c\nBackward: dx = Σᵢ …" in titles
    assert any("Backward: dx = dy W, dW = dyᵀ x, db = Σₙ dyₙ" in title for title in titles)


def test_long_names_stay_in_their_boxes():
    class AnEndlesslyLongNameForAModuleThatDoesNothingWorthSaying(Module):
        def forward(self, x):
            return x

        def backward(self, grad_output):
            return grad_output

    (heading,) = boxes_of(drawn(sequential(AnEndlesslyLongNameForAModuleThatDoesNothingWorthSaying()), (2,)))
    assert heading.endswith("…")
    assert len(heading) < 50


def test_a_notebook_shows_gradients_once_the_input_is_known():
    network = conv2d(1, 2, 3).build()
    assert "No gradients: call the network once" in network._repr_html_()
    network(torch.zeros(1, 1, 8, 8))
    shown = network._repr_html_()
    assert "No gradients" not in shown
    assert "output</tspan> (N, 2, 6, 6)" in shown


def test_a_notebook_shows_the_structure_of_what_cannot_run():
    class Broken(Module):
        def forward(self, x):
            raise ValueError("not <today>")

        def backward(self, grad_output):
            return grad_output

    shown = sequential(linear(2, 2), Broken()).build()._repr_html_()
    assert "No gradients: ValueError: not &lt;today&gt;" in shown
    assert "1 broken" in shown


@pytest.mark.parametrize("members", [{"seed": 0}, {"seeds": range(3)}])
def test_nothing_comes_from_elsewhere(members):
    shown = sequential(linear(2, 2), relu()).build(**members)._repr_html_()
    assert re.findall(r"<script|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", shown) == []
