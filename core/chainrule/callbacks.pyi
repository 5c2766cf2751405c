# ruff: noqa: N813
from typing import Any

from chainrule_plugins.callbacks.history_file import HistoryFile as history_file
from chainrule_plugins.callbacks.progress import Progress as progress

__all__ = ["history_file", "progress"]

def __getattr__(name: str) -> Any: ...
