"""Steps of a rule that sums over parameters, on pieces of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from chainrule.updates.chain import Chain
from chainrule.updates.member_step import Tensors, take_all
from chainrule.updates.moment import Moment

Numbers: TypeAlias = Mapping[str, Tensor]
AddUp: TypeAlias = Callable[[Sequence[Numbers], Sequence[Numbers]], tuple[Numbers, Sequence[Numbers]]]
"""For the sums and the shares of each piece, the sums over all parameters and, for each piece, its whole's shares."""


def take_pieces(
    chain: Chain,
    rows: Sequence[Tensors],
    moments: Sequence[Moment],
    shares: Collection[str],
    first: Sequence[bool],
    add_up: AddUp,
) -> None:
    """Take a step with pieces of parameters.

    Args:
        chain: the rule.
        rows: the pieces, with the numbers of their parameters' states.
        moments: theirs.
        shares: which of these numbers are sums over the pieces; in a step each piece has a share, the first all.
        first: whether each is its parameter's first piece.
        add_up: adds over pieces and parameters.
    """
    own = [
        row._replace(state=row.state | {name: _share(row.state[name], whole=whole) for name in shares})
        for row, whole in zip(rows, first, strict=True)
    ]

    def add(found: Sequence[Numbers]) -> Numbers:
        sums, wholes = add_up(found, [{name: each.state[name] for name in shares} for each in own])
        for row, numbers in zip(rows, wholes, strict=True):
            for name in shares:
                row.state[name].copy_(numbers[name])
        return sums

    take_all(chain, own, [chain.states(each.state) for each in own], moments, add)


def _share(number: Tensor, *, whole: bool) -> Tensor:
    return number.clone() if whole else torch.zeros_like(number)
