"""Reading and writing TOML, and settings by dotted keys."""

from __future__ import annotations

import ast
import errno
import os
import re
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule import ChainruleError
from chainrule.arguments import shown
from chainrule_lab.extra import lab_required

WORD = r"[^\s,'\"()\[\]{}]+"
"""An item of a list that needs no quotes."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a file.

    Raises:
        ChainruleError: if it cannot be read, or is not TOML; the message has the line.
    """
    try:
        if path.is_char_device():  # such as /dev/zero, which has no end
            raise OSError(errno.ENODEV, "a device")
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin it with a byte order mark
    except UnicodeDecodeError as error:
        raise ChainruleError(
            f"{path}: the file must be text in UTF-8, got byte {error.object[error.start]:#04x} at {error.start}. "
            "Save it as UTF-8."
        ) from error
    except (OSError, ValueError) as error:  # the latter for a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ChainruleError(f"{path}: the file must be one that can be read, got {reason}. Name another.") from error
    return _parsed(str(path), text)


def setting(text: str) -> tuple[str, Any]:
    """Return key and value of ``KEY=VALUE``, which is TOML, else Python, else text, so that a name needs no quotes.

    So is each item of a list, whose quotes a shell takes away: ``metrics=[accuracy]``.

    Raises:
        ChainruleError: if it has no key.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ChainruleError(f"--set: a setting must be KEY=VALUE, got {shown(text)}. Write optimizer.lr=3e-4.")
    return key.strip(), _value(value.strip())


def _value(text: str) -> Any:
    try:
        return _parsed("--set", f"value = {text}")["value"]
    except ChainruleError:
        pass
    try:
        with warnings.catch_warnings(action="ignore"):  # of backslashes, as in a path
            value = ast.literal_eval(text)
        return text if isinstance(value, tuple) and not text.startswith("(") else _as_toml(value)  # 1,000 is no tuple
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        words = re.fullmatch(rf"\[\s*({WORD}(\s*,\s*{WORD})*)\s*,?\s*\]", text)
        return [_value(word) for word in re.split(r"\s*,\s*", words[1])] if words else text


def _as_toml(value: Any) -> Any:
    """Return numbers, text and sequences of these as TOML has them; raise ValueError for others."""
    if isinstance(value, list | tuple):
        return [_as_toml(one) for one in value]
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"TOML has no {type(value).__name__}")


def keys_of(owner: str, dotted: str) -> tuple[str, ...]:
    """Return the keys of a dotted key, a part of which may be in quotes, as in TOML.

    Raises:
        ChainruleError: if it is none; the owner begins the message.
    """
    try:
        found: Any = tomllib.loads(f"{dotted} = 0") if "\n" not in dotted else None
    except (tomllib.TOMLDecodeError, RecursionError):
        found = None
    keys: list[str] = []
    while isinstance(found, Mapping) and len(found) == 1:
        ((key, found),) = found.items()
        keys.append(key)
    if not keys or found != 0:
        raise ChainruleError(f"{owner}: a key must be names with dots, got {shown(dotted)}. Write optimizer.lr.")
    return tuple(keys)


def to_toml(owner: str, contents: Mapping[str, Any]) -> str:
    """Return contents as the text of a file; the owner begins the message if the extra `lab` is not installed."""
    with lab_required(owner):
        import tomli_w

    return tomli_w.dumps(contents)


def _parsed(where: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).removesuffix(")").rpartition(" (")
        at = f" {place}" if what else ""
        line = re.search(r"line (\d+)", at)
        has_python = line and re.search(r"\b(True|False)\b", text.splitlines()[int(line[1]) - 1])
        fix = "TOML writes true and false." if has_python else "Mend it there."
        raise ChainruleError(f"{where}: the file must be TOML, got this{at}: {what or place}. {fix}") from error
    except RecursionError as error:
        raise ChainruleError(f"{where}: values must be nested less deeply, got too many levels. Flatten it.") from error


def title(path: Path) -> str:
    """Return a file's name without its ending, with � for bytes that are no text."""
    return os.fsencode(path.stem).decode("utf-8", "replace")
