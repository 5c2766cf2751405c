"""``chainrule new``: the packages it writes, and what it refuses."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from chainrule.cli import scaffold
from chainrule.errors import ChainruleError
from chainrule.registry.kinds import KINDS, singular

ROOT = Path(__file__).parents[3]


def _new(packages, *arguments):
    return packages.chainrule("new", *arguments)


def _files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def each_kind(tmp_path_factory):
    """A folder with a new package of each kind."""
    folder = tmp_path_factory.mktemp("each_kind")
    for kind in KINDS:
        texts = scaffold.package_files(kind, f"new_{singular(kind)}", "mit")
        scaffold.write_package(texts, folder / f"chainrule-new-{singular(kind)}")
    return folder


def test_a_package_has_all_that_it_needs(packages):
    done = _new(packages, "optimizer", "fresh")
    assert done.returncode == 0, done.stderr
    package = packages.root / "chainrule-fresh"
    assert _files(package) == {
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/chainrule_fresh/__init__.py",
        "src/chainrule_fresh/py.typed",
        "tests/test_fresh.py",
    }
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "chainrule-fresh"
    assert project["entry-points"] == {
        "chainrule.api": {"1": "chainrule:API"},
        "chainrule.optimizers": {"fresh": "chainrule_fresh:Fresh"},
    }
    assert "chainrule check optimizers:fresh" in done.stdout
    assert list(packages.root.iterdir()) == [package]


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_has_the_sections_of_its_kind(kind):
    texts = scaffold.package_files(kind, "fresh", "none")
    (cls,) = [
        node for node in ast.parse(texts["src/chainrule_fresh/__init__.py"]).body if isinstance(node, ast.ClassDef)
    ]
    assert cls.name == "Fresh"
    sections = {
        "layers": {"Forward", "Backward", "Shapes", "Source"},
        "activations": {"Forward", "Backward", "Shapes", "Source"},
        "losses": {"Forward", "Backward", "Shapes", "Source"},
        "initializers": {"Values", "Source"},
        "optimizers": {"Update", "Variant", "Source"},
        "schedules": {"Factor", "Source"},
        "callbacks": {"Watches"},
        "metrics": {"Value", "Shapes", "Source"},
        "tasks": {"Data", "Network", "Source"},
    }
    assert all(f"\n{section}:" in ast.get_docstring(cls) for section in sections[kind])


@pytest.mark.parametrize(
    ("chosen", "first_line"),
    [
        ("mit", "MIT License"),
        ("MIT", "MIT License"),
        ("bsd-3-clause", "BSD 3-Clause License"),
        ("BSD-3-Clause", "BSD 3-Clause License"),
        ("none", None),
    ],
)
def test_the_license_is_chosen(packages, chosen, first_line):
    assert _new(packages, "loss", "fresh", "--license", chosen).returncode == 0
    package = packages.root / "chainrule-fresh"
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if first_line is None:
        assert not (package / "LICENSE").exists()
        assert "license" not in project
    else:
        assert (package / "LICENSE").read_text(encoding="utf-8").startswith(first_line)
        assert project["license-files"] == ["LICENSE"]


@pytest.mark.parametrize(("name", "package"), [("lambda_", "chainrule-lambda"), ("a__b", "chainrule-a-b")])
def test_a_name_with_odd_underscores_gives_a_package_that_can_be_built(name, package, tmp_path):
    assert scaffold.package_name(name) == package
    scaffold.write_package(scaffold.package_files("losses", name, "mit"), tmp_path / "new")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(build, cwd=tmp_path / "new", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "new" / "dist").glob("*.whl")
    assert f"{package.replace('-', '_')}/__init__.py" in zipfile.ZipFile(wheel).namelist()


def test_what_to_do_next_can_be_pasted_where_a_folder_has_a_space(packages):
    done = _new(packages, "loss", "fresh", "--directory", "my loss")
    assert done.stdout.splitlines()[-3:] == [
        '  pip install -e "my loss[test]"',
        "  chainrule check losses:fresh",
        '  pytest "my loss"',
    ]


def test_an_interrupt_half_way_leaves_nothing(packages):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chainrule.cli.main import main\n"
        "write = Path.write_text\n"
        "def interrupted(self, *arguments, **settings):\n"
        "    if self.name == 'README.md':\n"
        "        raise KeyboardInterrupt\n"
        "    return write(self, *arguments, **settings)\n"
        "Path.write_text = interrupted\n"
        "sys.argv = ['chainrule', 'new', 'loss', 'fresh']\n"
        "main()\n"
    )
    done = packages.run("-c", code)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert list(packages.root.iterdir()) == []


def test_an_empty_folder_is_a_target(packages):
    (packages.root / "mine").mkdir()
    assert _new(packages, "schedule", "fresh", "--directory", "mine").returncode == 0
    assert (packages.root / "mine" / "pyproject.toml").is_file()


def test_an_empty_folder_is_filled_rather_than_replaced_which_a_mount_point_cannot_be(tmp_path):
    (target := tmp_path / "mounted").mkdir()
    before, texts = target.stat().st_ino, scaffold.package_files("optimizers", "fresh", "mit")
    scaffold.write_package(texts, target)
    assert target.stat().st_ino == before
    assert _files(tmp_path) == {f"mounted/{path}" for path in texts}
    assert not list(target.glob(".mounted-*"))


USED = "the name and its class must not shadow names that its code uses"
REFUSED = {
    "a kind that does not exist": (["optimiser", "fresh"], 'Did you mean "optimizers"'),
    "commands": (["command", "fresh"], "the kind must be one of layer, activation"),
    "a capital": (
        ["optimizer", "Fresh"],
        'the name must match [a-z][a-z0-9_]* and not be a Python keyword, got "Fresh"',
    ),
    "a hyphen": (["optimizer", "my-rule"], "the name must match"),
    "a keyword": (["optimizer", "class"], "the name must match"),
    "a folder": (["optimizer", "../fresh"], "the name must match"),
    "a built-in's name": (["optimizer", "adam"], '"adam" is already registered among the optimizers, by chainrule.'),
    "a module of chainrule": (
        ["optimizer", "plugins"],
        'the package of "plugins", chainrule-plugins, is already installed.',
    ),
    "the parent's name": (["optimizer", "optimizer"], f'{USED}, got "optimizer" and Optimizer.'),
    "a name of the test": (["layer", "callable"], USED),
    "a value": (["layer", "none"], USED),
    "an exception": (["layer", "exception"], USED),
    "a name of the example": (["schedule", "adam"], USED),
    "a function of the example": (["loss", "print"], USED),
    "what pytest collects": (["layer", "test_x"], 'the name must not begin with test, got "test_x"'),
    "a name too long": (["layer", "a" * 300], "must be writable, got File name too long"),
    "a license": (["optimizer", "fresh", "--license", "gpl"], "--license must be one of mit, bsd-3-clause, none"),
    "no folder above": (["optimizer", "fresh", "--directory", "no/fresh"], "must be in an existing folder"),
    "the current folder": (["optimizer", "fresh", "--directory", "."], "an empty one that is not the current one"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_work_is_refused_in_one_line_and_nothing_written(packages, arguments, message):
    done = _new(packages, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert message in line
    assert list(packages.root.iterdir()) == []


def test_a_third_partys_name_is_taken(liger):
    assert (
        '"liger" is already registered among the optimizers, by chainrule-liger.'
        in _new(liger, "optimizer", "liger").stderr
    )
    assert 'the package of "liger", chainrule-liger, is already installed.' in _new(liger, "layer", "liger").stderr
    assert not (liger.root / "chainrule-liger").exists()


@pytest.mark.parametrize("occupant", ["a file", "a folder with something in it"])
def test_an_occupied_target_is_refused_and_left_alone(packages, occupant):
    target = packages.root / "chainrule-fresh"
    if occupant == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    before = _files(packages.root)
    done = _new(packages, "optimizer", "fresh")
    assert done.returncode == 1
    assert "the target must be a new folder" in done.stderr
    assert _files(packages.root) == before


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch):
    written = []
    write_text = Path.write_text

    def fail_at_the_third(self, *arguments, **settings):
        written.append(self)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return write_text(self, *arguments, **settings)

    monkeypatch.setattr(Path, "write_text", fail_at_the_third)
    with pytest.raises(ChainruleError, match=r"must be writable, got No space left on device\."):
        scaffold.write_package(scaffold.package_files("optimizers", "fresh", "mit"), tmp_path / "fresh")
    assert list(tmp_path.iterdir()) == []


def test_new_packages_pass_this_projects_ruff(each_kind):
    pytest.importorskip("ruff")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"plugins/**"' in settings
    (each_kind / "pyproject.toml").write_text(
        # A plugin's overriding methods need no docstrings; here they stand in src.
        settings.replace('src = [".", "core", "plugins", "tests"]', 'src = ["*/src"]')
        .replace('"plugins/**"', '"*/src/**"')
        .replace('"tests/**"', '"*/tests/**"'),
        encoding="utf-8",
    )
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", "pyproject.toml", "."]
        done = subprocess.run(ruff, cwd=each_kind, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_new_packages_pass_mypy_strict(each_kind, tmp_path):
    pytest.importorskip("mypy")
    sources, tests = each_kind.glob("*/src/*/__init__.py"), each_kind.glob("*/tests/*.py")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache")]  # knows torch already
    done = subprocess.run(
        [*mypy, *map(str, [*sources, *tests])],
        env={**os.environ, "MYPYPATH": os.pathsep.join(map(str, each_kind.glob("*/src")))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_new_packages_pass_their_own_tests_and_with_them_all_checks(each_kind, packages):
    for kind in KINDS:
        name = f"new_{singular(kind)}"
        source = each_kind / f"chainrule-new-{singular(kind)}" / "src" / f"chainrule_{name}" / "__init__.py"
        class_name = "".join(part.capitalize() for part in name.split("_"))
        packages.add(
            f"chainrule-new-{singular(kind)}",
            f"[chainrule.{kind}]\n{name} = chainrule_{name}:{class_name}\n",
            {f"chainrule_{name}/__init__.py": source.read_text(encoding="utf-8")},
        )
    pytest_run = ["-m", "pytest", "-q", "--import-mode=importlib", "-W", "error", "-p", "no:cacheprovider"]
    tested = packages.run_with_torch(*pytest_run, *map(str, each_kind.glob("*/tests")))
    assert tested.returncode == 0, tested.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_the_readmes_example_runs(each_kind, packages, kind):
    name = f"new_{singular(kind)}"
    package = each_kind / f"chainrule-new-{singular(kind)}"
    code = (package / "README.md").read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    class_name = "".join(part.capitalize() for part in name.split("_"))
    source = (package / "src" / f"chainrule_{name}" / "__init__.py").read_text(encoding="utf-8")
    packages.add(
        package.name,
        f"[chainrule.{kind}]\n{name} = chainrule_{name}:{class_name}\n",
        {f"chainrule_{name}/__init__.py": source},
    )
    packages.python_with_torch(code)
