"""Annotations as they are written, whether or not the names in them are defined."""

from __future__ import annotations

import inspect
import sys
from typing import Any


def own_annotations(cls: type) -> dict[str, Any]:
    """Return the annotations that the class itself has, unevaluated where its module postpones that."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(cls)
