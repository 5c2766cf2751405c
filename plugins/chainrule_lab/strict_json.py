"""JSON that every program and every encoding can read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TEXT_OR_LIST = re.compile(r'"(?:[^"\\]|\\.)*"|\[\s+([^\[\]{}"]*?)\s+\]')
"""A text, or a list of numbers alone, which are the first group."""


def to_json(results: Mapping[str, Any]) -> str:
    """Return strict JSON in ASCII, which every encoding has, with each list of numbers on one line."""
    text = json.dumps(results, indent=1, allow_nan=False)
    return TEXT_OR_LIST.sub(lambda one: f"[{' '.join(one[1].split())}]" if one[1] else one[0], text) + "\n"
