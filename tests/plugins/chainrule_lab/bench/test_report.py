import dataclasses
import re

import pytest

from chainrule.optimizers import adam
from chainrule_lab.bench.cells import LoadedTask
from chainrule_lab.bench.contenders import Contender
from chainrule_lab.bench.costs import Cost
from chainrule_lab.bench.published import Study
from chainrule_lab.bench.report import Report, number
from tests.browser import needs_browser, seen

PROBE = """
const wide = [...page.querySelectorAll("body *")].filter(e => !e.closest(".wide, pre, svg"))
  .filter(e => e.getBoundingClientRect().right > view.innerWidth + 1).map(e => e.tagName)
return {scrolls: page.documentElement.scrollWidth > view.innerWidth, wide,
        tables: page.querySelectorAll("table").length, figures: page.querySelectorAll("figure svg").length,
        links: page.querySelectorAll("[src], link").length}
"""


@pytest.fixture(scope="module")
def report(benchmark_outcomes):
    names = dict.fromkeys(one.contender for one in benchmark_outcomes)
    return Report(
        outcomes=benchmark_outcomes,
        named=[Contender(name, name, adam(), "") for name in ("Good", "Bad")],
        tasks={name: LoadedTask(name) for name in ("digits_mlp", "noisy_quadratic")},
        costs={name: Cost(0.1, 0.2, 0.3, 2.0) for name in names},
        command="chainrule bench ./rules.py:Good ./rules.py:Bad",
    )


@pytest.fixture(scope="module")
def text(report):
    return report.markdown()


def test_the_markdown_has_verdicts_divergence_and_the_command(text):
    assert re.search(r"\| digits_mlp \| 1× \| Good \| adam \| −0.0\S+ \[.*\] \| < 0.0001 \| better \|", text)
    assert re.search(r"\| \*\*Bad\*\* \| ∞ \[∞, ∞\] .* \| 12 \|", text)
    assert "chainrule bench ./rules.py:Good ./rules.py:Bad" in text
    assert "nan" not in text


def test_the_markdown_compares_its_mean_ranks_with_published_ones(text):
    section = text[text.index("## Beside published studies") : text.index("## Cost")]
    rho = (
        r"Track B: 4 rules in common, the study’s best first: muon, adamw, lion, schedule_free_adamw\. Spearman’s ρ is"
    )
    assert re.search(rf"arXiv:2509.01440: .*\n\n- {rho} −?[01]", section)
    assert "arXiv:2509.02046" in section
    assert "language model" in section


def test_a_class_of_the_name_of_a_rule_is_not_taken_for_it(report):
    study = Study("", "", 0, "", "", "", {"Good": 1.0, "adamw": 2.0, "lion": 3.0})
    named = [dataclasses.replace(report.named[0], text="/rules.py:Good")]
    assert report.agreements(study)["B"].missing == ()
    assert dataclasses.replace(report, named=named).agreements(study)["B"].missing == ("Good",)


def test_tables_of_the_markdown_are_whole(text):
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_task_without_metrics_has_no_column_of_them(report, monkeypatch):
    monkeypatch.setattr(report.tasks["digits_mlp"].task, "metrics", {})
    table = re.search(r"### digits_mlp.*\n\n((?:\|.*\n)+)", report.markdown())[1]
    assert "| test loss | training loss |" in table
    assert {line.count("|") for line in table.splitlines()} == {9}
    page = report.html().partition("<h3>digits_mlp")[2].partition("</table>")[0]
    assert {len(re.findall("<t[hd][ >]", row)) for row in page.split("<tr")[1:]} == {8}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(float("nan"), "–"), (float("inf"), "∞"), (-0.00123456, "−0.001235"), (12.0, "12")],  # noqa: RUF001
)
def test_numbers_are_shown_to_four_digits(value, shown):
    assert number(value) == shown


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_self_contained_and_never_scrolls_sideways(report, width, tmp_path):
    found, logged = seen(tmp_path, report.html(), width, PROBE)
    assert logged == []
    assert found == {"scrolls": False, "wide": [], "tables": 5, "figures": 5, "links": 0}
