"""What CONTRIBUTING and the README tell an author to write and to type, done to the letter, ends green."""

import os
import re
import shutil
import subprocess
import textwrap

import pytest

from .conftest import PIP, ROOT, Environment

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def _section(page, heading):
    """Return the fenced blocks of a section in order, each as its language, its text, and the prose since the last."""
    text = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks, end = [], 0
    for found in FENCE.finditer(text):
        blocks.append((found[2], textwrap.dedent(found[3]), text[end : found.start()]))
        end = found.end()
    return blocks


def _file_named(prose, folder):
    """Return the path of the file whose text follows the prose."""
    return folder / re.findall(r"`([\w./-]+\.py)`", prose)[0]


@pytest.fixture
def shell(tmp_path):
    """A shell in an environment without chainrule, whose pip works without network."""
    environment = Environment(tmp_path, "hypothesis", "jinja2", "matplotlib", "scikit-learn", "scipy")
    python = environment.bin / "python"
    for name, command in {"pip": [*PIP, "--python", python], "pytest": [python, "-m", "pytest"]}.items():
        script = environment.bin / name
        script.write_text(f'#!/bin/sh\nexec {" ".join(map(str, command))} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}

    def run(command, folder):
        known = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CHAINRULE_DISABLE")}
        path = os.pathsep.join([str(environment.bin), os.environ["PATH"]])
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=folder,
            env={**known, **offline, "PATH": path, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def _git(folder, *arguments):
    git = shutil.which("git")
    return subprocess.run([git, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def _copy(folder):
    """Copy the repository as it stands, and commit the copy."""
    for name in _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    _git(folder, "init", "-q")
    _git(folder, "add", "-A")
    _git(folder, "-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "as it is")


def _add_entry_point(project, block):
    header, line = block.splitlines()
    text = project.read_text(encoding="utf-8")
    _, rest = text.split(f"{header}\n")
    present = rest.partition("\n\n")[0].splitlines()
    lines = "\n".join(sorted([*present, line]))
    project.write_text(text.replace("\n".join([header, *present]), f"{header}\n{lines}"), encoding="utf-8")


@pytest.mark.slow
def test_a_component_costs_three_edits(shell, tmp_path):
    repository = tmp_path / "repository"
    repository.mkdir()
    _copy(repository)
    done = []
    for language, text, prose in _section("CONTRIBUTING.md", "Adding a component"):
        done.append(language)
        if language == "python":
            file = _file_named(prose, repository)
            assert not file.exists()
            file.write_text(text, encoding="utf-8")
        elif language == "toml":
            _add_entry_point(repository / "pyproject.toml", text)
        else:
            for command in text.splitlines():
                shell(command, repository)
    assert done == ["python", "toml", "python", "sh"]
    assert sorted(_git(repository, "status", "--porcelain").split()[1::2]) == [
        "plugins/chainrule_plugins/activations/arctan.py",
        "pyproject.toml",
        "tests/plugins/chainrule_plugins/activations/test_arctan.py",
    ]


@pytest.mark.slow
def test_the_readmes_rule_becomes_a_package(shell, tmp_path):
    shell(f'pip install "{ROOT}"', tmp_path)
    done = []
    for language, text, prose in _section("README.md", "A rule of your own"):
        done.append(language)
        if language == "python":
            (tmp_path / "my_rule.py").write_text(text, encoding="utf-8")
        elif language == "py":
            _file_named(prose, tmp_path).write_text(text, encoding="utf-8")
        else:
            for command in text.splitlines():
                printed = shell(command, tmp_path)
    assert done == ["python", "sh", "sh", "py", "sh", "sh"]
    assert "optimizers:qhm" in printed
    assert "Ma & Yarats 2018" in printed
