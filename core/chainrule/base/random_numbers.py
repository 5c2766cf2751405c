"""`Random`: a module's own stream of random numbers, by a counter-based generator written in tensor operations.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox4x32 with 10 rounds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor

from chainrule.base.ordinary_tensors import ordinary
from chainrule.calls import ExplainsAttributes
from chainrule.errors import ChainruleError

ROUNDS = 10
WORD = 0xFFFFFFFF
"""The largest 32-bit word. Words are held in int64, which wraps as products modulo 2⁶⁴ should."""

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)

BITS = 24
"""Of each word, as many as a float32 in [0, 1) holds, so that float32 and float64 get the same numbers."""

AHEAD = 2**14
"""Numbers that are drawn at a time for the coming draws of one shape, since small draws cost as much as larger ones."""

STEPS, DRAWS = 2**32, 2**16
"""The steps, and the draws at each, that have numbers of their own; a draw's at successive steps follow each other."""

SHAPES = 4
"""The most shapes whose coming draws are kept."""


class Distributions(ABC):
    """Uniform, Bernoulli and normal numbers, from draws of uniform ones."""

    dtype: torch.dtype

    @property
    @abstractmethod
    def members(self) -> int:
        """The number of members M."""

    @abstractmethod
    def _draw(self, count: int) -> Tensor:
        """Return the next draw of so many uniform numbers, (M, count)."""

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Return uniform numbers in [0, 1).

        Shapes: shape as of one member, result (M, *shape)
        """
        return self._draw(math.prod(shape)).view(self.members, *shape)

    def bernoulli(self, probability: float | Tensor, shape: Sequence[int]) -> Tensor:
        """Return ones with this probability, else zeros.

        Shapes: probability a number or, per member, (M,); shape as of one member, result (M, *shape)
        """
        if isinstance(probability, Tensor):
            probability = probability.view(-1, *[1] * len(shape))
        return (self.uniform(shape) < probability).to(self.dtype)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return standard normal numbers, by Box and Muller's transform of pairs of uniform ones.

        Shapes: shape as of one member, result (M, *shape)
        """
        count = math.prod(shape)
        half = -(-count // 2)
        first, second = self._draw(2 * half).double().view(self.members, 2, half).unbind(1)  # (M, half) each
        radius, angle = (first + 0.5**BITS / 2).log_().mul_(-2).sqrt_(), second * (2 * math.pi)
        numbers = torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :count]
        return numbers.to(self.dtype).reshape(self.members, *shape)


class Random(ExplainsAttributes, Distributions):
    """Declare a stream of random numbers of the module's own; `build` gives every member its key.

    The numbers follow from (member's seed, dotted name of the stream, number of draws so far) alone: they are the same
    on every device, compiled or not, and for a member as for the single network with its seed. `uniform` gives
    multiples of 2⁻²⁴.

    Attributes:
        key: two words per member, (2, M).
        counter: the number of draws so far, ().

    Raises:
        ChainruleError: if a number is drawn before `build`.
    """

    key: Tensor
    counter: Tensor

    @property
    def members(self) -> int:
        """The number of members M."""
        return self.key.shape[1]

    def bind(self, key: Tensor, counter: Tensor, dtype: torch.dtype) -> None:
        """Take this key (2, M) and counter (), and draw numbers of this dtype."""
        self.key, self.counter, self.dtype = key, counter, dtype
        self._ahead: dict[int, tuple[int, Tensor]] = {}  # by count of numbers, the first draw and those from it on

    def load(self, key: Tensor, counter: Tensor) -> None:
        """Continue with these values of key and counter, in the tensors that compiled steps know."""
        self.key.copy_(key)
        self.counter.copy_(counter)
        self._ahead.clear()

    def _draw(self, count: int) -> Tensor:
        traced = type(self.counter) is not Tensor or torch.compiler.is_compiling()
        if traced or self.counter.device.type != "cpu":  # where reading the counter is impossible, or costly
            numbers = uniform(self.key, self.counter, 1, count, self.dtype)[:, 0]
        else:
            draw = int(self.counter)
            first, block = self._ahead.get(count, (draw, None))
            if block is None or not first <= draw < first + block.shape[1]:
                draws = max(1, AHEAD // max(1, self.key.shape[1] * count))
                first, block = draw, uniform(self.key, self.counter, draws, count, self.dtype)
                if len(self._ahead) == SHAPES:
                    self._ahead.clear()
                if draws > 1:
                    self._ahead[count] = first, block
            numbers = block[:, draw - first].clone() if block.shape[1] > 1 else block[:, 0]
        self.counter.add_(1)
        return numbers

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("key", "counter"):
            raise ChainruleError(
                "Random: drawing needs a built module. Call build() on a module with it in an attribute."
            )
        return super().__getattr__(name)  # type: ignore[misc]

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name != "_ahead"}
        return {**kept, "key": kept["key"].clone(), "counter": kept["counter"].clone()} if "key" in kept else kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "key" in state:
            self.bind(ordinary(state["key"]), ordinary(state["counter"]), state["dtype"])

    def __repr__(self) -> str:
        return "Random()"


Ahead: TypeAlias = dict[tuple[int, int], tuple[int, Tensor]]
"""By number of the draw and count of numbers: the first step of a block, and its numbers (1, steps, count)."""


class StepRandom(Distributions):
    """The random numbers of one step of a rule, for one parameter of one member.

    They follow from (member's seed, the parameter's name, t, number of draws at this step) alone. Shapes are those of
    `Random` without the member axis.

    Args:
        key: two words, (2, 1).
        t: the step's number.
        dtype: the dtype of the numbers.
        layer: the number of rules inside this one; wrappers have numbers of their own.
        ahead: holds numbers of the coming steps, since small draws cost as much as larger ones.
    """

    members = 1

    def __init__(
        self, key: Tensor, t: int | Tensor, dtype: torch.dtype, *, layer: int = 0, ahead: Ahead | None = None
    ) -> None:
        self.dtype = dtype
        self._key, self._t, self._ahead = key, t, ahead
        self._draws = layer * DRAWS

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Return uniform numbers in [0, 1) of this shape."""
        return super().uniform(shape)[0]

    def bernoulli(self, probability: float | Tensor, shape: Sequence[int]) -> Tensor:
        """Return ones with this probability, else zeros, of this shape."""
        return (self.uniform(shape) < probability).to(self.dtype)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return standard normal numbers of this shape."""
        return super().normal(shape)[0]

    def _draw(self, count: int) -> Tensor:
        draw, t = self._draws, self._t
        self._draws += 1
        if isinstance(t, Tensor) or self._ahead is None or self._key.device.type != "cpu":
            # The key's zero lets torch.vmap see one counter for each member.
            first = self._key[0, 0] * 0 + draw * STEPS + (t.long() if isinstance(t, Tensor) else t)
            return uniform(self._key, first, 1, count, self.dtype)[:, 0]
        begin, block = self._ahead.get((draw, count), (t, None))
        if block is None or not begin <= t < begin + block.shape[1]:
            begin = t
            block = uniform(
                self._key, torch.tensor(draw * STEPS + t, device="cpu"), max(1, AHEAD // count), count, self.dtype
            )
            self._ahead[draw, count] = begin, block
        return block[:, t - begin].clone()


def random_key(seed: int, name: str) -> list[int]:
    """Return the two words of a stream's key."""
    digest = blake2b(f"{seed}/random/{name}".encode(), digest_size=8).digest()
    return [int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")]


def uniform(key: Tensor, first: Tensor, draws: int, count: int, dtype: torch.dtype) -> Tensor:
    """Return so many draws of uniform numbers each, from the draw with number first on.

    Shapes: key (2, M), first (), result (M, draws, count)
    """
    blocks = -(-count // 4)
    numbers = first + torch.arange(draws, device=key.device)
    index = torch.arange(blocks, device=key.device).expand(draws, blocks)
    low, high = (numbers & WORD).unsqueeze(1).expand(draws, blocks), (numbers >> 32).unsqueeze(1).expand(draws, blocks)
    even, odd = torch.stack([index, low]), torch.stack([torch.zeros_like(index), high])  # (2, draws, blocks)
    members = key.shape[1]
    even, odd = (half.unsqueeze(1).expand(2, members, draws, blocks) for half in (even, odd))
    even, odd = philox(even, odd, key.view(2, members, 1, 1))
    words = torch.cat([even[0], odd[0], even[1], odd[1]], -1)[..., :count]
    return words.bitwise_right_shift(32 - BITS).to(dtype).mul_(0.5**BITS)


def philox(even: Tensor, odd: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Return four random words for each counter of four words.

    Shapes: even and odd (2, …), words 0 and 2, and words 1 and 3, of the counters; key (2, …), which broadcasts against
    them; result like the counters
    """
    # Filled on the device, since a CUDA graph captures no copy to it.
    multipliers, weyl = (
        torch.stack([torch.full([1] * (key.dim() - 1), word, device=key.device) for word in words])
        for words in (MULTIPLIERS, WEYL)
    )
    for number in range(ROUNDS):
        products = (even * multipliers).flip(0)
        even = (products >> 32).bitwise_xor_(odd).bitwise_xor_((key + number * weyl) & WORD).bitwise_and_(WORD)
        odd = products.bitwise_and_(WORD)
    return even, odd
