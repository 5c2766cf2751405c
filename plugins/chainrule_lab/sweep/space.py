"""The space of a sweep: what each setting may be, and the trials on a grid or drawn from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from chainrule import ChainruleError
from chainrule.arguments import integer, number, shown
from chainrule.calls import explained

Setting: TypeAlias = bool | int | float | str | list["Setting"] | dict[str, "Setting"] | None
"""A value that a trial may have: what JSON has, so that it can be stored and shown."""

Settings: TypeAlias = dict[str, Setting]
"""The settings of a trial by name, its seed among them."""

Method: TypeAlias = Literal["grid", "random", "sobol"]

MOST = 2**20
"""The most trials of a sweep."""

SEED = "seed"
"""The setting that is the trial's seed; it is crossed with the points of every method."""


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Setting, ...]

    def grid(self, owner: str, name: str) -> Sequence[Setting]:
        """Return every value."""
        return self.values

    def at(self, u: float) -> Setting:
        """Return the value at a place from 0 to below 1."""
        return self.values[int(u * len(self.values))]


@dataclass(frozen=True)
class Interval:
    """A number between two others, spread evenly or by its logarithm; on a grid, one of some points."""

    low: float
    high: float
    points: int | None
    log: bool

    def grid(self, owner: str, name: str) -> Sequence[Setting]:
        """Return the points, the ends included, or raise ChainruleError if none are given."""
        if self.points is None:
            form = "log_uniform" if self.log else "uniform"
            raise ChainruleError(
                f"{owner}: {name} must have points on a grid, got {form}({self.low:g}, {self.high:g}). "
                'Add points=13, for example, or choose method="random".'
            )
        if self.points == 1:
            return [self.low]
        _expect_few(owner, name, self.points)
        inner = [self.at(i / (self.points - 1)) for i in range(1, self.points - 1)]
        return [self.low, *inner, self.high]

    def at(self, u: float) -> float:
        """Return the number at a place from 0 to 1."""
        if self.log:
            exponent = math.log10(self.low) + u * (math.log10(self.high) - math.log10(self.low))
            return min(max(math.pow(10, exponent), self.low), self.high)  # powers of ten are exact
        return self.low + u * (self.high - self.low)


@explained
def choice(values: Iterable[Setting]) -> Choice:
    """Return a setting that is one of these values, as a list in the search is too."""
    return Choice(_values("choice", "values", values))


@explained
def uniform(low: float, high: float, *, points: int | None = None) -> Interval:
    """Return a setting from low to high, spread evenly; on a grid it has this many points, the ends included."""
    return _interval("uniform", low, high, points, log=False)


@explained
def log_uniform(low: float, high: float, *, points: int | None = None) -> Interval:
    """Return a setting from low to high, its logarithm spread evenly; on a grid, this many points with the ends."""
    return _interval("log_uniform", low, high, points, log=True)


def trials_of(
    search: Mapping[str, Any], method: Method, trials: int | None, seed: int, *, owner: str = "sweep"
) -> list[Settings]:
    """Return the settings of every trial, each once.

    A grid has every combination. The other methods draw points, evenly distributed at random or by a scrambled Sobol
    sequence, and run each of them for every seed of the search; more points begin with the same ones.

    Args:
        search: what each setting may be, by name: one value, a list, a range, or what this module's functions return.
        method: how points are chosen.
        trials: the number of points that are drawn; None on a grid.
        seed: what the drawn points follow from.
        owner: what messages begin with.

    Raises:
        ChainruleError: if the search or an argument does not fit.
    """
    if method not in get_args(Method):
        raise ChainruleError(f'{owner}: method must be "grid", "random" or "sobol", got {shown(method)}. Choose one.')
    if not isinstance(search, Mapping) or not search or not all(isinstance(name, str) for name in search):
        raise ChainruleError(
            f'{owner}: search must be a dict by names of settings, got {shown(search)}. Pass {{"lr": [0.1, 0.01]}}.'
        )
    seed = integer(owner, "seed", seed, at_least=0)
    spaces = {name: _space(owner, name, value) for name, value in search.items()}
    seeds = spaces.pop(SEED, Choice((0,)))
    if isinstance(seeds, Interval):
        raise ChainruleError(f"{owner}: seed must be integers, got an interval of numbers. Pass range(5), for example.")
    crossed = [integer(owner, "a seed", one, at_least=0) for one in seeds.values]
    if method == "grid":
        if trials is not None:
            raise ChainruleError(
                f'{owner}: trials must be left out on a grid, got {shown(trials)}. Choose method="random" or "sobol".'
            )
        grids = [space.grid(owner, name) for name, space in spaces.items()]
        _expect_few(owner, "the grid", math.prod(map(len, [*grids, crossed])))
        points = list(itertools.product(*grids))
    else:
        if trials is None:
            raise ChainruleError(f'{owner}: method="{method}" needs trials, got none. Pass trials=50, for example.')
        count = integer(owner, "trials", trials, at_least=1)
        _expect_few(owner, "trials", count * len(crossed))
        rows = _places(method, count, len(spaces), seed)
        points = [tuple(space.at(u) for space, u in zip(spaces.values(), row, strict=True)) for row in rows]
    settings = [{**dict(zip(spaces, point, strict=True)), SEED: one} for point in points for one in crossed]
    return list({repr(one): one for one in settings}.values())


def as_setting(owner: str, name: str, value: Any) -> Setting:
    """Return a value as JSON has it, also of numpy or torch, or raise ChainruleError."""
    if hasattr(value, "tolist"):  # numpy's and torch's numbers and arrays
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [as_setting(owner, name, one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): as_setting(owner, name, one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ChainruleError(f"{owner}: {name} must have finite values, got {value}. Leave it out.")
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    raise ChainruleError(
        f"{owner}: {name} must have numbers, texts or lists of these as values, got {shown(value)}. "
        "Pass a name, and make the object of it in build."
    )


def _places(method: Method, count: int, dimensions: int, seed: int) -> list[list[float]]:
    """Return points of the unit cube."""
    if not dimensions:
        return [[]]
    if method == "random":
        return np.random.default_rng(seed).random((count, dimensions)).tolist()  # type: ignore[no-any-return]
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    return sequence.random_base2(math.ceil(math.log2(count)))[:count].tolist()  # type: ignore[no-any-return]


def _space(owner: str, name: str, value: Any) -> Choice | Interval:
    if isinstance(value, Choice | Interval):
        return value
    if isinstance(value, str | int | float) or value is None or getattr(value, "ndim", 1) == 0:
        value = [value]
    return Choice(_values(owner, name, value))


def _values(owner: str, name: str, values: Any) -> tuple[Setting, ...]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise ChainruleError(
            f"{owner}: {name} must be a list of values, got {shown(values)}. Pass a list, a range or log_uniform(…)."
        )
    if isinstance(values, Sized):
        _expect_few(owner, name, len(values))
    found = tuple(as_setting(owner, name, value) for value in values)
    if not found:
        raise ChainruleError(f"{owner}: {name} must have at least one value, got none. Add one, or leave {name} out.")
    return found


def _expect_few(owner: str, what: str, count: int) -> None:
    if count > MOST:
        raise ChainruleError(
            f"{owner}: {what} must have at most {MOST} values, got {count}. Take fewer, or draw some at random."
        )


def _interval(owner: str, low: Any, high: Any, points: Any, *, log: bool) -> Interval:
    low = float(number(owner, "low", low, above=0 if log else -math.inf))
    high = float(number(owner, "high", high, above=low))
    return Interval(low, high, None if points is None else integer(owner, "points", points, at_least=1), log)
