from pathlib import Path

import pytest

from chainrule import evaluate
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.run_folder import RunFolder
from chainrule_lab.runs.running import train

FILES = sorted((Path(__file__).parents[4] / "examples" / "runs").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_fits_its_data(file):
    run = RunDescription.read(file)
    assert evaluate(run.build(), run.loss(), run.splits().test)["loss"].isfinite().all()


def test_an_example_learns(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule_lab.runs.running.render", lambda figure, kind: kind.encode())
    run = RunDescription.read(FILES[-1].with_name("own_rule.toml")).with_values({"epochs": 4})
    folder = RunFolder(tmp_path / "run")
    with folder.taken_for(run):
        found = train(run, folder, "own rule")
    assert min(found["test"]["accuracy"]) > 0.7
