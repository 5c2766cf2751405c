"""JSON that every program and every encoding can read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def to_json(results: Mapping[str, Any]) -> str:
    """Return strict JSON in ASCII, which every encoding has, with each list of numbers on one line."""
    text = json.dumps(results, indent=1, allow_nan=False)
    return re.sub(r'\[\s+([^\[\]{}"]*?)\s+\]', lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"
