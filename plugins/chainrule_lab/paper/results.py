"""``results.json``: every number and setting, versions and seeds; identical for identical runs."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

import chainrule
from chainrule_lab.paper.claims import Claim, Part
from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.paper.table import Row
from chainrule_lab.statistics import CONFIDENCE


def document(
    outcomes: Mapping[str, Outcome], table: Sequence[Row], claims: Sequence[Claim], seeds: Sequence[int], epochs: int
) -> dict[str, Any]:
    """Return all results as plain data, with None for numbers that are not finite."""
    plain: dict[str, Any] = _plain(
        {
            "seeds": seeds,
            "epochs": epochs,
            "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
            "confidence": CONFIDENCE,
            "versions": versions(),
            "settings": {name: outcome.setting.describe() for name, outcome in outcomes.items()},
            "initial": {name: outcome.initial for name, outcome in outcomes.items()},
            "curves": {name: outcome.curves for name, outcome in outcomes.items()},
            "test": {name: outcome.test for name, outcome in outcomes.items()},
            "table": [asdict(row) for row in table],
            "claims": {claim.letter: _claim(claim) for claim in claims},
        }
    )
    return plain


def versions() -> dict[str, str]:
    """Return the versions of chainrule, torch and Python."""
    return {"chainrule": chainrule.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "verdict": claim.verdict,
        "figure": claim.figure,
        "statement": claim.statement,
        "reading": claim.reading,
        "grounds": claim.grounds,
        "parts": [_part(part) for part in claim.parts],
        "beside_title": claim.beside_title,
        "beside": [_part(part) for part in claim.beside],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "statement": part.statement,
        "verdict": part.verdict,
        "comparisons": [
            {
                "first": comparison.first,
                "second": comparison.second,
                "measure": comparison.measure.name,
                "difference": asdict(comparison.difference),
                "verdict": comparison.verdict,
            }
            for comparison in part.comparisons
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
