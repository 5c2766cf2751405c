"""``chainrule gallery``."""

import pytest
from typer.testing import CliRunner

from chainrule import registry
from chainrule.cli.main import app
from chainrule_lab.commands import gallery as command
from tests.browser import needs_browser, seen
from tests.interpreter import STRICT


def gallery(*arguments):
    return CliRunner().invoke(app, ["gallery", *map(str, arguments)])


def test_the_page_is_written_into_a_new_folder_and_again_into_the_old_one(tmp_path):
    out = tmp_path / "new" / "poster"
    done = gallery("tanh", "cosine", "--out", out)
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"Wrote {out / 'index.html'}.\n", "")
    first = (out / "index.html").read_bytes()
    (out / "mine.txt").write_text("kept")
    (out / "index.html").write_text("old")
    assert gallery("tanh", "cosine", "--out", out).exit_code == 0
    assert (out / "index.html").read_bytes() == first
    assert {path.name for path in out.iterdir()} == {"index.html", "mine.txt"}


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert gallery("tanh", "--out", "~/poster").exit_code == 0
    assert (tmp_path / "poster" / "index.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tanh", "--out", __file__], "gallery: the output must be a folder, got the file"),
        (
            ["tanh", "--out", "~nobody-of-that-name/x"],
            "gallery: a path with ~ must begin with a home folder that exists",
        ),
        (["linear"], "gallery: a component must be one of the activations, schedules, optimizers, got layers:linear."),
        (["sgdd"], 'Did you mean "sgd"'),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, message):
    done = gallery(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_that_cannot_take_the_page_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "poster" / "index.html").mkdir(parents=True)
    done = gallery("tanh", "--out", tmp_path / "poster")
    assert done.exit_code == 1
    assert "must be a folder with room for a file, got" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["poster"]


def test_what_is_left_out_is_told_and_the_rest_is_drawn(tmp_path, monkeypatch):
    tanh = registry.get("activations", "tanh")
    monkeypatch.setattr(tanh, "examples", classmethod(lambda cls: 1 / 0))
    done = gallery("tanh", "relu", "--out", tmp_path / "poster")
    assert done.exit_code == 0
    assert done.stderr == "Left out: activations:tanh: ZeroDivisionError: division by zero\n"
    page = (tmp_path / "poster" / "index.html").read_text(encoding="utf-8")
    assert 'id="activations-relu"' in page
    assert 'id="activations-tanh"' not in page
    assert "<dt>activations:tanh</dt><dd>ZeroDivisionError: division by zero</dd>" in page


WITHOUT_JINJA = "import sys; sys.modules['jinja2'] = None; from chainrule.cli.main import main; main()"


def test_a_missing_package_of_the_extra_says_what_to_install(tmp_path):
    failed = STRICT.run("-c", WITHOUT_JINJA, "gallery", "--out", tmp_path / "out")
    assert failed.returncode == 1
    assert failed.stderr.endswith(
        'chainrule: gallery needs jinja2, which is not installed: pip install "chainrule[lab]".\n'
    )
    assert not list(tmp_path.iterdir())


PROBE = """
  const shown = [...page.querySelectorAll("body *:not(script)")].filter(e => e.getClientRects().length)
  const texts = shown.filter(e => [...e.childNodes].some(node => node.nodeType == 3 && node.data.trim()))
  const wide = shown.filter(e => !e.closest("pre") && !e.closest("svg")
    && (e.getBoundingClientRect().right > view.innerWidth || e.clientWidth && e.scrollWidth > e.clientWidth + 1))
  const sizes = texts.map(e => parseFloat(view.getComputedStyle(e).fontSize)
    * (e.closest("svg") ? e.closest("svg").getBoundingClientRect().width / e.closest("svg").viewBox.baseVal.width : 1))
  const line = page.querySelector("polyline"), whole = line.getAttribute("points")
  page.querySelector(".rule button").click()
  await new Promise(done => setTimeout(done, 2000))
  const during = line.getAttribute("points")
  view.dispatchEvent(new Event("beforeprint"))
  return {
    scroll: page.documentElement.scrollWidth, wide: wide.map(e => e.outerHTML.slice(0, 80)), font: Math.min(...sizes),
    started: during.length < whole.length && whole.startsWith(during.slice(0, -6)),
    printed: line.getAttribute("points") == whole,
    colours: [view.getComputedStyle(page.body).backgroundColor, view.getComputedStyle(line).stroke],
    cards: page.querySelectorAll("article").length,
  }
"""


def expect_readable(folder, page, width, cards):
    light, logged = seen(folder, page, width, PROBE)
    assert not logged
    assert light["scroll"] <= width
    assert not light["wide"]
    assert light["font"] >= 12
    assert (light["started"], light["printed"]) == (True, True)
    assert light["cards"] == cards
    dark, _ = seen(folder, page, width, PROBE, "--blink-settings=preferredColorScheme=0")
    assert not {*light["colours"]} & {*dark["colours"]}


@needs_browser
def test_a_page_is_readable_in_a_browser(tmp_path):
    assert gallery("adam", "softplus", "one_cycle", "--out", tmp_path).exit_code == 0
    expect_readable(tmp_path, (tmp_path / command.FILE).read_text(encoding="utf-8"), 375, 3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    done = gallery("--out", out)
    assert (done.exit_code, done.stderr) == (0, "")
    return (out / command.FILE).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_whole_page_has_every_component(whole):
    shown = [
        c for kind in ("activations", "schedules", "optimizers") for c in registry.components(kind) if not c.foreign
    ]
    assert len(shown) >= 60
    assert all(f'id="{c.kind}-{c.name}"' in whole for c in shown)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [375, 1280])
def test_the_whole_page_is_readable_in_a_browser(tmp_path, whole, width):
    expect_readable(tmp_path, whole, width, whole.count("<article"))
