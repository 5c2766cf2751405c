"""Text that two objects share if they do the same, in every process: for keys under which results are found."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chainrule.base.generators import state_of_generator
from chainrule.base.saved_tensors import BOOKKEEPING
from chainrule.updates.definition import used_by

PLAIN = (bool, int, str, bytes, complex, type(None), torch.dtype, torch.device, torch.Size, range)
"""Types whose values are shown as they are."""


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
        return _text_of_numbers(value) if str(value.dtype) != "object" else text(value.tolist())
    if isinstance(value, type):
        return _known_code(value, codes)
    if (contents := _contents(value, text)) is not None and type(value).__module__ in ("builtins", "collections"):
        return contents
    if id(value) in seen:
        return f"shared {seen[id(value)]}"
    seen[id(value)] = len(seen)
    if type(value) is partial:
        return f"partial {text([value.func, value.args, value.keywords])}"
    if isinstance(value, MethodType):
        return f"method {text([value.__func__, value.__self__])}"
    if isinstance(value, FunctionType):
        bound = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        return f"{_known_code(value, codes)} {text([bound, value.__defaults__, value.__kwdefaults__])}"
    if inspect.isroutine(value) or hasattr(value, "__wrapped__"):  # the latter of functools.lru_cache
        return text(value.__wrapped__) if hasattr(value, "__wrapped__") else _without_address(value)
    if (drawn := state_of_generator(value)) is not None:
        return f"{type(value).__name__} {text(drawn)}"
    own = {name: one for name, one in _attributes(value).items() if name not in BOOKKEEPING}
    kind: Any = type(value)  # mypy takes a class of classes for one without a hash
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names - {"types", "__main__"} or not (own or contents):
        return f"{_known_code(kind, codes)} {_without_address(value)}"  # a logger, for one, leads to all others
    return f"{_known_code(kind, codes)} {contents or ''} {text(own)}"


def _contents(value: Any, text: Callable[[Any], str]) -> str | None:
    """Return the text of what a container holds, or of a number or word of a class of its own; None for all else."""
    if isinstance(value, list | tuple | deque):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(text, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{text(key)}: {text(one)}' for key, one in value.items())}}}"
    base = next((base for base in (int, float, str, bytes) if isinstance(value, base)), None)
    return None if base is None else base.__repr__(value)


def _attributes(value: Any) -> dict[str, Any]:
    slots = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())} - {"__weakref__"}
    return {name: getattr(value, name) for name in sorted(slots) if hasattr(value, name)} | getattr(
        value, "__dict__", {}
    )


def _without_address(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _known_code(code: Any, codes: dict[Any, str]) -> str:
    if code not in codes:
        codes[code] = code_of(code)
    return codes[code]


def code_of(code: Any) -> str:
    """Return the name of a class or function with a digest of its code and of what that uses by name.

    That is the code of parents and of functions, as Python has loaded it, and constants, also in dicts, lists, classes
    and objects. Comments, docstrings and layout are no part of it; Python's version is.
    """
    return f"{code.__module__}.{code.__qualname__} {digest(' '.join(map(_text_of_used, used_by(code))))}"


def _text_of_used(value: Any) -> str:
    """Return the text of a function or of a constant, such as a number, a word that is of an Enum, or a tensor."""
    if isinstance(value, FunctionType):
        return f"{value.__qualname__} {_instructions(value.__code__, value.__doc__)}"
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return _text_of_numbers(value) if str(value.dtype) != "object" else repr(value.tolist())
    return repr(value)


@lru_cache(maxsize=4096)
def _instructions(code: CodeType, docstring: str | None = None) -> str:
    """Return the text of a function's code; names of arguments and of what is looked up are part of it."""
    first = code.co_consts[:1] == (docstring,) and docstring is not None
    names = code.co_names, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], code.co_freevars
    constants = list(map(_text_of_constant, code.co_consts[1 if first else 0 :]))
    return f"{code.co_code.hex()} {code.co_exceptiontable.hex()} {names} {constants}"


def _text_of_constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _instructions(value)
    if isinstance(value, frozenset):
        return str(sorted(map(_text_of_constant, value)))
    return str(list(map(_text_of_constant, value))) if isinstance(value, tuple) else repr(value)


def _text_of_numbers(value: Any) -> str:
    if isinstance(value, Tensor):
        value = value.detach().to_dense().resolve_conj().resolve_neg()
    array = value.cpu().contiguous() if isinstance(value, Tensor) else np.ascontiguousarray(value)
    raw = array.flatten().view(torch.uint8).numpy().tobytes() if isinstance(array, Tensor) else array.tobytes()
    return f"{tuple(array.shape)} {array.dtype} {digest(raw)}"


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
