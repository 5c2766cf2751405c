"""What the worker processes of commands have in common."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process


def end_with_the_parent() -> None:
    """Let this process end when the one that started it is gone, as by a kill, since nobody sends it tasks then."""

    def wait() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
