"""Settings as figures and messages show them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

LEAST, MOST = 3, 17
"""The digits of a number: the fewest that are shown, and those that tell any two apart."""


def short(number: float, digits: int = LEAST) -> str:
    """Return a number whole where six digits do, else in so many."""
    whole = f"{number:g}"
    return whole if math.isclose(float(whole), number, rel_tol=1e-7) else f"{number:.{digits}g}"


def told_apart(values: Sequence[Any]) -> list[str]:
    """Return the text of each value, with no more digits and arguments than tell different ones apart."""
    count = len({_text(value, MOST, whole=True) for value in values})
    forms = ((digits, whole) for whole in (False, True) for digits in range(LEAST, MOST + 1))
    texts = ([_text(value, digits, whole=whole) for value in values] for digits, whole in forms)
    return next(found for found in texts if len(set(found)) == count)


def _text(value: Any, digits: int, *, whole: bool) -> str:
    if isinstance(value, dict):
        given = [f"{key}={_text(one, digits, whole=whole)}" for key, one in value.items() if key != "name"]
        if "name" not in value:
            return json.dumps(value)
        return f"{value['name']}({', '.join(given)})" if whole and given else str(value["name"])
    if isinstance(value, list):
        return ", ".join(_text(one, digits, whole=whole) for one in value)
    return short(value, digits) if isinstance(value, float) else str(value)
