"""`Results`: the table of a sweep, a row for each trial."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

from chainrule import ArgumentError, ChainruleError, UnknownCurveError
from chainrule.arguments import is_largest_best, nearest, shown, without_validation
from chainrule.calls import ExplainsAttributes, explained
from chainrule.errors import UnknownAttributeError
from chainrule_lab.sweep.record import Record
from chainrule_lab.sweep.space import Setting, Settings, as_setting


@dataclass(frozen=True)
class Row(ExplainsAttributes):
    """One trial.

    Attributes:
        settings: its settings by name, the seed among them.
        curves: by name one value for each epoch until it was stopped; of the test split, which is evaluated after
            training, one value.
        diverged: whether a loss is not finite at any epoch.
        seconds: the time of its ensemble, divided by the members.
    """

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("params", "config", "hyperparameters"), "Write row.settings."),
        **dict.fromkeys(("value", "score", "loss"), 'Write row["validation_loss"].'),
        **dict.fromkeys(("history", "metrics"), "Write row.curves."),
        **dict.fromkeys(("network", "model"), "A sweep keeps none: build and fit one with row.settings."),
    }

    settings: Settings
    curves: Mapping[str, Sequence[float]]
    diverged: bool
    seconds: float

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            for kind in ("settings", "curves"):
                if name in vars(self).get(kind, ()):
                    raise UnknownAttributeError(f'row: has no "{name}" but in its {kind}. Write row["{name}"].')
            return super().__getattr__(name)

    def __getitem__(self, name: str) -> Setting:
        """Return a setting, or the last value of a curve.

        Raises:
            UnknownCurveError: if there is neither of that name.
        """
        if isinstance(name, str) and name in self.settings:
            return self.settings[name]
        if not isinstance(name, str) or name not in self.curves:
            raise UnknownCurveError(_absent("setting or curve", name, [*self.settings, *self.curves]))
        return self.last(name)

    def curve(self, name: str) -> Sequence[float]:
        """Return a curve.

        Raises:
            UnknownCurveError: if there is none of that name.
        """
        if not isinstance(name, str) or name not in self.curves:
            raise UnknownCurveError(_absent("curve", name, self.curves))
        return self.curves[name]

    def last(self, name: str) -> float:
        """Return the last value of a curve."""
        return self.curve(name)[-1]

    def lowest(self, name: str) -> float:
        """Return the lowest finite value of a curve; NaN if it has none."""
        return min(filter(math.isfinite, self.curve(name)), default=math.nan)

    def highest(self, name: str) -> float:
        """Return the highest finite value of a curve; NaN if it has none."""
        return max(filter(math.isfinite, self.curve(name)), default=math.nan)


class Results(ExplainsAttributes, Sequence[Row]):
    """The rows of a sweep, in the order of its trials; those that diverged are among them."""

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("to_pandas", "to_frame", "df", "dataframe"), "Write pandas.DataFrame(results.table())."),
        **dict.fromkeys(("best_params_", "best_params"), 'Write results.best("validation_loss").settings.'),
        **dict.fromkeys(("best_score_", "best_value"), 'Write results.best("validation_loss")["validation_loss"].'),
        "plot": "Draw the columns of results.table(), or write chainrule sweep SWEEP.toml for a page of figures.",
    }

    def __init__(self, name: str, rows: Iterable[Row]) -> None:
        self.name = name
        self.rows = list(rows)

    @classmethod
    def of(cls, name: str, trials: Iterable[tuple[str, Settings]], records: Mapping[str, Record]) -> Results:
        """Return the rows of the trials that have a record, each given by its key and settings."""
        found = [(settings, records[key]) for key, settings in trials if key in records]
        return cls(name, [Row(settings, one.curves, one.diverged, one.seconds) for settings, one in found])

    @property
    def curves(self) -> list[str]:
        """The names of the curves."""
        return list(dict.fromkeys(name for row in self.rows for name in row.curves))

    @property
    def searched(self) -> list[str]:
        """The names of the settings that have more than one value."""
        values: dict[str, set[str]] = {}
        for row in self.rows:
            for name, value in row.settings.items():
                values.setdefault(name, set()).add(repr(value))
        return [name for name, found in values.items() if len(found) > 1]

    @explained
    def best(self, curve: str = "validation_loss", *, largest: bool | None = None) -> Row:
        """Return the row whose curve ends lowest, or with largest=True highest; what is not finite comes last.

        Rows without that curve, as where metrics are searched over, are left out.

        Args:
            curve: the curve's name.
            largest: whether more of it is better; only for a loss, of which less is, it can be left out.

        Raises:
            ChainruleError: if there is no row, or none of that curve, or largest is needed and missing.
        """
        if not self.rows:
            raise ChainruleError(
                f"sweep: best needs a finished trial, got none of {self.name}. "
                "Run the sweep first, or choose settings that its trials have."
            )
        rows = [row for row in self.rows if curve in list(row.curves)] or self.rows
        ends = [row.last(curve) for row in rows]
        highest = is_largest_best("sweep: best", curve, largest)
        return min(zip(rows, ends, strict=True), key=lambda one: rank(one[1], largest=highest))[0]

    @explained
    def where(self, **settings: Setting) -> Results:
        """Return the rows with these settings.

        Raises:
            ChainruleError: if there is no such setting, or a value is none that a trial can have.
        """
        known = dict.fromkeys(name for row in self.rows for name in row.settings)
        for name in settings:
            if known and name not in known:
                raise ArgumentError(_absent("setting", name, known))
        wanted = {  # single numbers stay as they are: one in float32 equals the setting that it rounds
            name: value if getattr(value, "ndim", 1) == 0 else as_setting("where", name, value)
            for name, value in settings.items()
        }
        return Results(
            self.name,
            [row for row in self.rows if all(_equal(row.settings.get(name), one) for name, one in wanted.items())],
        )

    def table(self) -> list[dict[str, Setting]]:
        """Return a flat record for each row: settings, the last value of each curve, and whether it diverged."""
        return [
            {
                **row.settings,
                **{name: values[-1] for name, values in row.curves.items()},
                "diverged": row.diverged,
                "seconds": row.seconds,
            }
            for row in self.rows
        ]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Row | Results:
        if isinstance(index, slice):
            return Results(self.name, self.rows[index])
        try:
            return self.rows[operator.index(index)]
        except TypeError as error:
            raise ArgumentError(
                f'sweep: results have rows by number, got {shown(index)}. Write [row["lr"] for row in results].'
            ) from error

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        diverged = sum(row.diverged for row in self.rows)
        return f"Results({self.name}: {len(self.rows)} trials, {diverged} diverged; {', '.join(self.curves)})"


def _equal(setting: Setting, wanted: object) -> bool:
    return isinstance(setting, list) == isinstance(wanted, list) and bool(setting == wanted)  # numpy's compare by item


def _absent(kind: str, name: object, known: Iterable[str]) -> str:
    has = f" It has {', '.join(known)}."
    absent = without_validation(str(name), known) if "curve" in kind else ""
    fix = absent or nearest(str(name), known) or has
    return f'sweep: no {kind} is called "{name}".{fix}'


def rank(value: float, *, largest: bool) -> tuple[bool, float]:
    """Return what sorts values, the best first and those that are not finite last."""
    return not math.isfinite(value), -value if largest else value
