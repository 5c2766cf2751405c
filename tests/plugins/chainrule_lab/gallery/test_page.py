import re
from html.parser import HTMLParser

import pytest

from chainrule import ChainruleError
from chainrule.optimizers import adam, lookahead, sgd
from chainrule_lab.gallery import paths
from chainrule_lab.gallery.entries import call_of, chosen
from chainrule_lab.gallery.page import gallery, heat, place, rate

VOID = {"meta", "br", "img"}


class Elements(HTMLParser):
    """Every element with its attributes, whose tags must be balanced, and the text outside of styles and scripts."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(paths.paths, "__defaults__", (paths.SURFACES, (1e-3, 1e-1), 20))


def made(*names):
    shown = gallery(chosen(names))
    return shown, Elements(shown.html())


@pytest.mark.usefixtures("short", "third_party")
def test_a_third_partys_components_have_cards_with_its_name_and_bad_ones_are_named_at_the_end():
    shown, page = made(
        "optimizers:hostile", "noisy", "matrices", "doubled", "square", "triple", "numbers", "failing", "missing"
    )
    text = " ".join(" ".join(page.text).split())
    assert len([span for span in page.all("span") if span.get("class") == "badge"]) == 6
    assert [(left.name, left.reason.split(":")[0]) for left in shown.left_out] == [
        ("optimizers:failing", "ValueError"),
        ("optimizers:missing", "optimizers"),
        ("optimizers:numbers", "numbers"),
    ]
    assert text.index("Left out optimizers:failing ValueError: no luck") > text.index("Optimizers Each rule")
    assert "Drawn: doubled(inner=sgd(momentum=0.9)) , the rule around its example’s inner one." in text
    assert "with the point as a parameter of shape 1 × 2" in text


@pytest.mark.usefixtures("short", "third_party")
def test_a_hostile_docstring_is_text():
    _, page = made("optimizers:hostile")
    assert len(page.all("script")) == 1
    assert not page.all("img")
    text = "".join(page.text)
    for hostile in ('<script>alert(1)</script> & "others"', "<img src=x onerror=alert(2)>", "</dd><script>alert(3)"):
        assert hostile in text


@pytest.mark.usefixtures("short", "third_party")
def test_a_rule_that_diverges_is_shown_as_such():
    _, page = made("climbing", "sgd")
    text = " ".join("".join(page.text).split())
    assert text.count("diverges at every rate") == 4
    assert text.count("diverges") == 9  # in the table and under the pictures of climbing, and in the text above
    assert sum("climbing" in use["href"] for use in page.all("use")) == 0


@pytest.mark.usefixtures("short")
def test_the_page_needs_nothing_from_elsewhere_and_its_anchors_are_there():
    shown, page = made("adam", "tanh", "softmax", "cosine")
    assert not shown.left_out
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    outside = {link for link in links if not link.startswith("#")}
    assert {link.removeprefix("#") for link in links} - outside <= set(anchors)
    assert outside == {"https://arxiv.org/abs/1412.6980"}
    assert not [attributes for _, attributes in page.elements if attributes.keys() & {"src", "srcset", "data"}]
    assert not re.search(r"url\((?!#)|@import", shown.html())
    assert {"activations-tanh", "schedules-cosine", "optimizers-adam"} <= set(anchors)
    pictures = [svg for svg in page.all("svg") if "aria-hidden" not in svg]
    assert len(pictures) == 11
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in pictures)


@pytest.mark.usefixtures("short")
def test_the_path_drawn_is_the_path_taken():
    shown, page = made("optimizers:adam")
    lines = {line["id"]: line["points"].split() for line in page.all("polyline")}
    (rule,) = shown.optimizers
    assert len(lines) == 4
    for path in rule.paths:
        drawn = lines[f"optimizers-adam-{path.surface.name}"]
        assert len(drawn) == len(path.points) == 21
        x, y = map(float, drawn[-1].split(","))
        left, bottom = path.surface.corner
        assert x / 200 * path.surface.side + left == pytest.approx(float(path.points[-1, 0]), abs=0.002)
        assert (1 - y / 200) * path.surface.side + bottom == pytest.approx(float(path.points[-1, 1]), abs=0.002)


@pytest.mark.usefixtures("short")
def test_an_empty_kind_has_no_heading():
    _, page = made("tanh")
    assert "Optimizers" not in "".join(page.text)
    assert "1 activation, each" in "".join(page.text)


@pytest.mark.usefixtures("third_party")
def test_names_kinds_and_nothing_choose_components(monkeypatch):
    assert [component.key for component in chosen(["sgd", "tanh", "optimizers:sgd"])] == [
        "activations:tanh",
        "optimizers:sgd",
    ]
    assert {component.kind for component in chosen(["schedule"])} == {"schedules"}
    everything = {component.key for component in chosen([])}
    assert {"activations:relu", "schedules:triple", "optimizers:adam", "optimizers:missing"} <= everything


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("linear", "gallery: a component must be one of the activations, schedules, optimizers, got layers:linear."),
        ("losses", "gallery: a component must be one of the activations, schedules, optimizers, got losses."),
        ("adamm", 'Did you mean "adam"'),
    ],
)
def test_what_has_no_picture_is_refused(name, message):
    with pytest.raises(ChainruleError, match=re.escape(message)):
        chosen([name])


def test_a_call_leaves_out_defaults():
    assert call_of(adam()) == "adam()"
    assert call_of(lookahead(inner=sgd(lr=0.1), k=2)) == "lookahead(inner=sgd(lr=0.1), k=2)"


def test_heat_is_the_darker_the_nearer_to_0():
    assert [heat(value) for value in (float("inf"), 10.0, 1e-10, 0.0)] == [0, 0, 1, 1]
    assert heat(1e-3) < heat(1e-4)


def test_rates_are_as_in_code_and_points_as_in_formulas():
    assert [rate(lr) for lr in (1e-5, 0.002, 50.0, 1e3)] == ["1e-5", "0.002", "50", "1000"]
    assert place((-1.2, 1.0)) == "(−1.2, 1)"
