"""`Record`: what the store keeps of one trial, packed so that damage is found."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Record:
    """The outcome of one trial.

    Attributes:
        key: what it is found by, which follows from all that it depends on.
        seed: the trial's seed.
        curves: by name one value for each epoch until it was stopped; what was measured once, after training, has one.
        seconds: the time of its ensemble, divided by the members.
        versions: those of the packages that computed it.
    """

    key: str
    seed: int
    curves: Mapping[str, Sequence[float]]
    seconds: float
    versions: Mapping[str, str]

    @property
    def diverged(self) -> bool:
        """Whether a loss is not finite at any epoch."""
        losses = [curve for name, curve in self.curves.items() if name.endswith("_loss")]
        return not all(math.isfinite(value) for curve in losses for value in curve)


def packed(record: Record, finished: float) -> tuple[Any, ...]:
    """Return a record as a row of the table of results, which has its checksum at the end."""
    lengths = json.dumps({name: len(curve) for name, curve in record.curves.items()}).encode()
    values = np.array([value for curve in record.curves.values() for value in curve], dtype="<f8").tobytes()
    row = (
        record.key,
        record.seed if record.seed < 2**63 else str(record.seed).encode(),  # SQLite's integers end there
        int(record.diverged),
        record.seconds,
        finished,
        json.dumps(dict(record.versions)),
        lengths + b"\n" + values,
    )
    return (*row, _checksum(row))


def unpacked(row: tuple[Any, ...]) -> Record:
    """Return the record of a row, or raise ValueError if it is damaged."""
    if not isinstance(row[-2], bytes) or row[-1] != _checksum(row[:-1]):
        raise ValueError(f"a damaged result {row[0]}")
    key, seed, _, seconds, _, versions, curves, _ = row
    lengths, _, values = curves.partition(b"\n")
    numbers, place, found = np.frombuffer(values, dtype="<f8").tolist(), 0, {}
    for name, length in json.loads(lengths).items():
        found[name] = numbers[place : place + length]
        place += length
    return Record(key, int(seed), found, seconds, json.loads(versions))


def _checksum(row: Sequence[Any]) -> int:
    return zlib.crc32(row[-1], zlib.crc32(repr(row[:-1]).encode()))
