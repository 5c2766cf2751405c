import io
import json
import re
import statistics
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from chainrule.cli.main import app
from chainrule_lab.paper.claims import answer
from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.paper.experiment_settings import SETTINGS
from chainrule_lab.paper.figures import LINES, draw
from chainrule_lab.paper.reproduction import FILES
from chainrule_lab.paper.terminal import training_progress

CURVES = [f"{split}_{name}" for split in ("train", "validation") for name in ("loss", "accuracy")]
SETTING = {setting.name: setting for setting in SETTINGS}


def reproduce(out, *arguments):
    result = CliRunner().invoke(app, ["reproduce", "--seeds", "2", "--out", str(out), *arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "report"
    shown = reproduce(out, "--epochs", "3")
    return out, shown.stdout, json.loads((out / "results.json").read_text())


def outcomes(results):
    return {
        name: Outcome(SETTING[name], results["initial"][name], results["curves"][name], results["test"][name])
        for name in results["settings"]
    }


def means(results, name, curve):
    return [statistics.fmean(values) for values in zip(*results["curves"][name][curve], strict=True)]


def test_every_file_is_written(whole):
    out, _, _ = whole
    assert {path.name for path in out.iterdir()} == set(FILES)
    assert all((out / f"figure_{n}.png").read_bytes().startswith(b"\x89PNG") for n in (1, 2, 3))


def test_results_hold_every_setting_seed_and_epoch_as_strict_json(whole):
    out, _, results = whole
    assert list(results["settings"]) == [setting.name for setting in SETTINGS]
    assert (results["seeds"], results["epochs"]) == ([0, 1], 3)
    assert set(results["versions"]) == {"chainrule", "torch", "python"}
    for name, curves in results["curves"].items():
        assert set(curves) == set(CURVES)
        assert all(len(curve) == 2 and {len(seed) for seed in curve} == {3} for curve in curves.values()), name
    assert "NaN" not in (out / "results.json").read_text()


def test_every_plotted_line_and_band_is_that_of_the_results(whole):
    _, _, results = whole
    for number, lines in LINES.items():
        drawn = {}
        for axes in draw(number, outcomes(results)).axes:
            for line, band in zip(axes.lines, axes.collections, strict=True):
                drawn[line.get_gid()] = (line, band)
        assert set(drawn) == {f"{line.setting}:{curve}" for line in lines for curve in CURVES}
        for gid, (line, band) in drawn.items():
            name, curve = gid.split(":")
            mean = means(results, name, curve)
            deviation = [statistics.stdev(values) for values in zip(*results["curves"][name][curve], strict=True)]
            assert line.get_xdata().tolist() == [1, 2, 3]
            assert line.get_ydata().tolist() == pytest.approx(mean, abs=1e-12)
            low, high = (mean[1] - deviation[1], mean[1] + deviation[1])
            heights = [y for x, y in band.get_paths()[0].vertices if x == 2]
            assert (min(heights), max(heights)) == pytest.approx((low, high), abs=1e-12)


def test_figure_1_has_mse_solid_and_cross_entropy_dashed_with_axes_named(whole):
    _, _, results = whole
    figure = draw(1, outcomes(results))
    styles = {line.get_label(): line.get_linestyle() for line in figure.axes[0].lines}
    assert styles == {"MSE": "-", "Cross-entropy": "--"}
    assert [axes.get_title() for axes in figure.axes] == [
        "Train loss",
        "Validation loss",
        "Train accuracy",
        "Validation accuracy",
    ]
    assert [figure.axes[0].get_ylabel(), figure.axes[2].get_ylabel()] == ["Loss per example", "Accuracy"]
    assert [axes.get_xlabel() for axes in figure.axes[2:]] == ["Epoch", "Epoch"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["MSE", "Cross-entropy"]


def points_in(svg, gid):
    (group,) = [element for element in ElementTree.fromstring(svg).iter() if element.get("id") == gid]  # noqa: S314
    path = next(element for element in group.iter() if element.tag.endswith("}path"))
    numbers = list(map(float, re.findall(r"-?[\d.]+", path.get("d"))))
    return numbers[1::2]


def test_the_svg_has_the_same_lines_up_to_the_scale_of_its_axes(whole):
    out, _, results = whole
    svg = (out / "figure_3.svg").read_text()
    for curve in ("train_loss", "validation_accuracy"):
        names = [line.setting for line in LINES[3]]
        values = [value for name in names for value in means(results, name, curve)]
        heights = [height for name in names for height in points_in(svg, f"{name}:{curve}")]
        slope, intercept = statistics.linear_regression(values, heights)
        assert slope < 0  # SVG counts downwards
        assert heights == pytest.approx([slope * value + intercept for value in values], abs=1e-4)


def test_the_table_and_the_claims_follow_from_the_seeds_numbers(whole):
    out, shown, results = whole
    report = (out / "report.md").read_text()
    for row in results["table"]:
        accuracies = [100 * value for value in results["test"][row["name"]]["accuracy"]]
        text = f"{statistics.fmean(accuracies):.2f} ± {statistics.stdev(accuracies):.2f}"
        assert text in report
        assert text in shown
    assert {letter: claim["verdict"] for letter, claim in results["claims"].items()} == {
        claim.letter: claim.verdict for claim in answer(outcomes(results))
    }
    assert results["claims"]["b"]["grounds"] == "The claim is about epochs 20 to 40; this run has 3."


class Addresses(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href", "data")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_needs_no_other_file_and_says_what_the_markdown_says(whole):
    out, _, results = whole
    page = Addresses()
    page.feed((out / "report.html").read_text())
    assert len(page.found) == 3
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.found)
    text, markdown = "".join(page.text), (out / "report.md").read_text()
    for heading in ("Verdicts", "Test loss and accuracy", "Errors in the paper", "What the paper leaves open"):
        assert heading in text
        assert heading in markdown
    assert all(claim["statement"] in text for claim in results["claims"].values())


def test_the_markdown_links_to_files_that_are_there(whole):
    out, _, _ = whole
    links = re.findall(r"\]\(([^)]+)\)", (out / "report.md").read_text())
    assert set(links) == set(FILES) - {"report.md", "report.html"}


def test_a_second_run_gives_identical_files_whatever_the_number_of_threads(whole, tmp_path):
    out, _, _ = whole
    torch.set_num_threads(2)
    try:
        reproduce(tmp_path / "again", "--epochs", "3")
    finally:
        torch.set_num_threads(1)
    assert all((tmp_path / "again" / name).read_bytes() == (out / name).read_bytes() for name in FILES)


def test_other_seeds_give_other_numbers(whole, tmp_path):
    _, _, results = whole
    shown = reproduce(tmp_path / "more", "--epochs", "3", "--seeds", "3", "--figure", "1", "--json")
    more = json.loads(shown.stdout)["curves"]["sgd"]["train_loss"]
    assert more[:2] == [pytest.approx(curve, abs=1e-5) for curve in results["curves"]["sgd"]["train_loss"]]
    assert more[2] != pytest.approx(more[0], abs=1e-3)


def test_one_figure_trains_and_reports_only_its_settings(tmp_path):
    shown = reproduce(tmp_path, "--figure", "2", "--epochs", "1", "--json")
    results = json.loads(shown.stdout)
    assert results == json.loads((tmp_path / "results.json").read_text())
    assert set(results["curves"]) == {"sgd", "xavier"}
    assert set(results["claims"]) == {"b"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.md",
        "report.html",
        "results.json",
        "figure_2.png",
        "figure_2.svg",
    }
    assert "Adam" not in (tmp_path / "report.md").read_text().partition("## Errors in the paper")[0]


def test_a_setting_shares_its_data_with_every_other_of_the_same_seed():
    from chainrule_lab.paper.experiment import stacked_splits

    mse, sgd = (stacked_splits(SETTING[name], [0, 7]) for name in ("mse", "sgd"))
    for one, other in zip(mse, sgd, strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1].squeeze(-1).long(), other[1])
    assert [x.shape[1] for x, _ in sgd] == [1000, 100, 900]


def test_progress_is_shown_on_a_terminal_only(monkeypatch):
    monkeypatch.setattr(
        "chainrule_lab.paper.terminal.console", lambda **_: Console(file=io.StringIO(), force_terminal=True)
    )
    with training_progress(3) as callbacks:
        (callback,) = callbacks(SETTING["adam"])
        callback.chainrule_epoch_end()
        assert callback.bar.tasks[0].completed == 1
    monkeypatch.setattr("chainrule_lab.paper.terminal.console", lambda **_: Console(file=io.StringIO()))
    with training_progress(3) as callbacks:
        assert not callbacks(SETTING["adam"])
