"""Finds out whether a rule may act on pieces of a parameter, by stepping numbers whole and in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations

import torch
from torch import Tensor

from chainrule import Optimizer
from chainrule.base.random_streams import random_stream
from chainrule.base.step import Due
from chainrule.base.wrapper import with_any_lr
from chainrule.updates.chain import Chain
from chainrule.updates.definition import definition
from chainrule.updates.member_step import Tensors, added
from chainrule.updates.moment import Moment
from chainrule.updates.watching import STEPS, Always, is_elementwise, watching
from chainrule_torch.adapter.pieces import Numbers, take_pieces

ADDING = [getattr(torch.ops.aten, name) for name in ("sum", "clone", "new_zeros", "zeros")]
"""Operations beside pointwise ones by which a rule adds up over a parameter, and makes the numbers to keep."""

WHOLE = (slice(0, 7),)
CUT = (slice(0, 2), slice(2, 2), slice(2, 7))
"""Pieces of seven numbers, of which one is empty."""

NO_KEY = torch.empty(0, device="cpu")
"""In place of a key of random numbers, which such a rule does not draw."""


@lru_cache(maxsize=1)  # for all parameters of a group
def acts_on_pieces(chain: Chain) -> bool:
    """Return whether a rule may act on each piece of a parameter alone, but for its sums."""
    return is_elementwise(with_any_lr(chain.rule)) or shares_of_sums(chain.rule) is not None


def draws(rule: Optimizer) -> bool:
    """Return whether a rule draws random numbers. In doubt it does."""
    rule = with_any_lr(rule)
    return _draws(rule, definition(rule))


@lru_cache(maxsize=256)
def _draws(rule: Optimizer, _: object) -> bool:
    if is_elementwise(rule):
        return False
    chain = Chain(rule, checks=False)
    shape = [3] * (2 if 2 in chain.ranks else chain.ranks[-1])
    data, grad = torch.randn(2, *shape, generator=random_stream(0, "draws"), dtype=torch.float64, device="cpu")
    try:
        with torch.inference_mode(False), torch.no_grad():
            steps = chain.steps(Moment(1, 1.0, chain.scalars(1), Always(1)))
            chain.take(data, grad, chain.states(chain.init(data)), steps)
    except Exception:  # noqa: BLE001 - as it does where it draws, without a key, if nothing else is wrong
        return True
    return False


def shares_of_sums(rule: Optimizer) -> frozenset[str] | None:
    """Return which numbers of a rule's state are sums over the pieces of a parameter; the others are equal in all.

    None for a rule without sums, and for one that is not elementwise but for them. In doubt it is not.
    """
    rule = with_any_lr(rule)
    return _shares_of_sums(rule, definition(rule))


@lru_cache(maxsize=256)
def _shares_of_sums(rule: Optimizer, _: object) -> frozenset[str] | None:
    chain = Chain(rule, checks=False)
    fits = all(layer.elementwise is None and layer.ranks == Optimizer.ranks for layer in chain.layers)
    if not chain.has_sums or not fits:
        return None
    try:
        with torch.inference_mode(False), torch.no_grad():
            return _found(chain)
    except Exception:  # noqa: BLE001 - a rule may fail on such numbers in any way, and then sees whole parameters
        return None


def _found(chain: Chain) -> frozenset[str] | None:
    stream = random_stream(0, "pieces")
    drawn = torch.randn(1 + len(STEPS), 7, generator=stream, dtype=torch.float64, device="cpu")
    _watch(chain, drawn)
    whole = _walk(chain, drawn, WHOLE, ())
    numbers = [name for name, entry in chain.init(drawn[0]).items() if not entry.dim()]
    for count in range(len(numbers) + 1):
        for shares in combinations(numbers, count):
            cut = _walk(chain, drawn, CUT, shares)
            if all(torch.allclose(one, other, rtol=1e-9, atol=0) for one, other in zip(whole, cut, strict=True)):
                return frozenset(shares)
    return None


def _watch(chain: Chain, drawn: Tensor) -> None:
    """Raise NotElementwiseError if the rule does more than to add up and to act on each element."""
    data = drawn[0].clone()
    with watching(*ADDING):
        states = chain.states(chain.init(data))
    for moment, grad in _moments(chain, drawn):
        steps = chain.steps(moment)
        with watching(*ADDING):
            chain.take(data, grad, states, steps)


def _walk(chain: Chain, drawn: Tensor, cuts: Sequence[slice], shares: Sequence[str]) -> list[Tensor]:
    """Return the values, sums and state after each of some steps with pieces, a number of the state as all have it."""
    data = [drawn[0, cut].clone() for cut in cuts]
    states = [chain.init(each) for each in data]
    first = [cut.start == 0 for cut in cuts]
    found: list[Tensor] = []

    def add_up(sums: Sequence[Numbers], parts: Sequence[Numbers]) -> tuple[Numbers, Sequence[Numbers]]:
        total = added(sums)
        found.extend(total.values())
        return total, [added(parts)] * len(cuts)

    for moment, grad in _moments(chain, drawn):
        grads = [grad[cut] for cut in cuts]
        rows = [Tensors(*each, NO_KEY) for each in zip(data, grads, states, strict=True)]
        take_pieces(chain, rows, [moment] * len(cuts), shares, first, add_up)
        found.append(torch.cat(data))
        for name, entry in states[0].items():
            held = [state[name] for state in states]
            found.append(torch.cat(held) if entry.dim() else torch.stack(held))
    return found


def _moments(chain: Chain, drawn: Tensor) -> Iterator[tuple[Moment, Tensor]]:
    """Yield the moments and gradients of some steps, with both answers of `Step.every`."""
    for t, grad in zip(STEPS, drawn[1:], strict=True):
        for due in (Due(t), Always(t)):
            yield Moment(t, 1.0, chain.scalars(t), due), grad
