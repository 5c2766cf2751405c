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
    columns = {name: [row.get(name) for row in rows] for name in names}
    file = io.BytesIO()
    pq.write_table(pa.table({name: _column(values) for name, values in columns.items()}), file)
    return file.getvalue()


EXPORTS: Mapping[str, Callable[[Results], bytes]] = {
    "csv": csv_bytes,
    "json": json_bytes,
    "parquet": parquet_bytes,
}
"""What makes a file, by its suffix."""


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) or value is None else value


def _column(values: list[Any]) -> list[Any]:
    """Return a column of one type: numbers as they are, anything else of several types as text."""
    kinds = {int if isinstance(value, int) and not isinstance(value, bool) else type(value) for value in values}
    if kinds <= {int, float}:
        return values if kinds == {int} else [float(value) for value in values]
    return values if len(kinds) == 1 and kinds != {dict} else [_text(value) for value in values]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def finite(value: float) -> float | None:
    """Return a number as JSON has it: None where it is not finite."""
    return value if math.isfinite(value) else None
