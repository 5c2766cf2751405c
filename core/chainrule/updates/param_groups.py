"""`param_groups`: several rules, each for the parameters whose names match its pattern."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.base.optimizer import Optimizer
from chainrule.calls import explained
from chainrule.network import Network
from chainrule.updates.selectors import check_groups
from chainrule.updates.updater import Updater


class ParamGroups(DeclaresAttributes):
    """Rules by what selects their parameters, such as ``{"matrices": muon(), "*": adam()}``; the first match counts.

    A key is a pattern of names (``*.bias``), ``matrices`` (all of rank 2 but embeddings, of positions too, and the
    scales of norms), ``weights`` (the matrices and the kernels of convolutions), ``vectors`` (all of rank 0 and 1:
    biases and the scales of norms), or ``layer:`` with a pattern of the layer's kind (``layer:*_norm``).
    """

    _instead: ClassVar[Mapping[str, str]] = {"step": "The updater has it: updater = param_groups({…}).attach(network)."}

    groups: dict[str, Optimizer]

    @explained
    def __init__(self, groups: Mapping[str, Optimizer]) -> None:
        check_groups(groups)
        self.groups = dict(groups)

    def __repr__(self) -> str:
        return f"param_groups({self.groups!r})"

    @explained
    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return an Updater that applies each rule to its parameters; arguments as for `Optimizer.attach`.

        Raises:
            ChainruleError: if a parameter matches no pattern, or a pattern no parameter.
        """
        return Updater(network, self.groups, clip_norm=clip_norm, compile=compile)


param_groups = ParamGroups
