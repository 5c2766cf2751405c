"""Fresh processes that start in milliseconds, since torch and the core are imported once for all of them.

A server process imports both, and nothing of what is checked; each fresh process is a copy of it. A process that has
imported torch is safe to copy on Linux only; elsewhere the server becomes the fresh process, and the next has its own.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, cast

_COPIES = sys.platform == "linux"
_PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts it too, and it ends with the process it serves
sys.path[:] = {path!r}
from chainrule.testing import process_server  # with the whole kit, once for all processes
process_server.serve()
"""

_servers: dict[int, subprocess.Popen[str]] = {}
"""The server of this process, by its number: a copy of this process does not share it."""

_lock = threading.Lock()


def call_in_fresh_process(function: str, folder: Path, **arguments: Any) -> tuple[int, str]:
    """Call a function in a fresh process and return its exit status and the last line that it printed.

    Args:
        function: its module, a colon and its name; called with the folder and the arguments.
        folder: a folder for files of the function.
        arguments: of types that JSON has.
    """
    output = folder / "output"
    request = {
        "function": function,
        "arguments": {"folder": str(folder), **arguments},
        "output": str(output),
        "path": _path(),
        "directory": str(Path.cwd()),
        "environment": dict(os.environ),
    }
    with _lock:
        server = _running_server()
        try:
            print(json.dumps(request), file=server.stdin, flush=True)
            status = cast("Any", server.stdout).readline()
            returned = int(status) if status else server.wait()
        except KeyboardInterrupt:
            server.kill()  # its answer would be taken for that to the next request
            close_server()
            raise
    printed = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
    return returned, printed.strip().rpartition("\n")[2]


def _path() -> list[str]:
    """Return the folders that Python searches, without what it ignores there, such as a Path."""
    return [entry for entry in sys.path if isinstance(entry, str)]


def _running_server() -> subprocess.Popen[str]:
    """Return the server, started if there is none or it has ended."""
    found = _servers.get(os.getpid())
    if found is None or found.poll() is not None:
        close_server()
        program, pipe = _PROGRAM.format(path=_path()), subprocess.PIPE
        found = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True)
        _servers[os.getpid()] = found
        atexit.register(close_server)
    return found


def close_server() -> None:
    """End the server, if there is one."""
    server = _servers.pop(os.getpid(), None)
    if server is not None:
        server.communicate()
        atexit.unregister(close_server)


def serve() -> None:
    """Answer each request, a line of standard input, with an exit status, a line of standard output."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork() if _COPIES else 0
        if child == 0:
            _answer(request)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _answer(request: dict[str, Any]) -> NoReturn:
    """Call the function of a request and end the process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = 1
    with Path(request["output"]).open("w", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        try:
            os.environ.clear()
            os.environ.update(request["environment"])
            os.chdir(request["directory"])
            sys.path[:] = request["path"]
            module, name = request["function"].split(":")
            getattr(import_module(module), name)(**request["arguments"])
            status = 0
        except SystemExit as end:
            status = cast("int", end.code)
        except BaseException:  # noqa: BLE001 - it ends the process
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
