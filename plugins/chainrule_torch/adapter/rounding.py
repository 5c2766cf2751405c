"""Rounding of float32 to parameters of 16 bits: to the nearest number, or up or down at random.

Source: Gupta et al. 2015, arXiv:1502.02551, §3.1; the mixing of the random bits after Wellons 2018,
https://nullprogram.com/blog/2018/07/31
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

from chainrule.base.random_numbers import random_key

Word = TypeVar("Word", int, Tensor)

MULTIPLIERS = (0x21F0AAAD, 0x735A2D97)

FORMATS = {torch.bfloat16: (16, 0x7F7F0000), torch.float16: (13, 0x477FE000)}
"""Of each dtype, the bits of a float32 that its normal numbers lack, and its greatest number as a float32's bits."""

_ONES = 0xFFFFFFFF
_SIGN, _MAGNITUDE, _INFINITY = -(1 << 31), 0x7FFFFFFF, 0x7F800000


def stochastically_rounded(wide: Tensor, dtype: torch.dtype, noise: Tensor) -> Tensor:
    """Return one of the two numbers of a dtype next to each of float32, whose mean over the noise is that number.

    A number of the dtype stays what it is, as do infinity and NaN. What lies less than a unit beyond the greatest
    number becomes that one, never infinity.

    Args:
        wide: numbers of float32.
        dtype: bfloat16 or float16.
        noise: random int32 numbers, of the same shape.
    """
    lacking, greatest = FORMATS[dtype]
    discarded, info, bits = (1 << lacking) - 1, torch.finfo(dtype), wide.view(torch.int32)
    limit = (bits & _SIGN).bitwise_or_(greatest | discarded)
    raised = (noise & discarded).add_(bits).clamp_max_(limit)  # as whole numbers, which order infinity and NaN too
    rounded = raised.clamp_min_(bits).bitwise_and_(~discarded).view(torch.float32)
    if dtype == torch.float16:  # below its normal numbers, the unit is the same for all
        unit = info.smallest_normal * info.eps
        small = (wide / unit + (noise & 0xFFFFFF) * 0.5**24).floor() * unit
        rounded = torch.where(wide.abs() < info.smallest_normal, small, rounded)
    return rounded.to(dtype)


def nearest_with_rest(wide: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the numbers of a dtype nearest to those of float32, and what they leave out: nothing of infinity and NaN.

    Args:
        wide: numbers of float32.
        dtype: bfloat16 or float16.
    """
    rounded = wide.to(dtype)
    bits = (wide - rounded).view(torch.int32)
    return rounded, _ones_below(_INFINITY, bits).bitwise_and_(bits).view(torch.float32)


def random_bits(index: Tensor, first: int | Tensor, second: int | Tensor) -> Tensor:
    """Return 32 random bits for each index, as int32, that follow from the index and two words alone."""
    mixed = (index ^ first).mul_(MULTIPLIERS[0])
    mixed.bitwise_xor_(mixed >> 15).bitwise_xor_(second).mul_(MULTIPLIERS[1])
    return mixed.bitwise_xor_(mixed >> 16)


def words(key: Sequence[Word], t: int, draw: int) -> list[Word]:
    """Return the two words, as int32 numbers, of a draw of random bits.

    Args:
        key: the two words of a parameter's random numbers; or those of several, as tensors of int64.
        t: the parameter's step.
        draw: the number of the draw at this step.
    """
    return [_signed(_mixed(own ^ common)) for own, common in zip(key, _key_of_draw(t, draw), strict=True)]


@lru_cache(maxsize=64)
def _key_of_draw(t: int, draw: int) -> list[int]:
    return random_key(t, f"rounding/{draw}")


def _mixed(word: Word) -> Word:
    """Return another word of 32 bits, each of which depends on all of these."""
    for shift, multiplier in zip((16, 15), MULTIPLIERS, strict=True):
        word = (word ^ word >> shift) * multiplier & _ONES
    return word ^ word >> 15


def _ones_below(limit: int, bits: Tensor) -> Tensor:
    """Return all ones for a float32 of less magnitude than a limit, else 0: a mask, which is cheaper than a choice."""
    return (bits & _MAGNITUDE).sub_(limit).bitwise_right_shift_(31)


def _signed(word: Word) -> Word:
    return (word ^ 1 << 31) - (1 << 31)
