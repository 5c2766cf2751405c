"""Vector code for numbers of 16 bits from torch's compiler for CPUs, some of whose choices are replaced meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._inductor.codegen import cpp
from torch._inductor.virtualized import V
from torch.compiler import config as compiler_config

from chainrule_torch.adapter.rounding import FORMATS

TAG = "chainrule's vectors of 16 bits"
"""What tells apart this code from torch's own in the cache on disk."""

_PLACES: Sequence[tuple[Any, str]] = (
    (cpp, "get_loop_body_lowp_fp"),
    (cpp.CppVecOverrides, "to_dtype_bitcast"),
    (cpp.CppVecKernel, "arange"),
)
_BEFORE = [vars(owner)[name] for owner, name in _PLACES]


@contextmanager
def whole_vectors(inputs: Sequence[Tensor]) -> Iterator[None]:
    """Have what is compiled meanwhile take numbers of 16 bits by whole vectors, if any are among its inputs.

    Beside an operation on float32 alone, such as the copy of state to its place, torch takes as many elements at a time
    as a vector of float32 has, and half a vector of 16 bits is stored behind a mask, which takes some processors ten
    times as long. It also reinterprets bits, and counts elements, number by number.
    """
    narrow = {each.dtype for each in inputs} & FORMATS.keys()
    lowp, *_ = _BEFORE
    if len(narrow) == 1 and all(each.dim() == 1 for each in inputs):
        (dtype,) = narrow
        others = [lambda body: (dtype, lowp(body)[1]), staticmethod(_bit_cast), _arange]
    else:
        others = [lowp, staticmethod(_bit_cast), _arange]
    _replace(others if narrow else _BEFORE)
    try:
        tag = compiler_config.cache_key_tag + (TAG if narrow else "")
        with compiler_config.patch(cache_key_tag=tag):  # type: ignore[attr-defined]  # torch adds it on import
            yield
    finally:
        _replace(_BEFORE)


def _replace(others: Sequence[Any]) -> None:
    for (owner, name), other in zip(_PLACES, others, strict=True):
        setattr(owner, name, other)


def _bit_cast(value: object, dtype: torch.dtype, _: torch.dtype) -> str:
    return f"c10::bit_cast<{V.kernel._get_vec_type(dtype)}>({value})"


def _arange(kernel: Any, first: Any, stride: object) -> Any:
    vector = kernel._get_vec_type(first.dtype)
    found = kernel.cse.generate(kernel.compute, f"{vector}({first}) + {vector}::arange(0, {stride})")
    found.dtype, found.is_vec = first.dtype, True
    return found
