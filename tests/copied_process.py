"""The process whose copies `tests.interpreter` makes into commands: it imports what they need, but nothing tested.

It is started with the number of a socket. Each message brings a request, a file of JSON, and a command's stdin, stdout
and stderr; the answer is the exit status, or "new" where a module that the command may import has the name of one that
is imported already, which only a new interpreter would look for.
"""

import atexit
import codecs
import gc
import importlib
import itertools
import json
import multiprocessing.process
import os
import runpy
import signal
import site
import socket
import sys
import threading
import types
import warnings
from pathlib import Path

NEEDED = ("torch", "typer", "rich.markdown")
"""What most commands import, none of which reads a variable that may change when it is imported."""

FOLDERS = sys.path[1:]
SITES = {*site.getsitepackages(), site.getusersitepackages()}
BEFORE_SITES = list(itertools.takewhile(lambda folder: folder not in SITES, FOLDERS))


def main():
    server = socket.socket(fileno=int(sys.argv[1]))
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is meant for the tests
    sys.path[:] = FOLDERS
    for name in NEEDED:
        importlib.import_module(name)
    imported = {name.partition(".")[0] for name in sys.modules}
    assert not any(name.startswith("chainrule") for name in imported)
    gc.freeze()  # the memory that a collection writes to is no longer shared with the copies
    while (received := socket.recv_fds(server, 1, 4))[0]:
        request, *streams = received[1]
        with os.fdopen(request, encoding="utf-8") as file:
            request = json.load(file)
        if any(_hides(Path(request["directory"], folder), imported) for folder in _first_folders(request)):
            answer = "new"
        else:
            with warnings.catch_warnings(action="ignore"):  # of the threads that numpy may have started
                child = os.fork()
            if child == 0:
                server.close()
                signal.signal(signal.SIGINT, on_interrupt)
                _become(request, streams)
                return
            answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for stream in streams:
            os.close(stream)
        server.sendall(str(answer).encode())
    os._exit(0)


def _first_folders(request):
    """Return the folders that are searched before Python's own, the first of them that of the program."""
    program, directory = request["arguments"][0], request["directory"]
    own = {"-c": "", "-m": directory}.get(program, str(Path(directory, program).resolve().parent))
    return [own, *filter(None, request["environment"].get("PYTHONPATH", "").split(os.pathsep))]


def _hides(folder, imported):
    """Return whether a folder holds a module with the name of an imported one."""
    files = folder.iterdir() if folder.is_dir() else ()
    modules = [each for each in files if each.suffix in (".py", ".so") or (each / "__init__.py").exists()]
    return any(each.name.partition(".")[0] in imported for each in modules)


def _become(request, streams):
    """Turn this copy into the process of a command, and run that."""
    _encode_streams(request["environment"].get("PYTHONIOENCODING", ""))
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    multiprocessing.process.ORIGINAL_DIR = request["directory"]  # noted when it was imported
    program, *paths = _first_folders(request)
    sys.path[:] = [*paths, *BEFORE_SITES]
    site.addsitepackages(site.addusersitepackages(site.removeduppaths()))
    sys.path.insert(0, program)
    importlib.invalidate_caches()
    arguments = request["arguments"]
    sys.orig_argv = [sys.executable, *request["options"], *arguments]
    sys.excepthook = _print_error
    try:
        _run(*arguments)
        status = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        status = end.code or 0
    _end(status)


def _encode_streams(wanted):
    """Give the streams an encoding and error handler, such as "ascii:replace", while their files are the server's."""
    encoding, _, errors = wanted.partition(":")
    name = codecs.lookup(encoding).name if encoding else None
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(encoding=name, errors=errors or None)
    sys.stderr.reconfigure(encoding=name, errors="backslashreplace")


def _run(program, *arguments):
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    if program == "-m":
        sys.argv = [program, *arguments[1:]]
        runpy._run_module_as_main(arguments[0])
    elif program == "-c":
        sys.argv = [program, *arguments[1:]]
        exec(arguments[0], vars(module))  # noqa: S102
    else:
        sys.argv, module.__file__ = [program, *arguments], str(Path(program).absolute())
        exec(compile(Path(program).read_bytes(), module.__file__, "exec"), vars(module))  # noqa: S102


def _print_error(kind, error, trace):
    """Print an error that ends the process, with a traceback that begins in the command's own code."""
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def _end(status):
    """End the process as the interpreter does, without taking torch apart, which takes as long as a short command."""
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        sys.exit(status)  # for the interpreter to tell
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
