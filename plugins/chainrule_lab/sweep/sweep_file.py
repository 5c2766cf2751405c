"""`SweepFile`: a sweep as a file describes it, a run with the values to search over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from chainrule import ChainruleError, Splits
from chainrule.arguments import integer, nearest, number, shown
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.dotted import changed
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.toml_file import keys_of, read_toml, title
from chainrule_lab.sweep.space import SEED, Interval, Settings, log_uniform, trials_of, uniform
from chainrule_lab.sweep.trial import Trial

SEARCH, SWEEP = "search", "sweep"
"""The tables of a sweep's file that a run's has not."""

SPACES = {"uniform": uniform, "log_uniform": log_uniform}

FORMS = (*SPACES, "range")
"""The keys by which a table under ``search`` is values to search over, rather than settings inside another."""

BOUNDS = ({"low", "high"}, {"min", "max"})
"""What a table of numbers alone may have in mistake for one of the forms."""

OPTIONS = ("method", "trials", "seed", "members", "memory")
"""What the table ``sweep`` may have."""

DATA_FILE = "data.file"
"""The key of the file that the data is read from."""

OF_DATA = ("task", "data", "dtype", "device")
"""The first keys of settings on which the data depends."""

OF_MEMBERS = ("seeds", "members")
"""Keys of a run that a sweep sets itself."""

WITHOUT_MEANING = ("every",)
"""Arguments of a fit that mean nothing without a checkpoint."""


@dataclass(frozen=True)
class SweepFile:
    """A sweep: the description of a run, what to search over, and how.

    Attributes:
        name: the file's, without its suffix.
        make: makes a trial of the settings.
        settings: those of every trial.
        members: the most members of an ensemble, or None.
        memory: the bytes that an ensemble may take, or None.
    """

    name: str
    make: OfDescription
    settings: Sequence[Settings]
    members: int | None
    memory: float | None

    @classmethod
    def read(cls, path: Path, values: Mapping[str, Any]) -> SweepFile:
        """Return the sweep in a file, with values at dotted keys in place of the file's.

        Raises:
            ChainruleError: if the file, or what is in it, does not fit; the message begins with the place in the file.
        """
        where, given = str(path), read_toml(path)
        tables = {name: _table(where, name, given.pop(name, {})) for name in (SEARCH, SWEEP)}
        found, set_to, of_run = _flat(where, tables[SEARCH]), list[tuple[list[str], Any]](), {}
        for key, value in values.items():
            first, *rest = keys_of("--set", key)
            if first == SEARCH and rest:
                set_to.append((rest, value))
            elif first == SWEEP and rest:
                tables[SWEEP][".".join(rest)] = value
            else:
                of_run[key] = value
        run = RunDescription.of(given, where=where, folder=path.parent, values=of_run)
        for key in OF_MEMBERS:
            if key in run.given:
                raise ChainruleError(
                    f"{where}: {key} must be left out of a sweep, got {shown(run.given[key])}. "
                    f"Write {SEED} = {{ range = 5 }} under [{SEARCH}]."
                )
        for keys, value in set_to:
            found |= _set(Place(where, path.parent, (SEARCH,)), found, keys, value)
        if members := [key for key in OF_MEMBERS if key in found]:
            raise ChainruleError(
                f"{where}: {members[0]} must be left out of the search, got {shown(found[members[0]])}. Each trial is "
                f"one member: write {SEED} = {{ range = 5 }} under [{SEARCH}]."
            )
        search = {SEED: run.given.get(SEED, 0), **found}
        if len(search) == 1 and SEED not in found:
            raise ChainruleError(
                f"{where}: the sweep needs something to search over, got none. "
                f'Write "optimizer.lr" = [1e-3, 1e-2] under [{SEARCH}].'
            )
        spaces = {key: _space(f"{where}: {SEARCH}.{key}", value) for key, value in search.items()}
        options = _options(where, tables[SWEEP])
        settings = trials_of(spaces, options["method"], options["trials"], options["seed"], owner=where)
        make = OfDescription(run.given, where, path.parent)
        return cls(title(path), make, settings, options["members"], options["memory"])

    @property
    def data_files(self) -> list[Path]:
        """The files that the trials' data is read from."""
        searched = {str(one[DATA_FILE]): one[DATA_FILE] for one in self.settings if DATA_FILE in one}
        runs = [self.make.run, *(self.make.run.with_values({DATA_FILE: one}) for one in searched.values())]
        return [run.data_file for run in runs if run.data_file is not None]


@dataclass(frozen=True)
class OfDescription:
    """Makes trials of a run's description with other values at dotted keys."""

    given: Mapping[str, Any]
    where: str
    folder: Path

    def __call__(self, settings: Settings) -> Trial:
        """Return the trial of these settings."""
        run = self.run.with_values(settings)
        splits, dtype = self._splits(run, settings), run.given.get("dtype")
        return Trial(
            run.module(),
            run.optimizer(),
            run.loss(),
            splits.train,
            splits.validation,
            splits.test,
            {name: value for name, value in run.fit_arguments().items() if name not in WITHOUT_MEANING},
            {"dtype": dtype and getattr(torch, dtype), "device": run.given.get("device", "cpu")},
            run.given.get("freeze", ()),
        )

    def __reduce__(self) -> tuple[type[OfDescription], tuple[Any, ...]]:
        return OfDescription, (self.given, self.where, self.folder)  # without what is cached

    @cached_property
    def run(self) -> RunDescription:
        """The run whose values the settings replace."""
        return RunDescription.of(self.given, where=self.where, folder=self.folder)

    @cached_property
    def _known(self) -> dict[str, Splits]:
        return {}

    def _splits(self, run: RunDescription, settings: Settings) -> Splits:
        """Return the data, read once for all trials that have it in common."""
        own = repr({key: value for key, value in settings.items() if keys_of(self.where, key)[0] in OF_DATA})
        if own not in self._known:
            self._known[own] = run.splits()
        return self._known[own]


def _table(where: str, name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ChainruleError(f"{where}: {name} must be a table, got {shown(given)}. Write [{name}].")
    return dict(given)


def _flat(where: str, given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what to search over by dotted keys, where some are tables in tables."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        dotted = f"{prefix}{key}"
        is_table = isinstance(value, Mapping) and value.keys().isdisjoint(FORMS)
        if is_table:
            _expect_no_slip(f"{where}: {SEARCH}.{dotted}", value)
        inside = _flat(where, value, f"{dotted}.") if is_table else {dotted: value}
        if twice := sorted(inside.keys() & found.keys()):
            raise ChainruleError(f"{where}: {SEARCH}.{twice[0]} must stand once, got it twice. Leave one out.")
        if not inside:
            raise ChainruleError(f'{where}: {SEARCH}.{dotted} must have values, got none. Write "{dotted}" = [ … ].')
        found |= inside
    return found


def _expect_no_slip(place: str, table: Mapping[str, Any]) -> None:
    """Raise ChainruleError if a table is meant to be of one of the forms, by its keys, and is of none."""
    for key in table:
        if close := get_close_matches(key, FORMS, n=1, cutoff=0.8):  # above norm, a setting, and uniform
            raise ChainruleError(f'{place} takes no "{key}". Did you mean "{close[0]}"?')
    is_numbers = all(isinstance(value, int | float) for value in table.values())
    if "points" in table or (is_numbers and any(bounds <= table.keys() for bounds in BOUNDS)):
        raise ChainruleError(
            f"{place} must have {', '.join(SPACES)} or range, got {shown(dict(table))}. "
            "Write { log_uniform = [1e-4, 1], points = 13 }."
        )


def _set(place: Place, found: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """Return what is searched over with a value at some keys, which may lead into a table that is there."""
    for end in range(1, len(keys)):
        dotted = ".".join(keys[:end])
        if isinstance(table := found.get(dotted), Mapping):
            return {dotted: changed(place.at(*keys[:end]), table, {".".join(keys[end:]): value})}
    for key in reversed(keys):
        value = {key: value}
    return _flat("--set", value)


def _space(place: str, given: Any) -> Any:
    """Return what `trials_of` takes for a value in the file."""
    if not isinstance(given, Mapping):
        return given
    name = next(name for name in FORMS if name in given)
    bounds = given[name]
    try:
        return _range(given) if name == "range" else _interval(name, given)
    except ChainruleError as error:
        raise ChainruleError(f"{place}: {error}") from error
    except (TypeError, ValueError) as error:
        form = "[1e-4, 1], points = 13" if name in SPACES else "[0, 10]"
        raise ChainruleError(
            f"{place} must be bounds, got {name} = {shown(bounds)}. Write {{ {name} = {form} }}."
        ) from error


def _interval(name: str, given: Mapping[str, Any]) -> Interval:
    low, high = given[name]
    return SPACES[name](low, high, **{key: value for key, value in given.items() if key != name})


def _range(given: Mapping[str, Any]) -> range:
    bounds = given["range"]
    if others := [key for key in given if key != "range"]:
        raise ChainruleError(f'range: takes no argument "{others[0]}". Leave it out.')
    return range(*(bounds if isinstance(bounds, list) else [bounds]))


def _options(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    for key in given:
        if key not in OPTIONS:
            known = f" It takes {', '.join(OPTIONS)}."
            raise ChainruleError(f'{where}: {SWEEP} takes no "{key}".{nearest(key, OPTIONS) or known}')
    found: dict[str, Any] = {"method": "grid", "trials": None, "seed": 0, "members": None, "memory": None, **given}
    if found["members"] is not None:
        integer(where, f"{SWEEP}.members", found["members"], at_least=1)
    if found["memory"] is not None:
        number(where, f"{SWEEP}.memory", found["memory"], above=0)
    return found
