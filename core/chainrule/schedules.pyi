# ruff: noqa: N813
from typing import Any

from chainrule_plugins.schedules.constant import Constant as constant

__all__ = ["constant"]

def __getattr__(name: str) -> Any: ...
