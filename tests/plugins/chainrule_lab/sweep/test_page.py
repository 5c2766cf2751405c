"""Figures and page of a sweep."""

import math

import numpy as np
import pytest

from chainrule_lab.sweep.axes import axes_of, ceiling_of
from chainrule_lab.sweep.figures import figures
from chainrule_lab.sweep.page import html
from chainrule_lab.sweep.results import Results, Row
from tests.browser import needs_browser, seen

RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def row(loss, **settings):
    return Row(settings, {"train_loss": [2.0, loss], "validation_loss": [3.0, loss]}, not math.isfinite(loss), 0.25)


def loss_at(lr, width, seed):
    return math.nan if lr == 1 else (math.log10(lr) + 2) ** 2 + width / 100 + seed / 10


GRID = Results(
    "grid", [row(loss_at(lr, w, s), lr=lr, width=w, seed=s) for lr in RATES for w in (4, 8) for s in range(3)]
)
DRAWN = Results(
    "drawn",
    [
        row(loss_at(lr, 4, 0), **{"optimizer.lr": float(lr), "momentum": float(m), "act": a, "seed": 0})
        for lr, m, a in zip(np.logspace(-4, 0, 20), np.linspace(0.01, 0.9, 20), ["relu", "tanh"] * 10, strict=True)
    ],
)


def test_axes_are_logarithmic_where_values_are_spread_so():
    assert [(axis.name, axis.is_log) for axis in axes_of(GRID)] == [("lr", True), ("width", False)]
    assert [(axis.name, axis.is_log) for axis in axes_of(DRAWN)] == [
        ("optimizer.lr", True),
        ("momentum", False),
        ("act", False),
    ]


def test_lines_are_medians_over_seeds_with_gaps_where_most_diverged():
    figure, caption = figures(GRID)["lines"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert np.nan_to_num(lines["width 4"].get_ydata(), nan=-1) == pytest.approx([4.14, 1.14, 0.14, 1.14, -1])
    assert lines["width 4"].get_xdata().tolist() == RATES
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[1.0], [1.0]]
    assert "Validation loss at the end over lr. Median over seeds" in caption


def test_each_setting_has_a_line_and_words_of_its_own():
    betas = [[0.9, 0.99], [0.9, 0.995], [0.9, 0.999]]
    results = Results("betas", [row(1.0, lr=lr, betas=one, seed=0) for lr in RATES[:2] for one in betas])
    (legend,) = figures(results)["lines"][0].legends
    assert [one.get_text() for one in legend.get_texts()] == ["betas 0.9, 0.99", "betas 0.9, 0.995", "betas 0.9, 0.999"]
    assert "<td>0.9, 0.995</td>" in html(results, 6)


def test_what_was_drawn_at_random_are_points():
    figure, caption = figures(DRAWN)["lines"]
    assert "A point for each trial" in caption
    assert {line.get_linestyle() for line in figure.axes[0].lines} == {"None"}


def test_a_map_has_the_medians_of_a_grid_and_the_points_of_anything_else():
    image = figures(GRID)["map"][0].axes[0].images[0].get_array()
    assert image.shape == (2, 5)
    assert image[1, 2] == pytest.approx(0.18)
    assert image.mask[:, 4].all()
    assert len(figures(DRAWN)["map"][0].axes[0].collections[0].get_offsets()) == 19


def test_parallel_coordinates_have_a_line_for_each_trial():
    (figure, _) = figures(DRAWN)["parallel"]
    lines = figure.axes[0].collections[0].get_segments()
    assert len(lines) == 20
    assert {len(line) for line in lines} == {4}


def test_losses_on_their_way_to_infinity_do_not_hide_the_others():
    assert ceiling_of(np.array([1.0, 2.0, 3.0, 1e22, np.inf])) == 250
    assert ceiling_of(np.array([1.0, 2.0, 3.0])) == 3


@pytest.mark.parametrize(
    "results", [GRID[:1], GRID[12:13], GRID[24:], Results("none", [])], ids=["one", "another", "diverged", "none"]
)
def test_few_trials_have_a_page_too(results):
    page = html(results, 30)
    assert f"{30 - len(results)} of 30 trials are not finished" in page


def test_trials_with_other_metrics_are_left_blank_there():
    measured = Row({"metrics": ["accuracy"], "seed": 0}, {"validation_loss": [1.0], "accuracy": [0.5]}, False, 0.1)
    results = Results("mixed", [measured, row(0.5, metrics=[], seed=0)])
    assert '<td class="n"></td>' in html(results, 2, figures(results))
    assert results.best("accuracy", largest=True) is measured


def test_names_of_settings_are_text_on_the_page():
    page = html(Results("a<b", [row(1.0, **{"<script>": value, "seed": 0}) for value in (0.1, 0.2)]), 2)
    assert "<script>" not in page.partition("<body>")[2].replace("&lt;script&gt;", "")
    assert "a&lt;b" in page


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_fits_narrow_and_wide_screens(tmp_path, width):
    probe = """
        const root = page.documentElement, svg = [...page.querySelectorAll("figure svg")]
        const text = svg.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)
        return {overflow: root.scrollWidth - root.clientWidth, figures: svg.length, scale: Math.min(...text)}
    """
    found, logged = seen(tmp_path, html(DRAWN, 20), width, probe)
    assert found["overflow"] <= 0
    assert found["figures"] == 3
    assert found["scale"] >= 1.0  # 9 points are 9 pixels or more
    assert logged == []
