import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from chainrule.cli.main import app
from chainrule.registry import lookup
from chainrule.registry.catalogue import Catalogue
from chainrule_lab.paper import reproduction
from chainrule_lab.paper.experiment_settings import SETTINGS, of_figure
from tests.interpreter import STRICT


def reproduce(*arguments):
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


@pytest.fixture
def no_training(monkeypatch):
    def run(*_):
        raise AssertionError("nothing may be trained")

    monkeypatch.setattr(reproduction, "run", run)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figure", 4], "--figure must be 1, 2 or 3, got 4."),
        (["--figure", 0], "--figure must be 1, 2 or 3, got 0."),
        (["--seeds", 1], "--seeds must be at least 2, got 1."),
        (["--epochs", 0], "--epochs must be at least 1, got 0."),
        (["--out", __file__], "the output must be a folder, got the file"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_a_bad_option_is_one_line(arguments, message):
    result = reproduce(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("chainrule: reproduce: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("no_training")
def test_a_missing_component_is_named_before_anything_is_trained_or_written(tmp_path, monkeypatch):
    catalogue = Catalogue()
    catalogue.manager.unregister(name="optimizers:adam")
    del catalogue.records["optimizers:adam"]
    monkeypatch.setattr(lookup, "_catalogue", lambda: catalogue)
    result = reproduce("--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr.startswith('chainrule: No optimizer is registered as "adam".')
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from chainrule.cli.main import main
main()
"""


@pytest.mark.parametrize("package", ["matplotlib", "jinja2", "scipy", "numpy"])
def test_a_missing_package_of_the_extra_says_what_to_install(tmp_path, package):
    failed = STRICT.run("-c", WITHOUT, package, "reproduce", "--out", tmp_path / "out")
    assert failed.returncode == 1
    assert failed.stderr.endswith(
        f'chainrule: reproduce needs {package}, which is not installed: pip install "chainrule[lab]".\n'
    )
    assert not list(tmp_path.iterdir())


def test_the_number_of_threads_is_restored_after_an_error(monkeypatch):
    seen = []

    def run(*_):
        seen.append(torch.get_num_threads())
        raise RuntimeError("stop")

    monkeypatch.setattr(reproduction, "run", run)
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="stop"):
            reproduction.reproduce_paper(1, range(2), 1, lambda _: ())
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)


def test_the_eight_settings_are_the_papers_seven_and_adagrad_once_more():
    assert len(SETTINGS) == 8
    assert [setting.name for setting in of_figure(1)] == ["mse", "sgd"]
    assert [setting.name for setting in of_figure(2)] == ["sgd", "xavier"]
    assert len(of_figure(3)) == 6
    assert of_figure(None) == list(SETTINGS)


HELP = """
import sys
from chainrule.cli.main import main
try:
    main()
except SystemExit:
    print(*{"torch", "matplotlib", "scipy", "jinja2"} & set(sys.modules))
"""


def test_the_help_waits_for_nothing_heavy():
    command = [sys.executable, "-c", HELP, "reproduce", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Example: chainrule reproduce --figure 2" in shown
    assert shown.splitlines()[-1] == ""
