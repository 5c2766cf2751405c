"""`Place`: where in a description something stands, as messages name it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from chainrule import ChainruleError
from chainrule.errors import one_line


@dataclass(frozen=True)
class Place:
    """A key of a description, with the file's name and the folder from which its paths are read."""

    file: str
    folder: Path
    keys: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}: {self.dotted}" if self.keys else self.file

    @property
    def dotted(self) -> str:
        """The keys with dots, as TOML and ``--set`` have them."""
        return ".".join(map(_written, self.keys))

    def at(self, *keys: str | int) -> Place:
        """Return the place of something inside."""
        return Place(self.file, self.folder, (*self.keys, *keys))

    def error(self, rule: str) -> ChainruleError:
        """Return the error that begins with this place; the rule is a sentence without its subject."""
        return ChainruleError(f"{self} {rule}" if self.keys else f"{self}: the run {rule}")

    def error_of(self, error: Exception, owner: str, settings: tuple[str, ...] = ()) -> ChainruleError:
        """Return the error of a component at this place, which begins with the setting that it is about, if any."""
        text = str(error) if isinstance(error, ChainruleError) else f"{owner}: {one_line(error)}."
        said = text.removeprefix(f"{owner}: ")
        first = said.partition(" ")[0]
        if said != text and first in settings:
            return ChainruleError(f"{self.at(first)}{said.removeprefix(first)}")
        return ChainruleError(f"{self}: {text}")


def _written(key: str | int) -> str:
    return str(key) if isinstance(key, int) or re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
