"""The README's Python blocks run, and its commands are those that CI runs."""

import re
import subprocess
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from chainrule.cli.main import app
from tests.interpreter import STRICT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def run(code: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return STRICT.run(*code, cwd=folder)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_python_block_runs(block, tmp_path):
    result = run(["-c", block], tmp_path)
    assert result.returncode == 0, result.stderr


SMALL = {
    "bf16_digits.py": ["--epochs", "1", "--seeds", "1"],
    "char_transformer.py": ["--epochs", "1", "--characters", "3000", "--width", "16"],
    "optuna_study.py": ["--trials", "4", "--epochs", "1", "--alone", "2", "--eager"],
    "twenty_thousand.py": ["--epochs", "1", "--networks", "5", "--at-once", "3"],
}
"""The arguments with which an example that trains for minutes runs in seconds."""


NEEDS = {"export_onnx.py": ("onnx", "onnxscript"), "optuna_study.py": ("optuna", "optuna")}
"""The extra, and a module of it, without which an example cannot run."""


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_every_example_runs(script, tmp_path):
    extra, needed = NEEDS.get(script.name, ("", "chainrule"))
    if find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed: pip install -e '.[{extra}]'")
    figure = tmp_path / "figure.png"
    draws = "--figure" in script.read_text(encoding="utf-8")
    drawn = ["--figure", str(figure)] if draws else []
    result = run([str(script), *SMALL.get(script.name, ["--epochs", "1"] if draws else []), *drawn], tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search("accuracy|error|parameters", result.stdout)
    assert figure.exists() == draws


def test_the_table_of_commands_has_every_command():
    of_the_core = [command.name for command in app.registered_commands]
    of_plugins = [
        command.name for command in entry_points(group="chainrule.commands") if command.dist.name == "chainrule"
    ]
    assert set(re.findall(r"^\| `chainrule ([a-z]+)", README, re.MULTILINE)) == {*of_the_core, *of_plugins}


def test_ci_installs_and_tests_as_the_readme_says():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    install, test = re.search(
        r'venv/bin/(pip install .*?"\.\[test\]") && \.venv/bin/(pytest.*)$', README, re.MULTILINE
    ).groups()
    assert install.replace("[test]", "[dev]") in ci  # dev is test and the checkers
    assert f"\n{test}\n" in ci
