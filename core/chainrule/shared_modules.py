"""Modules that two living networks have, such as one activation for both."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import ReferenceType, WeakValueDictionary, ref

from chainrule.base.buffer import Buffer
from chainrule.base.module import held
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random
from chainrule.errors import BackwardError, ChainruleError, label

if TYPE_CHECKING:
    from chainrule.network_parts import NetworkParts


class Shared(NamedTuple):
    """A module of a network that another one has too."""

    module: ModuleLike
    other: ReferenceType[NetworkParts]


_first: WeakValueDictionary[int, NetworkParts] = WeakValueDictionary()
"""By a module's identity the first of the living networks that have it."""


def find_shared(network: NetworkParts, modules: Sequence[ModuleLike]) -> list[Shared]:
    """Return those of a network's modules that other living networks have too, of which these are told."""
    found = [one for one in network.shared if one.other() is not None and _is_among(one.module, modules)]
    for module in modules:
        other = _first.setdefault(id(module), network)
        if other is network:
            continue
        if _is_among(module, other.modules()):
            found.append(Shared(module, ref(other)))
            vars(other)["shared"] = [*other.shared, Shared(module, ref(network))]
        else:  # that one had another there, which is gone
            _first[id(module)] = network
    return found


def expect_no_values(network: NetworkParts) -> None:
    """Raise ChainruleError if a shared module has buffers or streams, which would become those of two networks."""
    if not any(map(_values, network.shared)):
        return
    gc.collect()  # of networks that nobody has any more
    for one in network.shared:
        other = one.other()
        is_built = other is not None and "_device_type" in vars(other)  # not one whose build has failed
        for name in _values(one) if is_built else ():
            raise ChainruleError(
                f"{label(one.module)}: must not be built twice, got one whose {name} another network has. "
                "Declare a new one, or copy the network."
            )


def begin_call(network: NetworkParts) -> None:
    """Put shared modules into the network's mode, and note that they keep what backward needs of its call."""
    for one in network.shared:
        one.module.training = network.training
        vars(one.module)["_called_by"] = id(network)
    ask_for_input_grads(network)


def ask_for_input_grads(network: NetworkParts) -> None:
    """Let shared modules return dL/dx, of which the first module of the other network needs none."""
    for one in network.shared:
        one.module.needs_input_grad = True


def expect_own_call(network: NetworkParts) -> None:
    """Raise BackwardError if a shared module was called by another network since."""
    for one in network.shared:
        if vars(one.module).get("_called_by") != id(network):
            raise BackwardError(
                f"{label(one.module)}: must not be called by another network between forward and backward, got one "
                "that two networks share. Make one for each."
            )


def _is_among(module: ModuleLike, modules: Sequence[ModuleLike]) -> bool:
    return any(module is one for one in modules)


def _values(one: Shared) -> list[str]:
    return [name for kind in (Buffer, Random) for name, _ in held(one.module, kind)]
