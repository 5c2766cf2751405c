"""Commands of Python in processes that spare the import of torch, most of a short command's time.

They are copies of one process that has imported it, typer and rich, and nothing of chainrule: see
`tests.copied_process`. A command is told from one in a new process by its hash seed, which is that of all copies, and
by these in sys.modules from the start; tests about either, about closed streams or about the options of the interpreter
start new ones.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

COPIES = sys.platform == "linux"  # elsewhere a process that has imported torch cannot be copied safely
READ_LATER = {
    *("CHAINRULE_DISABLE", "COLUMNS", "FORCE_COLOR", "HOME", "NO_COLOR", "PYTHONIOENCODING", "PYTHONPATH", "TERM"),
    *("TORCHINDUCTOR_CACHE_DIR", "_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR"),  # set by torch where it compiles
}
"""The variables that may change: Python, torch, typer and rich do not read them at the start, or copies do anew."""


class Interpreter:
    """A Python whose commands are copies of one process, where that shows no difference.

    Args:
        python: the executable.
        options: that it is started with, such as -W error.
        environment: that it is started with; if not given, that of this process when it first runs a command.
    """

    def __init__(self, python, *options, environment=None):
        self.command = [str(python), *options]
        if environment is not None:
            self.environment = environment

    @cached_property
    def environment(self):
        return dict(os.environ)

    def run(self, *arguments, env=None, cwd=None, text=True, **streams):
        """Run a program, given by -c, -m or its file, and return how it ended, as `subprocess.run` does.

        Args:
            arguments: the program and its arguments.
            env: its variables; if not given, those of this process.
            cwd: its working directory.
            text: whether its output is returned as text.
            streams: of stdin, stdout and stderr, those that are files; stdout and stderr are captured otherwise.
        """
        arguments, env = list(map(str, arguments)), dict(os.environ if env is None else env)
        with ExitStack() as stack:
            captured = {
                name: stack.enter_context(tempfile.TemporaryFile("w+" if text else "w+b"))
                for name in ("stdout", "stderr")
                if name not in streams
            }
            status = self._status_of_copy(arguments, env, cwd, **streams, **captured)
            if status is None:
                status = subprocess.call([*self.command, *arguments], env=env, cwd=cwd, **streams, **captured)
            for file in captured.values():
                file.seek(0)
            output = {name: file.read() for name, file in captured.items()}
            return subprocess.CompletedProcess([*self.command, *arguments], status, **output)

    def _status_of_copy(self, arguments, env, cwd, stdout, stderr, stdin=0):
        """Run a command in a copy, and return its exit status, or None where it needs a new process."""
        changed = {name for name, _ in self.environment.items() ^ env.items() if not name.startswith("PYTEST_")}
        has_options = arguments[0].startswith("-") and arguments[0] not in ("-c", "-m")
        if not COPIES or has_options or not changed <= READ_LATER:
            return None
        request = {
            "options": self.command[1:],
            "arguments": arguments,
            "environment": env,
            "directory": str(Path(cwd or ".").absolute()),
        }
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            json.dump(request, file)
            file.seek(0)
            files = [each if isinstance(each, int) else each.fileno() for each in (file, stdin, stdout, stderr)]
            socket.send_fds(self._server, [b"r"], files)
        answer = self._server.recv(16).decode()
        return None if answer == "new" else int(answer)

    @cached_property
    def _server(self):
        """The connection to the process of which copies are made; closing it ends the process."""
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = [*self.command, str(Path(__file__).with_name("copied_process.py")), str(number)]
            env = {name: value for name, value in self.environment.items() if name not in READ_LATER}
            null = subprocess.DEVNULL
            server = subprocess.Popen(command, env=env, pass_fds=[number], stdin=null, stdout=null)
        atexit.register(server.wait)
        atexit.register(ours.close)  # the last registered is called first
        return ours


STRICT = Interpreter(sys.executable, "-W", "error")
"""This Python, where every warning is an error."""
