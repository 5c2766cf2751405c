"""Text that two objects share if they do the same, in every process: for keys under which results are found."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Mapping
from functools import cache, partial
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.base.saved_tensors import BOOKKEEPING
from chainrule.updates.definition import used_by

PLAIN = (bool, int, str, bytes, complex, type(None), torch.dtype, torch.device, torch.Size, range)
"""Types whose values are shown as they are."""

KNOWN_BY_VERSION = ("abc", "builtins", "chainrule", "numpy", "torch", "typing")
"""Packages whose version, or Python's, stands for their code."""


def digest(text: str | bytes) -> str:
    """Return a short text that differs if this one does."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:32]


def text_of(value: Any, seen: dict[int, int] | None = None, codes: dict[Any, str] | None = None) -> str:
    """Return text with all that a value holds, and with the code of classes and functions outside the framework.

    Args:
        value: anything.
        seen: numbers of the objects around it by identity, which tell shared ones from equal ones.
        codes: gets the texts of classes and functions; found there, they are not made again.
    """
    seen, codes = {} if seen is None else seen, {} if codes is None else codes
    text = partial(text_of, seen=seen, codes=codes)
    if type(value) in PLAIN:
        return f"{type(value).__name__} {value!r}"
    if type(value) is float:
        return value.hex()
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return _text_of_numbers(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(text, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{text(key)}: {text(one)}' for key, one in value.items())}}}"
    if isinstance(value, type):
        return _known_code(value, codes)
    if id(value) in seen:
        return f"shared {seen[id(value)]}"
    seen[id(value)] = len(seen)
    if type(value) is partial:
        return f"partial {text([value.func, value.args, value.keywords])}"
    if isinstance(value, FunctionType):
        bound = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        return f"{_known_code(value, codes)} {text([bound, value.__defaults__, value.__kwdefaults__])}"
    if hasattr(value, "__dict__") and not inspect.isroutine(value):
        own = {name: one for name, one in vars(value).items() if name not in BOOKKEEPING}
        kind: Any = type(value)  # mypy takes a class of classes for one without a hash
        return f"{_known_code(kind, codes)} {text(own)}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _known_code(code: Any, codes: dict[Any, str]) -> str:
    if code not in codes:
        codes[code] = code_of(code)
    return codes[code]


def code_of(code: Any) -> str:
    """Return the name of a class or function with a digest of its code and of what that uses by name.

    That is the code of parents and of functions, and constants, also in dicts, lists, classes and objects. Comments,
    docstrings and layout are no part of it.
    """
    name = f"{code.__module__}.{code.__qualname__}"
    parents = [] if not isinstance(code, type) else [_source(kind) for kind in code.__mro__ if not _is_known(kind)]
    found = [*parents, *(_text_of_used(value) for value in used_by(code) if not _is_known(value))]
    return f"{name} {digest(' '.join(found))}" if any(found) else name


def _text_of_used(value: Any) -> str:
    """Return the text of a function or of a constant, such as a number, a word that is of an Enum, or a tensor."""
    if isinstance(value, FunctionType):
        return _source(value.__code__)
    return _text_of_numbers(value) if isinstance(value, Tensor | np.ndarray | np.generic) else repr(value)


def _is_known(value: Any) -> bool:
    return isinstance(value, type | FunctionType) and (value.__module__ or "").partition(".")[0] in KNOWN_BY_VERSION


@cache
def _source(code: Any) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except (OSError, TypeError, SyntaxError):  # without a file, or a lambda in the middle of a line
        return _instructions(code) if isinstance(code, CodeType) else ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
            node.body[:1] = [ast.Pass()]
    return ast.unparse(tree)


def _instructions(code: CodeType) -> str:
    constants = [_instructions(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _text_of_numbers(value: Any) -> str:
    array = value.detach().cpu().contiguous() if isinstance(value, Tensor) else np.ascontiguousarray(value)
    raw = array.flatten().view(torch.uint8).numpy().tobytes() if isinstance(array, Tensor) else array.tobytes()
    return f"{tuple(array.shape)} {array.dtype} {digest(raw)}"


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
