"""The kit's fresh processes know nothing of this one but what they are given, and outlive each other's ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chainrule.testing import process_server
from chainrule.testing.process_server import call_in_fresh_process

SERVED = f"{__name__.rpartition('.')[2]}:"
left_behind = []


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def without_copies(monkeypatch):
    """Start servers that become the process that is asked for, as where a process cannot be copied."""
    own = process_server._PROGRAM.replace(
        "process_server.serve", "process_server._COPIES = False\nprocess_server.serve"
    )
    monkeypatch.setattr(process_server, "_PROGRAM", own)
    process_server.close_server()
    yield
    process_server.close_server()


def what_it_finds(folder):
    print(os.getpid(), Path.cwd(), os.environ.get("FOUND"), left_behind, "torch" in sys.modules)
    left_behind.append(folder)


def fail(folder, status):
    print("a line")
    sys.exit(status)


def raise_one(folder):
    raise ValueError("no such thing")


def die(folder, by):
    os.kill(os.getpid(), by)
    time.sleep(60)


def interrupt(folder, number):
    os.kill(number, signal.SIGINT)
    time.sleep(1)


def test_each_is_another_process_with_the_directory_and_environment_of_now(tmp_path, monkeypatch):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("FOUND", name)
        status, printed = call_in_fresh_process(f"{SERVED}what_it_finds", tmp_path)
        number, rest = printed.split(" ", 1)
        found.append(int(number))
        assert (status, rest) == (0, f"{tmp_path / name} {name} [] True")
    assert len({os.getpid(), *found}) == 3


def test_the_end_of_one_is_told_and_leaves_the_next_alone(tmp_path):
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=7) == (7, "a line")
    assert call_in_fresh_process(f"{SERVED}raise_one", tmp_path) == (1, "ValueError: no such thing")
    assert call_in_fresh_process(f"{SERVED}die", tmp_path, by=signal.SIGKILL) == (-signal.SIGKILL, "")
    assert call_in_fresh_process(f"{SERVED}die", tmp_path, by=signal.SIGINT) == (-signal.SIGINT, "")
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=0) == (0, "a line")


def test_where_a_process_cannot_be_copied_each_is_a_new_one(without_copies, tmp_path):
    assert call_in_fresh_process(f"{SERVED}die", tmp_path, by=signal.SIGKILL) == (-signal.SIGKILL, "")
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=7) == (7, "a line")
    server = process_server._running_server().pid
    status, printed = call_in_fresh_process(f"{SERVED}what_it_finds", tmp_path)
    number, rest = printed.split(" ", 1)
    assert (status, int(number)) == (0, server)
    assert rest.endswith(" [] True")


def test_a_server_that_was_ended_is_started_again(tmp_path):
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=3) == (3, "a line")
    server = process_server._servers[os.getpid()]
    server.kill()
    server.wait()
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=4) == (4, "a line")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server ends with each process")
def test_an_interrupt_from_the_terminal_leaves_the_server_at_work(tmp_path, capfd):
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=0) == (0, "a line")
    process_server._servers[os.getpid()].send_signal(signal.SIGINT)
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=4) == (4, "a line")
    assert capfd.readouterr().err == ""


@pytest.fixture
def interruptible():
    """Let an interrupt raise KeyboardInterrupt, also in a job in the background, whose shell lets it ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_after_an_interrupted_call_the_next_gets_its_own_answer(interruptible, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        call_in_fresh_process(f"{SERVED}interrupt", tmp_path, number=os.getpid())
    assert call_in_fresh_process(f"{SERVED}fail", tmp_path, status=4) == (4, "a line")


def test_threads_take_turns(tmp_path):
    statuses = {}

    def ask(status):
        folder = tmp_path / str(status)
        folder.mkdir()
        statuses[status] = call_in_fresh_process(f"{SERVED}fail", folder, status=status)[0]

    threads = [threading.Thread(target=ask, args=(status,)) for status in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {status: status for status in range(8)}


def test_no_server_is_left_when_the_process_ends(tmp_path):
    code = (
        "import os; from pathlib import Path; from chainrule.testing import process_server as p\n"
        f"p.call_in_fresh_process('{SERVED}fail', Path({str(tmp_path)!r}), status=0)\n"
        "print(p._servers[os.getpid()].pid)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)
