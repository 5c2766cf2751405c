"""Columns of a .csv file, or arrays of a .npz file, as tensors."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from chainrule.arguments import nearest, shown
from chainrule_lab.runs.place import Place

Array: TypeAlias = "np.ndarray[Any, Any]"

MISSING = {"", "?", "-", "na", "n/a", "null", "none"}
"""The words, in small letters, by which files of numbers say that there is none."""


def read_columns(place: Place, path: Path, wanted: Collection[str]) -> dict[str, Array]:
    """Return the columns or arrays of a file by name; those of a .npz file that are not wanted are empty.

    Raises:
        ChainruleError: if the file cannot be read, or holds other things than numbers and text.
    """
    try:
        return _read_npz(path, wanted) if path.suffix == ".npz" else _read_csv(place, path)
    except (OSError, ValueError, zipfile.BadZipFile, csv.Error, EOFError, KeyError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
        raise place.error(
            f"must be a {path.suffix} file that can be read, got {path} ({reason}). Name another."
        ) from error


def columns_of(
    place: Place,
    columns: Mapping[str, Array],
    names: str | list[str],
    *,
    is_input: bool = False,
    of_classes: bool = False,
) -> Tensor:
    """Return one array, or several columns side by side, (N, k), of floats.

    A single target of whole numbers is class indices, (N,), and so is one of floats such as 1.0 if the loss is one of
    classes; one of text is the indices of its words in alphabetical order.

    Raises:
        ChainruleError: if there is no such column, or a number is needed where there is text.
    """
    for name in [names] if isinstance(names, str) else names:
        if name not in columns:
            known = nearest(name, columns) or f" The file has {', '.join(columns)}."
            raise place.error(f'must name columns of the file, got "{name}".{known}')
    if isinstance(names, str):
        column = columns[names]
        if column.dtype.kind == "U" and not is_input:
            _expect_none_missing(place, names, column)
            return torch.from_numpy(np.unique(column, return_inverse=True)[1]).long()
        _expect_numbers(place, names, column)
        may_be_classes = of_classes and column.dtype.kind == "f" and column.ndim == 1
        are_classes = may_be_classes and all(map(float.is_integer, column.tolist()))
        whole = (column.dtype.kind in "iub" or are_classes) and not is_input
        tensor = torch.from_numpy(np.ascontiguousarray(column)).to(torch.int64 if whole else torch.float64)
        return tensor.unsqueeze(1) if tensor.is_floating_point() and tensor.dim() == 1 else tensor
    for name in names:
        _expect_numbers(place, name, columns[name])
        if columns[name].ndim != 1:
            raise place.error(
                f"must list columns of one number a row, got {name} of shape {columns[name].shape}. Name it alone."
            )
    lengths = {name: len(columns[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise place.error(f"must list columns of one length, got {lengths}. Name others.")
    table = np.stack([columns[name] for name in names], 1)
    return torch.from_numpy(table).double()


def expect_finite(place: Place, path: Path, columns: Mapping[str, Array], names: str | list[str]) -> None:
    """Raise ChainruleError at the first number of these columns or arrays that is NaN or ±∞."""
    for name in [names] if isinstance(names, str) else names:
        column = columns[name]
        if column.dtype.kind != "f" or np.isfinite(column).all():
            continue
        index = tuple(np.argwhere(~np.isfinite(column))[0].tolist())
        where = f"{name}{list(index)}" if path.suffix == ".npz" else f"{name}, row {index[0] + 1}"
        raise place.error(
            f"must be finite, got {column[index]} in {where} of {path.name}. Leave such rows out, fill them in, or "
            "load them by data.function."
        )


def native(array: Array) -> Array:
    """Return an array in the byte order of this machine, and its numbers in at most 64 bits, as tensors have them."""
    is_long = array.dtype.kind == "f" and array.itemsize > 8
    return array.astype(np.float64 if is_long else array.dtype.newbyteorder("="), copy=False)


def _expect_numbers(place: Place, name: str, column: Array) -> None:
    if column.dtype.kind == "U":
        row, text = next((row, text) for row, text in enumerate(column) if not _is_number(text))
        raise place.error(
            f'must name columns of numbers, got {name} with "{text}" in row {row + 1}. Mend it there, or name others.'
        )
    if column.dtype.kind not in "fiub":
        raise place.error(f"must name columns of numbers, got {name} of {column.dtype.name}. Name others.")


def _expect_none_missing(place: Place, name: str, words: Array) -> None:
    """Raise ChainruleError if a cell is empty, or says so between numbers."""
    given = words.ravel().tolist()
    missing = {word for word in given if word.lower() in MISSING}
    if "" in missing or (missing and all(map(_is_number, {*given} - missing))):
        place_of, word = next((at, word) for at, word in enumerate(given) if word in missing)
        row = place_of * len(words) // len(given)  # of several columns
        raise place.error(f'must have a value in each row, got {name} with "{word}" in row {row + 1}. Write one there.')


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npz(path: Path, wanted: Collection[str]) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: native(arrays[name]) if name in wanted else np.empty(0) for name in arrays.files}


def _read_csv(place: Place, path: Path) -> dict[str, Array]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = [row for row in csv.reader(file) if row] or [[]]
    if not rows:
        raise place.error(f"must have a line of names and rows below it, got {path} with none. Name another.")
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        raise place.error(f"must be separated by commas, got names {shown(header[0])}. Save it with commas.")
    names = [name.strip() for name in header]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise place.error(f'must have a name for each column, got "{twice[0]}" twice in {path}. Rename one.')
    for index, row in enumerate(rows):
        if len(row) != len(header):
            got = f"{len(row)} in row {index + 1} of {path}"
            raise place.error(f"must have {len(header)} values in each row, got {got}. Mend it there.")
    return {name: _column(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _column(values: tuple[str, ...]) -> Array:
    """Return a column of whole numbers, else of numbers, else of text."""
    texts = [value.strip() for value in values]
    for form in (np.int64, np.float64):
        try:
            return np.array(texts).astype(form)
        except (ValueError, OverflowError):
            continue
    return np.array(texts, dtype=str)
