"""``chainrule draw``."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from chainrule.cli.main import app
from tests.browser import needs_browser, seen

EXAMPLE = Path(__file__).parents[4] / "examples" / "nested_network.py"

NETWORKS = """
from chainrule.activations import relu
from chainrule.layers import conv2d, embedding, linear, positional_embedding, sequential
from torch import nn
from chainrule_plugins.layers.linear import Linear


class Mixed(Linear):
    def __init__(self):
        super().__init__(2, 2)
        self.inner = relu()

    def forward(self, x):
        return self.inner.forward(super().forward(x))

    def backward(self, grad_output):
        return super().backward(self.inner.backward(grad_output))


mixed = sequential(Mixed(), linear(2, 1))
module = sequential(linear(2, 3), relu())
network = sequential(linear(2, 3), relu()).build(seeds=[0, 1])
images = conv2d(1, 2, 3)
letters = sequential(embedding(9, 8), positional_embedding(5, 8))
number = 3
of_torch = nn.Linear(2, 1)


def made_of_torch():
    return of_torch


def made():
    return sequential(linear(2, 3))


def wants_an_argument(width):
    return linear(width, 1)
"""


@pytest.fixture
def draw(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawn_networks.py").write_text(NETWORKS)

    def run(name, *options):
        return CliRunner().invoke(app, ["draw", name, *map(str, options)])

    return run


@pytest.mark.parametrize("name", ["module", "network", "made"])
def test_a_module_a_network_and_a_function_are_drawn(draw, tmp_path, name):
    done = draw(f"drawn_networks.py:{name}")
    assert (done.exit_code, done.stdout) == (0, "Wrote network.html.\n")
    page = (tmp_path / "network.html").read_text(encoding="utf-8")
    assert f"<title>{name}</title>" in page
    assert "output</tspan> (N, 3)" in page
    assert "<td>0 linear<td>(N, 3)" in page
    assert "<b>Backward</b> dx = dy W, dW = dyᵀ x, db = Σₙ dyₙ" in page


def test_the_table_holds_every_parameter(draw, tmp_path):
    assert draw("drawn_networks.py:mixed").exit_code == 0
    rows = (tmp_path / "network.html").read_text(encoding="utf-8").splitlines()
    assert [row.split("<td")[3] for row in rows if row.startswith("<tr><td>")] == [
        ' class="number">6',
        ' class="number">',
        ' class="number">3',
    ]


def test_a_file_svg_is_the_picture_alone(draw, tmp_path):
    assert draw("drawn_networks.py:images", "--input-shape", "1,6,5", "--output", "p.svg").exit_code == 0
    picture = (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg xmlns")
    assert "(N, 2, 4, 3)" in picture


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drawn_networks.py:images"], "which the first layer does not tell. Add it, such as --input-shape 1,8,8."),
        (["drawn_networks.py:letters"], "which the first layer does not tell. Add it, such as --input-shape 32."),
        (["drawn_networks.py:of_torch"], "got Linear of torch.nn. Name what chainrule_torch.from_torch(…) returns."),
        (["drawn_networks.py:made_of_torch"], "got Linear of torch.nn. Name what chainrule_torch.from_torch(…) ret"),
        (
            ["drawn_networks.py:images", "--input-shape", "1,8"],
            "got (N, 1, 8). Change --input-shape, the sizes behind N, or declare the layer for it.",
        ),
        (["drawn_networks.py:images", "--input-shape", "1,x"], "--input-shape must be positive sizes with commas"),
        (["drawn_networks.py:number"], "draw: number in drawn_networks.py must be a network, a module or a function"),
        (["drawn_networks.py:wants_an_argument"], "Name a function that takes no arguments."),
        (["drawn_networks.py:missing"], 'draw: no "missing" in drawn_networks.py. Write drawn_networks.py:mixed or'),
        (["drawn_networks.py"], '"drawn_networks.py" names no network. Write drawn_networks.py:mixed or'),
        (["elsewhere.py:network"], "draw: no such file: elsewhere.py."),
        (["linear"], "draw: a network must be given as FILE.py:NAME, got linear. Write my_network.py:network."),
        (["drawn_networks.mixed"], "got drawn_networks.mixed. Write drawn_networks.py:mixed."),
        (["drawn_networks.py:module", "--output", "page.png"], "--output must end in .html or .svg, got page.png."),
        (["drawn_networks.py:module", "--output", "no/such/page.html"], "must be a file that can be written"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(draw, tmp_path, arguments, message):
    done = draw(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".html", ".svg")]


PROBE = """
  const texts = [...page.querySelectorAll("text, tspan, p, td, th, dt, dd, h1, h2")].filter(e => e.textContent.trim())
  const boxes = [...page.querySelectorAll("g")].map(g => [...g.children].filter(e => e.tagName == "text").every(t => {
    const outer = g.querySelector("rect").getBoundingClientRect(), inner = t.getBoundingClientRect()
    return inner.left >= outer.left && inner.right <= outer.right && inner.bottom <= outer.bottom }))
  const colours = [view.getComputedStyle(page.querySelector("svg text")).fill, view.matchMedia(
    "(prefers-color-scheme: dark)").matches]
  return {scroll: page.documentElement.scrollWidth,
    font: Math.min(...texts.map(e => parseFloat(view.getComputedStyle(e).fontSize))), inside: boxes.every(b => b),
    boxes: boxes.length, colours}
"""


@needs_browser
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_readable_in_a_browser(draw, tmp_path, width):
    done = draw(f"{EXAMPLE}:network", "--input-shape", "1,8,8")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "network.html").read_text(encoding="utf-8")
    light, _ = seen(tmp_path, page, width, PROBE)
    assert light["scroll"] <= width
    assert light["font"] >= 12
    assert light["inside"]
    assert light["boxes"] == 14
    dark, _ = seen(tmp_path, page, width, PROBE, "--blink-settings=preferredColorScheme=0")
    assert (light["colours"][1], dark["colours"][1]) == (False, True)
    assert light["colours"][0] != dark["colours"][0]
