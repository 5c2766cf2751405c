"""``chainrule sweep``."""

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chainrule.cli.main import app
from chainrule_lab.sweep.results import Results, Row

RUN = """
network = { name = "linear", in_features = 2, out_features = 1 }
loss = "mse"
epochs = 2

[data]
function = "points.py:points"

[optimizer]
name = "sgd"

[search]
"optimizer.lr" = [0.1, 0.01, 1e30]
seed = { range = 2 }
"""

DATA = """
import torch
from chainrule import Splits


def points():
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0))
    pair = x, x.sum(1, keepdim=True)
    return Splits(pair, pair, pair)
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("points.py").write_text(DATA)
    Path("rates.toml").write_text(RUN)
    return lambda *options: CliRunner().invoke(app, ["sweep", "rates.toml", *map(str, options)])


def test_a_sweep_trains_once_and_leaves_a_page_a_table_and_figures(sweep, monkeypatch):
    done = sweep()
    assert done.exit_code == 0, done.output
    assert "6 trials, 2 diverged" in done.stdout
    assert "Best settings by their mean over 2 seeds: optimizer.lr 0.1\n" in done.stdout
    assert "Best single trial: optimizer.lr 0.1, seed " in done.stdout
    names = {"rates.csv", "rates.html", "rates_lines.svg", "sweep.db"}
    assert {path.name for path in Path("sweeps/rates").iterdir()} == names
    monkeypatch.setattr("chainrule_lab.sweep.runner.train_each", lambda *_: pytest.fail("trained again"))
    again = sweep("--json")
    assert json.loads(again.stdout)["finished"] == 6
    assert json.loads(again.stdout)["best"]["settings"]["optimizer.lr"] == 0.1


FILE = 'data = { file = "rates.csv", x = ["a"], y = ["a"] }\n'


@pytest.mark.parametrize("searched", ["", '"data.file" = ["rates.csv", "other.csv"]\n'], ids=["given", "searched"])
def test_a_sweep_does_not_write_over_its_own_data(sweep, searched):
    given = FILE.replace("rates", "third") if searched else FILE
    network = 'network = { name = "linear", in_features = 1, out_features = 1 }\nloss = "mse"\noptimizer = "sgd"\n'
    Path("rates.toml").write_text(f"{given}{network}[search]\nseed = {{ range = 2 }}\n{searched}")
    for name in ("rates", "other", "third"):
        Path(f"{name}.csv").write_text("a\n" + "1\n" * 20)
    done = sweep("--output", ".")
    assert done.stderr == (
        "chainrule: sweep: the output must not replace what is read, got rates.csv. Choose another folder with "
        "--output.\n"
    )
    assert not Path("sweep.db").exists()
    assert Path("rates.csv").read_text().startswith("a\n1")
    assert "no such store" in sweep("--output", ".", "--export", "json", "--store", "no.db").stderr


def planted(ends):
    """Results of a grid over lr and seed, given by its last losses."""
    rows = [
        Row({"optimizer.lr": lr, "seed": seed}, {"train_loss": [9.0, end]}, not math.isfinite(end), 0.1)
        for lr, own in ends.items()
        for seed, end in enumerate(own)
    ]
    return lambda name, *_: Results(name, rows)


def test_the_best_settings_are_by_their_mean_and_come_before_the_luckiest_trial(sweep, monkeypatch):
    ends = {0.1: [1.0, 9.0, 8.0], 0.01: [3.0, 4.0, 5.0], 0.001: [2.0, 2.0, math.inf]}
    monkeypatch.setattr("chainrule_lab.sweep.runner.finished", planted(ends))
    first, mean, second, *_ = sweep("--export", "csv").stdout.splitlines()[1:]
    assert first == "Best settings by their mean over 3 seeds: optimizer.lr 0.01"
    assert mean.split() == ["train_loss", "4", "±", "1"]
    assert second == "Best single trial: optimizer.lr 0.1, seed 0"
    found = json.loads(sweep("--export", "csv", "--json").stdout)
    assert found["best_settings"]["settings"] == {"optimizer.lr": 0.01}
    assert (found["best_settings"]["mean"], found["best_settings"]["seeds"]) == (4.0, 3)
    assert found["best"]["settings"] == {"optimizer.lr": 0.1, "seed": 0}


def test_a_mean_is_of_the_seeds_that_did_not_diverge_and_the_others_are_counted(sweep, monkeypatch):
    monkeypatch.setattr(
        "chainrule_lab.sweep.runner.finished", planted({0.1: [1.0, 2.0, math.inf], 0.01: [math.inf] * 3})
    )
    assert "train_loss               1.5 ± 0.71, 1 diverged" in sweep("--export", "csv").stdout


def test_one_seed_has_no_mean(sweep, monkeypatch):
    monkeypatch.setattr("chainrule_lab.sweep.runner.finished", planted({0.1: [1.0], 0.01: [2.0]}))
    assert sweep("--export", "csv").stdout.splitlines()[1] == "Best single trial: optimizer.lr 0.1"


def test_status_and_export_train_nothing(sweep, monkeypatch):
    assert sweep("--set", "search.optimizer.lr=[0.1]", "--store", "all.db").exit_code == 0
    monkeypatch.setattr("chainrule_lab.sweep.runner.train_each", lambda *_: pytest.fail("trained"))
    assert "rates  2 of 2 trials finished, 0 diverged; first started" in sweep("--store", "all.db", "--status").stdout
    assert json.loads(sweep("--store", "all.db", "--status", "--json").stdout)[0]["finished"] == 2
    done = sweep("--store", "all.db", "--export", "json", "--export", "html", "--output", "out")
    assert "2 of 6 trials, 0 diverged" in done.stdout
    assert len(json.loads(Path("out/rates.json").read_text())["trials"]) == 2
    assert "4 of 6 trials are not finished" in Path("out/rates.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--export", "xml"], "--export must be csv, json, parquet, html, got xml"),
        (["--workers", "-1"], "--workers must be at least 0, got -1"),
        (["--workers", "2", "--dask", "tcp://here"], "--workers must be left out with --dask"),
        (["--status"], "no such store: sweeps/rates/sweep.db"),
        (["--export", "csv"], "no such store: sweeps/rates/sweep.db"),
        (["--output", "points.py"], "the output must be a folder, got the file"),
        (["--store", "points.py"], "points.py must be a sweep's store, got file is not a database"),
        (["--store", "points.py/sweep.db"], "points.py must be a folder that can be made"),
        (["--set", "search.optimizer.lr=[-1]"], "optimizer.lr must be at least 0, got -1"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(sweep, options, words):
    done = sweep(*options)
    assert done.exit_code == 1
    assert words in done.output
    assert done.output.count("\n") == 1
