"""A function in a copy of this process, which spares it the import of torch. Needs os.fork."""

import os
import traceback
from collections.abc import Callable


def start(function: Callable[[], object]) -> int:
    """Call a function in a new process, which prints its error and exits with 1 where it fails; return its number."""
    if process := os.fork():
        return process
    code = 1
    try:
        function()
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends with it
        traceback.print_exc()
    finally:
        os._exit(code)
