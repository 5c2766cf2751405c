"""The results of a sweep as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from chainrule_lab.extra import lab_required
from chainrule_lab.strict_json import to_json
from chainrule_lab.sweep.results import Results


def csv_bytes(results: Results) -> bytes:
    """Return a line for each trial: its settings, the last value of each curve, and whether it diverged."""
    rows = results.table()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def json_bytes(results: Results) -> bytes:
    """Return strict JSON of every trial with its whole curves; null stands for what is not finite."""
    rows = [
        {
            "settings": row.settings,
            "diverged": row.diverged,
            "seconds": row.seconds,
            "curves": {name: [finite(value) for value in curve] for name, curve in row.curves.items()},
        }
        for row in results
    ]
    return to_json({"name": results.name, "trials": rows}).encode()


def parquet_bytes(results: Results) -> bytes:
    """Return the columns of the CSV, and for each curve one with all its values, named such as train_loss_curve."""
    with lab_required("sweep"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    rows = [
        {**row, **{f"{name}_curve": list(curve) for name, curve in one.curves.items()}}
        for row, one in zip(results.table(), results, strict=True)
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.BytesIO()
    pq.write_table(pa.table({name: _column(name, rows) for name in names}), file)
    return file.getvalue()


PLAIN = (bool, int, float, str)
"""Types whose values a column of Parquet has as they are; a bool is an int too, and is found first."""

EXPORTS: Mapping[str, Callable[[Results], bytes]] = {
    "csv": csv_bytes,
    "json": json_bytes,
    "parquet": parquet_bytes,
}
"""What makes a file, by its suffix."""


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) or value is None else value


def _column(name: str, rows: list[dict[str, Any]]) -> list[Any]:
    """Return a column with null for the rows that lack it."""
    values = iter(_typed([row[name] for row in rows if name in row]))
    return [next(values) if name in row else None for row in rows]


def _typed(values: list[Any]) -> list[Any]:
    """Return values of one type or None, plain ones or flat lists of them; what has no type is text, as in the CSV."""
    given = [value for value in values if value is not None]
    are_lists = set(map(type, given)) == {list}
    plain = [one for value in given for one in value] if are_lists else given
    kinds = set(map(_kind, plain))
    is_large = any(isinstance(one, int) and not -(2**63) <= one < 2**63 for one in plain)
    if is_large or not (kinds == {int, float} or len(kinds) == len(kinds.intersection(PLAIN)) == 1):
        return [str(_cell(value)) for value in values]
    if kinds == {int, float}:
        as_float = (lambda value: list(map(float, value))) if are_lists else float
        return [None if value is None else as_float(value) for value in values]
    return values


def _kind(value: Any) -> type:
    """Return the type of a value, of plain ones without their subclasses."""
    return next((kind for kind in PLAIN if isinstance(value, kind)), type(value))


def finite(value: float) -> float | None:
    """Return a number as JSON has it: None where it is not finite."""
    return value if math.isfinite(value) else None
