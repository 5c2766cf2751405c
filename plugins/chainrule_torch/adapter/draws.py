"""The random bits by which the steps of parameters are rounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from chainrule.updates.elementwise import SLICE
from chainrule.updates.member_step import Tensors
from chainrule_torch.adapter.rounding import random_bits, words

ALONE_FROM = 2**14
"""Elements of a parameter from which words for each of them cost more than a function call for the parameter."""


class Bits(Protocol):
    """Random bits for the elements of a parameter, and of the entries of its state."""

    def bits(self, draw: int, count: int) -> Tensor:
        """Return so many bits of a draw, one of several at a step."""


class Draws(NamedTuple):
    """The random bits at a step for parameters, one after the other, that follow from each one's own key and step.

    Attributes:
        keys: those of the parameters.
        sizes: their numbers of elements.
        t: their step.
        part: the elements that the bits are for.
    """

    keys: Sequence[Tensor]
    sizes: Sequence[int]
    t: int
    part: slice

    @classmethod
    def of(cls, rows: Sequence[Tensors], t: int) -> Draws:
        """Return those for all elements of parameters."""
        sizes = [row.data.numel() for row in rows]
        return cls([row.key for row in rows], sizes, t, slice(0, sum(sizes)))

    def stretches(self) -> Iterator[tuple[slice, Draws]]:
        """Yield the elements whose bits are best drawn at once: those of a large parameter, or of several small ones.

        The words of single elements are many, and those of a slice of them stay in a processor's cache.
        """
        first, start, stop = 0, 0, 0
        for i, size in enumerate(self.sizes):
            if i > first and (max(size, self.sizes[i - 1]) >= ALONE_FROM or stop + size - start > SLICE):
                yield slice(start, stop), self._of(first, i)
                first, start = i, stop
            stop += size
        yield slice(start, stop), self._of(first, len(self.sizes))

    def _of(self, first: int, stop: int) -> Draws:
        sizes = self.sizes[first:stop]
        return Draws(self.keys[first:stop], sizes, self.t, slice(0, sum(sizes)))

    def bits(self, draw: int, count: int) -> Tensor:
        """Return so many bits of a draw, one of several at a step.

        A parameter's are the same alone as among others.
        """
        start, index = self.part.start, _indices(count, self.keys[0].device)
        if len(self.keys) == 1:
            one, other = self._words_of_one([draw])
            return random_bits(index, one ^ start, other)  # the start, a multiple of a slice's length
        starts, first, second = (each[self.part] for each in self._each(*self._pairs([draw])))
        return random_bits(index + start - starts, first, second)

    def words(self, draws: Sequence[int]) -> list[Tensor]:
        """Return what the bits of some draws follow from.

        That is a vector of two words each, or for several parameters the number of each element in its parameter, and
        each element's two words of each draw.
        """
        if not draws:
            return []
        device = self.keys[0].device
        if len(self.keys) == 1:
            return [torch.tensor(self._words_of_one(draws), dtype=torch.int32, device=device)]
        starts, *words = self._each(*self._pairs(draws))
        return [_indices(self.part.stop, device) - starts, *words]

    def _words_of_one(self, draws: Sequence[int]) -> list[int]:
        """Return the words of each draw, of the only parameter."""
        key = self.keys[0].view(-1).tolist()
        return [word for draw in draws for word in words(key, self.t, draw)]

    def _pairs(self, draws: Sequence[int]) -> Tensor:
        """Return two rows for each draw: the words of each parameter."""
        key = torch.cat([*self.keys], 1).cpu()  # (2, parameters)
        return torch.stack([word for draw in draws for word in words(key.unbind(), self.t, draw)]).int()

    def _each(self, *words: Tensor) -> Sequence[Tensor]:
        """Return for each element where its parameter starts, and these words of it."""
        starts = torch.tensor([0, *accumulate(self.sizes[:-1])], dtype=torch.int32, device="cpu")
        sizes, count = torch.tensor(self.sizes, device="cpu"), self.part.stop
        rows = [row.repeat_interleave(sizes, output_size=count) for row in (starts, *words)]  # a third of the time
        return [row.to(self.keys[0].device) for row in rows]


def _indices(count: int, device: torch.device) -> Tensor:
    return _first_indices(device)[:count] if count <= SLICE else torch.arange(count, dtype=torch.int32, device=device)


@lru_cache(maxsize=8)
def _first_indices(device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.arange(SLICE, dtype=torch.int32, device=device)
