"""Small real distributions in temporary folders, processes that see them, and steps that are traced alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.replaying import run_again
from tests.interpreter import STRICT


class Packages:
    """Folders of installed-looking distributions, put first on the path of a new Python process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: list[Path] = []

    def add(self, name, entry_points="", modules=None, *, version="1.0", folder="site"):
        site = self.root / folder
        if site not in self.folders:
            self.folders.append(site)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        text = entry_points.encode() if isinstance(entry_points, str) else entry_points
        (info / "entry_points.txt").write_bytes(text)
        for path, source in (modules or {}).items():
            file = site / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)

    def _settings(self, environment):
        path = [*map(str, self.folders), os.environ.get("PYTHONPATH", "")]
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, path)), "COLUMNS": "200", **environment}
        return {"env": {**os.environ, **variables}, "cwd": self.root}

    def run(self, *arguments, **environment):
        """Run a new Python."""
        command, settings = [sys.executable, *arguments], self._settings(environment)
        return subprocess.run(command, capture_output=True, text=True, check=False, **settings)

    def python(self, code, **environment):
        """Run code in a new process, in which it must succeed, and return what it printed."""
        return self._printed(self.run("-W", "error", "-c", code, **environment))

    def run_with_torch(self, *arguments, **environment):
        """Run a Python that has imported torch, which takes less time than a new one that does."""
        return STRICT.run(*arguments, **self._settings(environment))

    def python_with_torch(self, code):
        """Run code as `python` does, but in a process that has imported torch."""
        return self._printed(self.run_with_torch("-c", code))

    def _printed(self, done):
        assert done.returncode == 0, done.stderr
        return done.stdout

    def error(self, code, **environment):
        """Run an expression that must raise, and return the type and message of the error."""
        return self.python(
            "import chainrule\nfrom chainrule import registry\n"
            f"try:\n    value = {code}\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
            "else:\n    print('no error but', value)\n",
            **environment,
        )

    def chainrule(self, *arguments, **environment):
        return self.run_with_torch("-m", "chainrule", *arguments, **environment)


LIGER = """class Liger:
    \"\"\"Step by the sign of an interpolated momentum.

    Update:   ``d = sign(m)``
    Source:   a paper
    \"\"\"

    def __init__(self, lr=1e-4, *, decay: float = 0.0):
        self.lr = lr
"""


@pytest.fixture
def packages(tmp_path):
    return Packages(tmp_path)


@pytest.fixture
def liger(packages):
    """One third party's package with one optimizer."""
    packages.add(
        "chainrule-liger", "[chainrule.optimizers]\nliger = liger_package:Liger\n", {"liger_package.py": LIGER}
    )
    return packages


@pytest.fixture
def traced(monkeypatch):
    """Run steps and evaluations as they are traced; return the list of their graphs.

    To compile a graph takes seconds, and shows nothing of what a trace holds, for which steps it is taken and when it
    is made anew. What the compiler makes of traces is tested in training/steps/test_compiled.py.
    """
    from chainrule.training.steps import evaluation_functions, functions, launches

    graphs = []
    monkeypatch.setattr(functions, "compile_graph", lambda graph, _: graphs.append(graph) or graph.forward)
    monkeypatch.setattr(launches, "record", run_again)
    for cached in ((functions, "_by_graph"), (functions, "_by_form"), (evaluation_functions, "_by_form")):
        monkeypatch.setattr(*cached, {})
    return graphs
