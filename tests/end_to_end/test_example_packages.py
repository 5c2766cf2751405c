"""The packages in examples/ work as wheels: listed, checked, used and tested away from their source."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreter import STRICT

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("qhadam", "dog")
PORTING = EXAMPLES / "porting"


def python_blocks(readme):
    return re.findall(r"^```python\n(.*?)^```$", readme.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the function that runs Python, which must succeed, beside the installed wheels, and what it prints."""
    folder = tmp_path_factory.mktemp("packages")
    for name in NAMES:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=EXAMPLES / f"chainrule-{name}", check=True, capture_output=True)
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, *map(str, folder.glob("*.whl"))], check=True, capture_output=True)
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))

    def run(*command):
        done = STRICT.run(*command, env={**os.environ, "PYTHONPATH": path}, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_files_that_chainrule_new_writes(name, python, tmp_path):
    python("-m", "chainrule", "new", "optimizer", f"{name}_again", "--directory", tmp_path / name)
    written = {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*") if path.is_file()}
    package = EXAMPLES / f"chainrule-{name}"
    missing = [path for path in written if not (package / path.replace("_again", "")).is_file()]
    assert written
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_it_is_listed_with_its_package_and_version(name, python):
    (row,) = json.loads(python("-m", "chainrule", "list", "optimizers", name, "--json"))
    assert (row["package"], row["version"], row["state"]) == (f"chainrule-{name}", "0.1.0", "declared")


@pytest.mark.parametrize("name", NAMES)
def test_the_command_checks_it(name, python):
    assert f"optimizers:{name}: ok" in python("-m", "chainrule", "check", name, "-k", "declared")


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_the_circle_as_its_readme_says(name, python):
    block, *_ = python_blocks(EXAMPLES / f"chainrule-{name}" / "README.md")
    where, accuracy = python("-c", f"import chainrule_{name}\nprint(chainrule_{name}.__file__)\n{block}").splitlines()
    assert "site" in Path(where).parts
    assert float(re.search(r"0\.\d+|1\.", accuracy).group()) > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_its_own_tests_pass(name, python):
    package = EXAMPLES / f"chainrule-{name}"
    configuration = ["-c", package / "pyproject.toml", "--rootdir", package, "-p", "no:cacheprovider"]
    assert " passed" in python("-m", "pytest", "-q", *configuration, package / "tests")


def test_a_ported_rule_moves_as_its_original(python):
    original, own = python(PORTING / "compare.py").splitlines()
    assert original.startswith("TorchAdamax: ")
    assert own.startswith("Adamax: ")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("1 - self.betas[0] ** t", "1 - self.betas[0] ** (t + 1)"), ("m / step", "float('nan') * m / step")],
)
def test_the_comparison_sees_a_wrong_port(right, wrong, tmp_path):
    source = (PORTING / "compare.py").read_text(encoding="utf-8")
    assert source.count(right) == 1
    script = tmp_path / "compare.py"
    script.write_text(source.replace(right, wrong), encoding="utf-8")
    done = STRICT.run(script)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("largest difference") == 2


def test_the_page_on_porting_shows_the_code_that_runs():
    source = (PORTING / "compare.py").read_text(encoding="utf-8")
    before, after = python_blocks(PORTING / "README.md")
    assert before in source
    assert after in source
