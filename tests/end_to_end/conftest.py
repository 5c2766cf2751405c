"""Real wheels, and a clean virtual environment into which they are installed."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.interpreter import Interpreter

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def make_wheel(folder, name, modules, entry_points="", *, version="1.0", metadata=""):
    """Write a wheel of the modules, texts by path, and return its file."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    texts = {
        **modules,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    record = f"{info}/RECORD"
    rows = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in texts.items()]
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**texts, record: "\n".join([*rows, f"{record},,"]) + "\n"}.items():
            archive.writestr(path, text)
    return wheel


def _digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def build_wheel(project, folder):
    """Build a project's wheel as its own build tool does, and return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _required(*names):
    """Return the distributions with these names and all that they require, without their extras."""
    found, wanted = set(), list(names)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            requirements = map(Requirement, metadata.distribution(name).requires or ())
            wanted += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


class Environment:
    """A virtual environment for chainrule's wheel with, by links, what that, its build, pytest and others require."""

    def __init__(self, folder, *others):
        self.folder = folder
        self.bin = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.bin.parent)], check=True)
        (site,) = self.bin.parent.glob("[Ll]ib/**/site-packages")
        dependencies = folder / "dependencies"
        dependencies.mkdir()
        for name in sorted(
            _required("chainrule", "pytest", "hatchling", "editables", "expecttest", *others) - {"chainrule"}
        ):
            distribution = metadata.distribution(name)
            for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
                link = dependencies / top
                if not link.exists():  # some distributions share a folder
                    link.symlink_to(distribution.locate_file(top))
        (site / "dependencies.pth").write_text(f"{dependencies}\n")
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CHAINRULE_DISABLE")}
        self.python = Interpreter(self.bin / "python", environment=clean | {"PYTHONWARNINGS": "error"})

    def run(self, command, *arguments, cwd=None, **variables):
        """Run a command of the environment, and return how it ended."""
        program = [] if command == "python" else [self.bin / command]
        environment = self.python.environment | {"COLUMNS": "200", **variables}
        return self.python.run(*program, *arguments, env=environment, cwd=cwd or self.folder)

    def output(self, command, *arguments, **settings):
        """Run a command that must succeed, and return what it printed."""
        done = self.run(command, *arguments, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pip(self, *arguments):
        """Run pip on the environment, without network."""
        done = subprocess.run(
            [*PIP, "--python", str(self.bin / "python"), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *arguments):
        """Install wheels or, with -e, a project."""
        self.pip("install", "-q", "--no-index", "--no-deps", "--no-build-isolation", *arguments)

    def sites(self, folder):
        """Return folders into which wheels can be installed beside the environment."""
        return Sites(self, folder)


class Sites:
    """Folders of installed wheels, put on the path of the environment's processes."""

    def __init__(self, environment, folder):
        self.environment = environment
        self.folder = folder
        self.wheels = {}  # those not yet installed, by the folder for them

    def add(self, name, modules, entry_points, *, site="site", **settings):
        """Make a wheel, which is installed into a folder before anything runs."""
        wheel = make_wheel(self.folder / "wheels", name, modules, entry_points, **settings)
        self.wheels.setdefault(self.folder / site, []).append(wheel)

    def install(self):
        """Install what was added, all wheels of a folder at once: that takes no longer than one."""
        for target, wheels in self.wheels.items():
            command = [*PIP, "install", "-q", "--no-index", "--no-deps", "--target", str(target), *map(str, wheels)]
            if wheels:
                subprocess.run(command, check=True, capture_output=True)
            wheels.clear()

    def run(self, command, *arguments, **variables):
        self.install()
        path = os.pathsep.join(map(str, self.wheels))
        return self.environment.run(command, *arguments, cwd=self.folder, PYTHONPATH=path, **variables)

    def chainrule(self, *arguments, **variables):
        return self.run("chainrule", *arguments, **variables)


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """One clean environment with chainrule's wheel."""
    folder = tmp_path_factory.mktemp("clean")
    environment = Environment(folder)
    environment.install(build_wheel(ROOT, folder / "wheel"))
    return environment


@pytest.fixture
def sites(environment, tmp_path):
    """Folders for the wheels of one test."""
    return environment.sites(tmp_path)
