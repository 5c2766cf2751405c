"""Output of the commands on streams that are closed, full or broken, and on terminals of any width and colour."""

import fcntl
import functools
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import threading
import warnings
from pathlib import Path

import pytest

from chainrule.cli import output
from tests.interpreter import STRICT

COMMANDS = {"--version": 0, "--help": 0, "list": 0, "list --json": 0, "show optimizer": 0, "list lino": 1, "lits": 2}
COMMAND = pytest.mark.parametrize(("command", "status"), COMMANDS.items())
FULL = "chainrule: standard output must be writable, got No space left on device. Send it elsewhere, or make room.\n"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PRINTS = '''import typer
def chatter(fail: bool = False) -> None:
    """Print without a flush."""
    print("words", "θ ✓")
    raise typer.Exit(1) if fail else typer.Exit(0)
'''


def chainrule(command, **settings):
    """Run a command with some of its streams replaced."""
    return STRICT.run("-m", "chainrule", *command.split(), text=False, **settings)


usual = functools.cache(chainrule)


def in_shell(command, redirection):
    """Run a command in a new Python, started by a shell that redirects its streams."""
    line = f"exec {shlex.quote(sys.executable)} -W error -m chainrule {command} {redirection}"
    return subprocess.run(["/bin/sh", "-c", line], check=False, capture_output=True)


@pytest.mark.parametrize(
    ("command", "status"),
    [pytest.param(*each, marks=pytest.mark.slow if each[0].startswith("show") else ()) for each in COMMANDS.items()],
)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_the_null_device(command, status, closed):
    done = in_shell(command, closed)
    assert done.returncode == usual(command).returncode == status
    assert done.stdout == (b"" if ">&-" in closed.split() else usual(command).stdout)
    assert done.stderr == (b"" if "2>&-" in closed.split() else usual(command).stderr)


def test_a_file_does_not_take_the_place_of_a_closed_stream(tmp_path):
    out = tmp_path / "typings"
    assert in_shell(f"stubs --out {out}", ">&- 2>&-").returncode == 0
    for file in (out / "chainrule").iterdir():
        assert "Wrote" not in file.read_text(encoding="utf-8")


@pytest.fixture
def full():
    with Path("/dev/full").open("wb") as file:
        yield file


@COMMAND
def test_a_full_stdout_is_one_line_and_a_full_stderr_changes_nothing(command, status, full):
    done = chainrule(command, stdout=full)
    assert (done.returncode, done.stderr.decode()) == ((1, FULL) if status == 0 else (status, done.stderr.decode()))
    assert b"Traceback" not in done.stderr
    assert chainrule(command, stdout=full, stderr=full).returncode == max(status, 1)
    assert chainrule(command, stderr=full).returncode == status


@COMMAND
def test_a_reader_that_has_gone_ends_a_command_in_silence(command, status):
    reader, writer = os.pipe()
    os.close(reader)
    done = chainrule(command, stdout=writer)
    os.close(writer)
    assert done.returncode == max(status, 1)
    assert status or not done.stderr


def test_what_a_plugin_prints_without_a_flush_is_not_lost_in_silence(packages, full):
    packages.add("chatter", "[chainrule.commands]\nchatter = chatter:chatter\n", {"chatter.py": PRINTS})
    environment = {"PYTHONPATH": str(packages.folders[0]), "PYTHONIOENCODING": "ascii"}
    done = chainrule("chatter", stdout=full, env=os.environ | environment)
    assert (done.returncode, done.stderr.decode()) == (1, FULL)
    reader, writer = os.pipe()
    os.close(reader)
    gone = chainrule("chatter", stdout=writer, env=os.environ | environment)
    os.close(writer)
    assert (gone.returncode, gone.stderr) == (1, b"")
    assert packages.chainrule("chatter", **environment).stdout == "words \\u03b8 \\u2713\n"
    assert packages.chainrule("chatter", "--fail", **environment).returncode == 1


@functools.cache
def in_terminal(*arguments, columns=80, **environment):
    """Run a command in a terminal with this number of columns; return its status and output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    output = bytearray()

    def read():
        try:
            while part := os.read(ours, 65536):
                output.extend(part)
        except OSError:  # how Linux tells that the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    env = kept | {"TERM": "xterm"} | environment
    done = STRICT.run("-m", "chainrule", *arguments, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    reader.join()
    os.close(ours)
    return done.returncode, output.decode().replace("\r", "")


@pytest.mark.parametrize("columns", [0, 5, 40])
def test_a_narrow_terminal_hides_no_command_and_no_name(columns):
    listed = ["cross_entropy", "history_file"] if columns != 5 else ["adam", "relu"]  # 20 columns fold long names
    for arguments, words in ((["--help"], ["doctor", "stubs"]), (["list"], listed)):
        status, output = in_terminal(*arguments, columns=columns)
        assert status == 0
        assert all(word in output for word in words)
    status, output = in_terminal("lits", columns=columns)
    assert status == 2
    assert "No such" in output


@pytest.mark.parametrize("columns", ["0", "1", "-5", "many"])
def test_a_senseless_number_of_columns_is_not_that_of_the_terminal(columns):
    for arguments, word in ((["--help"], "doctor"), (["list"], "adam")):
        printed = in_terminal(*arguments, COLUMNS=columns)
        assert printed == in_terminal(*arguments, columns=20 if columns == "1" else 80)
        assert word in printed[1]


@pytest.mark.parametrize(
    ("environment", "bold", "colours"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, False),
    ],
    ids=str,
)
def test_styles_are_those_that_the_terminal_and_its_user_want(environment, bold, colours):
    status, output = in_terminal("check", "circle", "-k", "splits_share*", **environment)
    assert status == 0
    codes = set(CODES.findall(output))
    assert any("[32m" in code for code in codes) == colours
    assert ("\x1b[1m" in codes) == bold
    assert "ok" in CODES.sub("", output)


def test_a_pipe_gets_colours_only_if_forced():
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    assert b"\x1b" not in chainrule("show optimizer", env=environment).stdout
    forced = environment | {"FORCE_COLOR": "1", "TERM": "xterm"}
    assert b"\x1b[1m" in chainrule("show optimizer", env=forced).stdout


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1", "cp1252"])
def test_every_encoding_can_hold_the_output(encoding):
    for command in ("--help", "list", "show optimizer"):
        done = chainrule(command, env=os.environ | {"PYTHONIOENCODING": encoding})
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode(encoding.partition(":")[0])


def test_only_warnings_of_the_users_own_code_are_shown_with_their_place(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    output.shorten_warnings()
    told = [warnings.formatwarning("fit: one\nline.", UserWarning, file, 3, "") for file in (output.__file__, "own.py")]
    assert told == ["chainrule: warning: fit: one line.\n", "own.py:3: UserWarning: fit: one\nline.\n"]
