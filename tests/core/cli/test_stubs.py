"""``chainrule stubs``: type checkers know what third parties' components take."""

import ast
import os
import subprocess
import sys

import pytest

BRISK = '''from chainrule import Optimizer, hyperparameter


class Brisk(Optimizer):
    """Go down."""

    momentum: float = hyperparameter(default=0.9)

    @classmethod
    def slow(cls) -> "Brisk":
        return cls(lr=1e-6)
'''
USE = """import chainrule
from chainrule.layers import linear
from chainrule.optimizers import brisk, slow, untyped
from chainrule.optimizers import misspelled

brisk(lr=1e-3, momentum="high")
linear(2)
reveal_type(slow())
reveal_type(chainrule.create("optimizers", "brisk", lr=1e-3))
reveal_type(chainrule.create("layer", "linear", 2, 3))
reveal_type(chainrule.get("losses", "mse")())
reveal_type(chainrule.create("callbacks", "progress"))
"""
MYPY = """[mypy]
strict = True
mypy_path = $MYPY_CONFIG_FILE_DIR/typings:{}
[mypy-torch.*]
follow_imports = skip
"""


@pytest.fixture
def installed(packages):
    packages.add(
        "typed",
        "[chainrule.optimizers]\nbrisk = brisk_rules:Brisk\nslow = brisk_rules:Brisk.slow\n",
        {"brisk_rules/__init__.py": BRISK, "brisk_rules/py.typed": ""},
    )
    packages.add("untyped", "[chainrule.optimizers]\nuntyped = untyped:Rule\n", {"untyped.py": "class Rule: pass\n"})
    packages.add("absent", "[chainrule.optimizers]\nabsent = no_such_module:Rule\n")
    return packages


def test_a_stub_names_what_can_be_imported_and_nothing_else(installed):
    done = installed.chainrule("stubs", "--out", "types", CHAINRULE_DISABLE="optimizers:adam")
    assert done.returncode == 0
    assert done.stderr == "chainrule: untyped has no py.typed, so mypy treats its components as Any.\n"
    written = {path.stem for path in (installed.root / "types" / "chainrule").iterdir()}
    assert {"__init__", "optimizers", "tasks"} <= written
    lines = (installed.root / "types" / "chainrule" / "optimizers.pyi").read_text(encoding="utf-8").splitlines()
    assert "absent: Any" in lines
    assert "from brisk_rules import Brisk as brisk" in lines
    assert "from brisk_rules import Brisk as _slow" in lines
    assert "slow = _slow.slow" in lines
    assert "from untyped import Rule as untyped  # type: ignore[import-untyped, unused-ignore]" in lines
    exported = ast.literal_eval(lines[-1].removeprefix("__all__ = "))
    assert exported == sorted(exported)
    assert {"absent", "adadelta", "brisk", "slow", "untyped"} <= set(exported)
    assert "adam" not in exported


def test_stubs_are_written_anew_but_over_nothing_else(installed):
    assert installed.chainrule("stubs").returncode == 0
    assert installed.chainrule("stubs").returncode == 0
    stub = installed.root / "typings" / "chainrule" / "__init__.pyi"
    stub.write_text("mine = 3\n")
    done = installed.chainrule("stubs")
    assert done.returncode == 1
    assert "exists and was not written by chainrule stubs. Choose another with --out." in done.stderr
    assert stub.read_text() == "mine = 3\n"


def test_the_stubs_are_written_without_importing_torch_or_plugins(installed):
    code = (
        "import sys\n"
        "from chainrule.cli.main import main\n"
        "sys.argv = ['chainrule', 'stubs']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'torch', 'chainrule_plugins', 'brisk_rules'})"
    )
    assert installed.python(code).splitlines()[-1] == "set()"


def test_mypy_holds_calls_against_third_parties_signatures(installed):
    pytest.importorskip("mypy")
    assert installed.chainrule("stubs").returncode == 0
    (installed.root / "use.py").write_text(USE)
    (installed.root / "mypy.ini").write_text(MYPY.format(installed.folders[0]))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "use.py"],
        env={**os.environ, "MYPY_CACHE_DIR": str(installed.root / "cache")},
        cwd=installed.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.partition(": ")[2] for line in done.stdout.splitlines()[:-1]] == [
        'error: Module "chainrule.optimizers" has no attribute "misspelled"  [attr-defined]',
        'error: Argument "momentum" to "Brisk" has incompatible type "str"; expected "float"  [arg-type]',
        'error: Missing positional argument "out_features" in call to "Linear"  [call-arg]',
        'note: Revealed type is "brisk_rules.Brisk"',
        'note: Revealed type is "chainrule.base.optimizer.Optimizer"',
        'note: Revealed type is "chainrule.base.module.Module"',
        'note: Revealed type is "chainrule.base.loss.Loss"',
        'note: Revealed type is "Any"',
    ]
