# ruff: noqa: N813
from typing import Any

from chainrule_lab.tasks.circle import Circle as circle

__all__ = ["circle"]

def __getattr__(name: str) -> Any: ...
