"""A command in a copied process does what it does in a new one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreter import COPIES, Interpreter

pytestmark = pytest.mark.skipif(not COPIES, reason="no process that has imported torch is copied here")
FINDS = """import os, sys, warnings
print(sys.argv, sys.orig_argv, sys.path, sys.executable, sys.flags, sys.warnoptions, __name__)
print(globals().get("__file__"))
print(sys.stdin.read(), sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering, sys.stderr.errors)
print(os.getcwd(), sorted(os.environ.items()), file=sys.stderr)
import atexit, threading
threading.Timer(0.1, print, ["a thread"]).start()
atexit.register(print, "the end")
"""
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
CODES = {
    "nothing": "",
    "what it finds": FINDS,
    "a status": "print('no flush'); raise SystemExit(259)",
    "no status": "import sys; sys.exit()",
    "a text as status": "import sys; sys.exit('θ')",
    "an error": "def f():\n    raise ValueError('no')\nf()",
    "an interrupt": "raise KeyboardInterrupt",
    "an interrupt from outside": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "a warning": "import warnings; warnings.warn('no')",
    "a failing end": "import atexit\nclass End:\n    __repr__ = lambda self: 'End'\n    __call__ = lambda self: 1 / 0\n"
    "atexit.register(End())",
}


@pytest.fixture(scope="module")
def python():
    return Interpreter(sys.executable, "-W", "error", environment=BUFFERED)


@pytest.fixture
def assert_alike(python, monkeypatch, tmp_path):
    """Return the function that compares a command in a new process with one in a copy, and what that prints."""

    def outcome(arguments, streams):
        with Path(os.devnull).open() as null:
            done = python.run(*arguments, env=environment, cwd=tmp_path, stdin=null, **streams)
        made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        return (done.returncode, done.stdout, done.stderr), made

    def compare(*arguments, variables=(), **streams):
        environment.update(variables)
        with monkeypatch.context() as patch:
            patch.setattr("tests.interpreter.COPIES", False)
            new = outcome(arguments, streams)
        for made in {path.parts[0] for path in new[1]} - {"script.py"}:
            shutil.rmtree(tmp_path / made)
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "call", lambda *_, **__: pytest.fail("it is no copy"))
            copied = outcome(arguments, streams)
        assert copied == new
        return copied[0]

    (tmp_path / "script.py").write_text(FINDS, encoding="utf-8")
    environment = {**BUFFERED, "PYTHONPATH": f"relative{os.pathsep}{tmp_path}", "COLUMNS": "50"}
    return compare


@pytest.mark.parametrize("code", CODES)
def test_a_copy_ends_and_prints_as_a_new_process(assert_alike, code):
    assert_alike("-c", CODES[code], "an argument")


@pytest.mark.parametrize("arguments", [["-m", "script", "a"], ["script.py", "a"], ["-m", "no_such_module"]])
def test_a_module_and_a_script_are_run_as_in_a_new_process(assert_alike, arguments):
    assert_alike(*arguments)


def test_an_output_that_cannot_be_written_ends_a_copy_as_a_new_process(assert_alike):
    with Path("/dev/full").open("w") as full:
        assert assert_alike("-c", "print('words')", stdout=full)[0] == 120


@pytest.mark.parametrize("encoding", ["ascii", "latin-1:replace", ":replace"])
def test_the_streams_of_a_copy_have_the_encoding_that_is_asked_for(assert_alike, encoding):
    assert_alike("-c", FINDS, variables={"PYTHONIOENCODING": encoding})


@pytest.mark.parametrize("command", ["show adam", "new loss fresh --directory fresh", "check mse -k repr*", "lits"])
def test_the_commands_print_and_write_what_they_do_in_a_new_process(assert_alike, command):
    assert_alike("-m", "chainrule", *command.split())


def test_a_copy_begins_with_torch_and_nothing_of_chainrule(python):
    """Whatever others have imported."""
    for code in ("import chainrule.optimizers, chainrule_plugins", ""):
        code = (
            f"import sys; print({{'torch', *(n for n in sys.modules if 'chainrule' in n)}} & {{*sys.modules}})\n{code}"
        )
        assert python.run("-c", code, env=BUFFERED).stdout == "{'torch'}\n"


def test_a_module_with_the_name_of_an_imported_one_is_found_in_a_new_process(python, tmp_path):
    (tmp_path / "torch.py").write_text("print('another')")
    assert python.run("-c", "import torch", cwd=tmp_path, env=BUFFERED).stdout == "another\n"
    path = {**BUFFERED, "PYTHONPATH": str(tmp_path)}
    assert python.run("-c", "import torch", env=path).stdout == "another\n"


def test_what_the_interpreter_or_torch_reads_when_it_starts_is_read_in_a_new_process(python):
    code = "import sys; print(sys.flags.optimize)"
    assert python.run("-c", code, env={**BUFFERED, "PYTHONOPTIMIZE": "1"}).stdout == "1\n"
