"""Workers of a command end when the command is killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule import ChainruleError
from chainrule_lab.sweep import executors

COMMAND = """
import os, time
from chainrule_lab.sweep.executors import executor_of
with executor_of("sweep", 1, "") as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def runs(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_system_without_a_place_for_shared_locks_is_told_in_one_line(monkeypatch):
    def without_shared_memory(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(executors, "ProcessPoolExecutor", without_shared_memory)
    words = "^bench: worker processes must have a place for the locks .* Read-only file system. Make it writable, or"
    with pytest.raises(ChainruleError, match=words), executors.executor_of("bench", 2, ""):
        pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_ends_when_the_process_that_started_it_was_killed(kill):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    command = subprocess.Popen([sys.executable, "-c", COMMAND], text=True, **streams)
    with command.stdout as stream:
        worker = int(stream.readline())
    assert runs(worker)
    command.send_signal(kill)
    command.wait()
    end = time.monotonic() + 30
    while runs(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(worker)
