"""`NetworkParts`: what a built network holds, by name, with its state and copies."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.buffer import Buffer
from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.base.module import named_held, named_modules, named_parameters
from chainrule.base.ordinary_tensors import ordinary
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random
from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.calls import explained
from chainrule.errors import ArgumentError, ChainruleError, StateError
from chainrule.flat_buffers import FlatBuffers
from chainrule.network_state import check_random_state, check_state
from chainrule.shared_modules import claim

_DERIVED = (
    "flat",
    "_output_shape",
    "_replacements",
    "_known_inputs",
    "_watched_calls",
    "_watched_forms",
    "shared",
    "_modules",
    "_named_parameters",
    "_named_buffers",
    "_named_streams",
)


class NetworkParts(DeclaresAttributes):
    """The modules, parameters, buffers and random streams of a built network, its state and its copies."""

    module: ModuleLike
    is_ensemble: bool
    _seeds: list[int]
    flat: FlatBuffers
    _frozen: frozenset[str] = frozenset()
    shared: Sequence[ModuleLike] = ()
    """The modules that other networks have, or had, too."""
    _replaced_by: ClassVar[Mapping[str, str]] = {
        "module": "Change it before build, and values with load_state_dict.",
        "training": "Write network.train(), or network.eval().",
        **dict.fromkeys(
            ("seeds", "members", "is_ensemble", "flat", "dtype", "device"),
            "Build another network, and load the state_dict of this one.",
        ),
    }

    def _look_inside(self) -> None:
        # Once, since checking attributes against a protocol is slow.
        # In the order of the first calls.
        self._known_inputs: dict[tuple[torch.Size, torch.dtype, torch.device], None] = {}
        self._watched_calls = 0  # in train mode, of these modules
        self._replacements = KeepsForBackward.replacements
        self._modules = [inner for _, inner in named_modules(self.module)]
        for module in self._modules[1:]:
            module.needs_input_grad = True  # one that was the first may stand elsewhere now
        self._named_parameters = dict(named_parameters(self.module))
        self._named_buffers = dict(named_held(self.module, Buffer))
        self._named_streams = dict(named_held(self.module, Random))

    def _claim_modules(self) -> None:
        claim(self, self._modules)

    def expect_same_parts(self) -> None:
        """Find modules that have taken another's place since `build`, such as another activation.

        Raises:
            StateError: if there are other parameters, buffers or random streams than were built.
        """
        now: dict[str, object] = dict(named_parameters(self.module))
        now |= {name: part for kind in (Buffer, Random) for name, part in named_held(self.module, kind)}
        built: dict[str, object] = {**self._named_parameters, **self._named_buffers, **self._named_streams}
        for name in [*built, *now]:
            if built.get(name) is not now.get(name):
                raise StateError(
                    f"network: parameters, buffers and streams must stay those that were built, got another {name}. "
                    "Change the module before build, or values with load_state_dict."
                )
        self._look_inside()
        self._claim_modules()

    @property
    def seeds(self) -> list[int]:
        """One seed per member."""
        return list(self._seeds)

    @property
    def members(self) -> int:
        """The number of members M; 1 for a single network."""
        return len(self._seeds)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of every parameter."""
        return self.flat.data.dtype

    @property
    def device(self) -> torch.device:
        """The device of every parameter."""
        return self.flat.data.device

    @property
    def training(self) -> bool:
        """Whether the network is in train mode."""
        return self.module.training

    @explained
    def modules(self) -> list[ModuleLike]:
        """Return the module and all modules inside it, depth first."""
        return list(self._modules)

    @explained
    def parameters(self) -> list[Parameter]:
        """Return every parameter, each once."""
        return list(self._named_parameters.values())

    @explained
    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield every parameter with its dotted name, such as `0.weight`."""
        yield from self._named_parameters.items()

    @explained
    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield every buffer with its dotted name, such as `1.running_mean`."""
        yield from self._named_buffers.items()

    @explained
    def freeze(self, *patterns: str) -> Self:
        """Keep the parameters whose names match a pattern, such as ``0.*``, out of training; return the network.

        Raises:
            ChainruleError: if a pattern matches no parameter.
        """
        self._frozen = self.frozen | self._matching("freeze", patterns)
        return self

    @explained
    def unfreeze(self, *patterns: str) -> Self:
        """Train the parameters whose names match a pattern again, with the rule's state that they had; see `freeze`.

        The rule counts, as in bias corrections, and sums over, the steps that they took themselves.
        """
        self._frozen = self.frozen - self._matching("unfreeze", patterns)
        return self

    @property
    def frozen(self) -> frozenset[str]:
        """The names of the parameters that no updater changes; `freeze` and `unfreeze` take patterns of them."""
        return self._frozen

    @frozen.setter
    def frozen(self, names: Iterable[str]) -> None:
        given = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        if unknown := [name for name in given if name not in self._named_parameters]:
            raise ChainruleError(
                f"network: frozen must be a set of names of parameters, got {shown(unknown[0])}. "
                'Write network.freeze("*.bias"), or network.unfreeze("*").'
            )
        self._frozen = frozenset(given)

    def _matching(self, method: str, patterns: Sequence[str]) -> frozenset[str]:
        first = next(iter(self._named_parameters), "*")
        if not patterns:
            raise ArgumentError(f'{method}: needs a pattern, got none. Write {method}("{first}").')
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise ChainruleError(
                    f'{method}: a pattern must be text, got {shown(pattern)}. Write {method}("{first}").'
                )
            if not fnmatch.filter(self._named_parameters, pattern):
                raise ChainruleError(
                    f'{method}: a pattern must match a parameter, got "{pattern}". '
                    f"The parameters are {list(self._named_parameters)}."
                )
        return frozenset(name for pattern in patterns for name in fnmatch.filter(self._named_parameters, pattern))

    @explained
    def random_state(self) -> dict[str, dict[str, Tensor]]:
        """Return copies of every random stream's key (2, M) and counter (), by dotted name."""
        return {
            name: {"key": stream.key.clone(), "counter": stream.counter.clone()}
            for name, stream in self._named_streams.items()
        }

    @explained
    def load_random_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue with saved random streams.

        Raises:
            StateError: if names or numbers of members differ; nothing is changed then.
        """
        check_random_state(state, self.random_state())
        for name, stream in self._named_streams.items():
            stream.load(state[name]["key"], state[name]["counter"])

    @explained
    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of parameters and persistent buffers by name; shapes as in PyTorch, an ensemble's with M."""
        self.expect_same_parts()
        return {name: self._outside(tensor).clone() for name, tensor in self._state().items()}

    @explained
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Copy in parameters and buffers by name; a single network takes a torch module's state_dict of the same names.

        Raises:
            StateError: if names or shapes differ; nothing is changed then.
        """
        own = self._state()
        check_state(state, {name: self._outside(tensor) for name, tensor in own.items()})
        with torch.no_grad():
            copies = {name: values.clone() for name, values in state.items()}  # they may be views of these parameters
            for name, tensor in own.items():
                self._outside(tensor).copy_(copies[name])

    def declared_tensors(self) -> dict[str, Any]:
        """Return what forward may change: the buffers' values, and the random streams' keys and counters."""
        streams = self._named_streams.values()
        return {
            "buffers": [buffer.data for _, buffer in self.named_buffers()],
            "streams": [(stream.key, stream.counter) for stream in streams],
        }

    def bind_declared(self, tensors: Mapping[str, Any]) -> None:
        """From now on use such tensors in place of the own."""
        for (_, buffer), data in zip(self.named_buffers(), tensors["buffers"], strict=True):
            buffer.bind(data)
        for stream, (key, counter) in zip(self._named_streams.values(), tensors["streams"], strict=True):
            stream.bind(key, counter, self.dtype)

    def member_tensors(self) -> dict[str, list[Tensor]]:
        """Return what each member has of its own, (M, …) each."""
        return {
            "data": [parameter.data for parameter in self.parameters()],
            "grad": [parameter.grad for parameter in self.parameters()],
            "buffers": [buffer.data for _, buffer in self.named_buffers() if not buffer.shared],
            "keys": [stream.key.T for stream in self._named_streams.values()],
        }

    def bind_members(self, seeds: Sequence[int], tensors: Mapping[str, list[Tensor]]) -> None:
        """Have other members from now on, with these seeds and with tensors as `member_tensors` returns them."""
        self._seeds = list(seeds)
        vars(self)["flat"] = FlatBuffers(self.parameters(), self.members, self.dtype, self.device)
        for parameter, data, grad in zip(self.parameters(), tensors["data"], tensors["grad"], strict=True):
            parameter.data.copy_(data)
            parameter.grad.copy_(grad)
        own = [buffer for _, buffer in self.named_buffers() if not buffer.shared]
        for buffer, values in zip(own, tensors["buffers"], strict=True):
            buffer.bind(ordinary(values))
        for stream, key in zip(self._named_streams.values(), tensors["keys"], strict=True):
            stream.bind(ordinary(key.T.contiguous()), stream.counter, self.dtype)

    def _state(self) -> dict[str, Tensor]:
        """Return the tensors that a state holds, with their member axis; a shared buffer has one member."""
        parameters = {name: parameter.data for name, parameter in self.named_parameters()}
        return parameters | {name: buffer.data for name, buffer in self.named_buffers() if buffer.persistent}

    def _outside(self, tensor: Tensor) -> Tensor:
        return tensor if self.is_ensemble else tensor[0]

    def __copy__(self) -> Self:
        # A shallow copy would share the parameters, which can be views of one network's buffers only.
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        # Parameters carry their own values; the buffers are allocated anew.
        kept = {name: value for name, value in vars(self).items() if name not in _DERIVED}
        return {**kept, "placement": (self.dtype, self.device)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "flat" in vars(self):
            raise StateError(
                "network: __setstate__ must be called on a new object, got a built network. Use load_state_dict(…)."
            )
        kept = dict(state)
        dtype, device = kept.pop("placement")
        if any(parameter.data._is_view() for _, parameter in named_parameters(kept["module"])):
            kept["module"] = copy.deepcopy(kept["module"])  # that of a network, which keeps its own
        vars(self).update(kept)
        self._look_inside()
        values = [(parameter.data, parameter.grad) for parameter in self.parameters()]
        vars(self)["flat"] = FlatBuffers(self.parameters(), self.members, dtype, device)
        for parameter, (data, grad) in zip(self.parameters(), values, strict=True):
            parameter.data.copy_(data)
            parameter.grad.copy_(grad)
        self._claim_modules()
