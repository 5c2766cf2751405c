"""The data of a run: a task's, a function's, or a file's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from chainrule import Splits, Task, label
from chainrule.arguments import integer, nearest, number, shown
from chainrule_lab.runs.data_file import Array, columns_of, expect_finite, native, read_columns
from chainrule_lab.runs.parts import NAME, Part, path_from, read_part
from chainrule_lab.runs.place import Place

FORMS = 'task = "circle", data.file = "points.csv", or data.function = "FILE.py:NAME"'


class Data(Protocol):
    """Where the splits come from."""

    def splits(self) -> Splits:
        """Return the splits, the same at every call."""

    def complete(self, folder: Path | None = None) -> dict[str, Any]:
        """Return the table ``data``, with paths from the folder, or whole."""


@dataclass(frozen=True)
class TaskData:
    """The data of a task for a seed."""

    place: Place
    task: Task
    seed: int

    def splits(self) -> Splits:
        try:
            found = self.task.splits(self.seed)
        except Exception as error:  # a plugin may raise anything
            raise self.place.error_of(error, "splits") from error
        return _three_pairs(self.place, f"needs {label(self.task)}'s splits to", found)

    def complete(self, folder: Path | None = None) -> dict[str, Any]:
        return {"seed": self.seed}


@dataclass(frozen=True)
class FunctionData:
    """What a function in a file returns for some arguments."""

    place: Place
    part: Part

    def splits(self) -> Splits:
        return _three_pairs(self.place, "must", self.part.make())

    def complete(self, folder: Path | None = None) -> dict[str, Any]:
        table = self.part.complete(folder)
        return {"function": table.pop("name"), **table}


def _three_pairs(place: Place, must: str, found: object) -> Splits:
    """Return splits of tensors, made of arrays where need be; must is what the message begins with."""
    pairs = list(found) if isinstance(found, tuple | list) else []
    if len(pairs) != 3 or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise place.error(
            f"{must} return three pairs (x, y) of tensors, got {shown(found)}. "
            "Return chainrule.Splits(train, validation, test), each of them (x, y)."
        )
    for part, pair in zip(Splits._fields, pairs, strict=True):
        for name, one in zip("xy", pair, strict=True):
            if not isinstance(one, Tensor | np.ndarray):
                got = f"{shown(one)} as {name} of {part}"
                raise place.error(f"{must} return tensors or arrays, got {got}. Return torch.tensor({name}).")
    return Splits(*((_tensor(place, must, x), _tensor(place, must, y)) for x, y in pairs))


def _tensor(place: Place, must: str, given: Tensor | Array) -> Tensor:
    if isinstance(given, Tensor):
        return given
    if given.dtype.kind not in "fiub":
        fix = "Return classes as np.unique(y, return_inverse=True)[1], numbers as x.astype(np.float64)."
        raise place.error(f"{must} return arrays of real numbers, got one of {given.dtype.name}. {fix}")
    return torch.from_numpy(
        np.require(native(given), requirements=["C", "W"])
    )  # a copy of what tensors cannot be views of


@dataclass(frozen=True)
class FileData:
    """The rows of a file, in an order drawn from a seed, cut into three.

    Args:
        place: where it stands.
        path: the file, .csv or .npz.
        x: the name of the input's array, or those of its columns.
        y: the same of the target.
        validation: the share of the rows that is for validation.
        test: that for the test.
        seed: the seed of the order.
        of_classes: whether the loss is one of classes, for which a single target of whole numbers is class indices even
            if they are written as floats.
    """

    place: Place
    path: Path
    x: str | list[str]
    y: str | list[str]
    validation: float
    test: float
    seed: int
    of_classes: bool

    def splits(self) -> Splits:
        columns = self._columns()
        x = columns_of(self.place.at("x"), columns, self.x, is_input=True)
        y = columns_of(self.place.at("y"), columns, self.y, of_classes=self.of_classes)
        expect_finite(self.place.at("x"), self.path, columns, self.x)
        if self.of_classes:  # another loss may leave out targets that are NaN, which a fit finds out
            expect_finite(self.place.at("y"), self.path, columns, self.y)
        rows = len(x)
        if len(y) != rows:
            raise self.place.error(f"must have as many rows of x as of y, got {rows} and {len(y)}. Name others.")
        sizes = [round(self.validation * rows), round(self.test * rows)]
        train = rows - sum(sizes)
        if min(train, *sizes) < 1:
            raise self.place.error(
                f"must have a row or more for train, validation and test, got {train}, {sizes[0]} and {sizes[1]} of "
                f"{rows}. Change validation and test, their shares of the rows."
            )
        order = torch.randperm(rows, generator=torch.Generator().manual_seed(self.seed))
        return Splits(*((x[part], y[part]) for part in torch.split(order, [train, *sizes])))

    def expect_finite_targets(self) -> None:
        """Raise ChainruleError at the first target that is NaN or ±∞."""
        expect_finite(self.place.at("y"), self.path, self._columns(), self.y)

    def remedy(self, refused: str) -> str:
        """Return what to change where the network does not take x, or the loss y."""
        if refused == "x":
            return "Change data.x, or what the network takes."
        if self.of_classes and isinstance(self.y, list) and len(self.y) == 1:
            return f'Write data.y = "{self.y[0]}" for classes.'
        _, y = self.splits().train
        whole = not y.is_floating_point()
        if self.of_classes and whole and y.shape[1:] == (1,):
            return f"Save {self.y} with shape (N,) for classes."
        if not self.of_classes and whole and y.dim() == 1:
            return f'Write data.y = ["{self.y}"] for numbers, or loss = "cross_entropy" for classes.'
        return "Change data.y, the loss, or what the network gives."

    def complete(self, folder: Path | None = None) -> dict[str, Any]:
        return {"file": path_from(folder, self.path), **{name: getattr(self, name) for name in FILE_KEYS[1:]}}

    def _columns(self) -> dict[str, Array]:
        wanted = {name for names in (self.x, self.y) for name in ([names] if isinstance(names, str) else names)}
        return read_columns(self.place.at("file"), self.path, wanted)


FILE_KEYS = ("file", "x", "y", "validation", "test", "seed")


def read_data(place: Place, given: object, task: Task | None, *, of_classes: bool) -> Data:
    """Return where the splits come from, for a loss of classes or another.

    Raises:
        ChainruleError: if that is not said, or a key is unknown.
    """
    if not isinstance(given, Mapping):
        raise place.error(f"must be a table, got {shown(given)}. Write {FORMS}.")
    if task is not None:
        _expect_known(place, given, ("seed",))
        return TaskData(place, task, _seed(place, given))
    if "function" in given:
        name = given["function"]
        if not isinstance(name, str) or ".py:" not in name:
            raise place.at("function").error(f"must be FILE.py:NAME, got {shown(name)}. Write data.py:splits.")
        if NAME in given:
            raise place.at(NAME).error(
                f"must be no argument of a function of data, got {shown(given[NAME])}. Rename it."
            )
        return FunctionData(place.at("function"), read_part(place, given, (), key="function"))
    if "file" not in given:
        raise place.error(f"must name where the data comes from, got {shown(dict(given))}. Write {FORMS}.")
    _expect_known(place, given, FILE_KEYS)
    name = given["file"]
    if not isinstance(name, str) or not name.endswith((".csv", ".npz")):
        raise place.at("file").error(f"must be a file .csv or .npz, got {shown(name)}. Write data.csv.")
    shares = {key: _share(place, key, given.get(key, 0.1)) for key in ("validation", "test")}
    if sum(shares.values()) >= 1:
        raise place.error(
            f"must leave rows to train on, got {shares['validation']} of them for validation and {shares['test']} for "
            "test. Lower one."
        )
    names = {key: _names(place.at(key), given.get(key, key)) for key in ("x", "y")}
    path = (place.folder / Path(name).expanduser()).resolve()
    return FileData(place, path, names["x"], names["y"], **shares, seed=_seed(place, given), of_classes=of_classes)


def _expect_known(place: Place, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            takes = f" It takes {', '.join(known)}."
            raise place.error(f'takes no "{key}".{nearest(key, known) or takes}')


def _seed(place: Place, given: Mapping[str, Any]) -> int:
    return integer(place.file, place.at("seed").dotted, given.get("seed", 0), at_least=0)


def _share(place: Place, key: str, value: Any) -> float:
    share = number(place.file, place.at(key).dotted, value, above=0)
    if share >= 1:
        raise place.at(key).error(f"must be a share of the rows below 1, got {shown(value)}. Write 0.1.")
    return share


def _names(place: Place, value: Any) -> str | list[str]:
    if isinstance(value, str) or (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
        return value
    raise place.error(f"must be a name or a list of names, got {shown(value)}. Name columns of the file.")
