"""A layer with a hand-written backward as a module of PyTorch, which autograd trains inside any model."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo

from chainrule import Buffer, ChainruleError, Module, Network, Parameter, Random, ShapeError, label
from chainrule.base.module import named_held, named_modules
from chainrule.base.protocols import ModuleLike
from chainrule.calls import explained
from chainrule.ops import expect_module
from chainrule_torch.networks.built_layer import BuiltLayer
from chainrule_torch.networks.layer_pass import LayerPass, without_autocast

COUNTERS = 2**48
"""The number of first counters among which PyTorch's generator chooses one for each forward that draws."""


@explained
def as_torch_module(layer: ModuleLike | Network) -> LayerModule:
    """Return a copy of a layer or network as a module of PyTorch, whose gradients are the layer's own.

    Parameters, buffers and their names are the layer's. One that is not built gets its first values as torch's
    modules do, by ``torch.manual_seed``, which also determines what dropout draws.

    Its submodules hold the parameters of the layers inside, which follow their modes; a layer without parts follows the
    one around it. ``get_submodule("1").eval()`` freezes the statistics of a batch_norm there, and then no backward of
    the whole module is possible, not even for a head behind layers that need no gradient. The submodules are of no
    class of torch.nn, so that what looks for one, as ``torch.optim.swa_utils.update_bn`` does, finds none. For both use
    `to_torch`.

    Raises:
        ChainruleError: if it is no module, an ensemble, or has a part named like an attribute of every nn.Module.
    """
    frozen: Iterable[str] = ()
    if isinstance(layer, Network):
        if layer.is_ensemble:
            raise ChainruleError(
                f"as_torch_module: a network must be a single one, got an ensemble of {layer.members}. "
                "Take network.member(i)."
            )
        frozen, layer = layer.frozen, layer.module
    expect_module("as_torch_module", "layer", layer)
    modes = [module.training for _, module in named_modules(layer)]
    layer = copy.deepcopy(layer)
    members = _members(layer)
    if members - {0, 1}:
        raise ChainruleError(
            f"as_torch_module: a layer must be of a single network, got one of {max(members)} members. "
            "Take a layer of network.member(i)."
        )
    if members <= {0}:
        layer = Network(layer, seed=int(torch.randint(2**31, (), device="cpu"))).module
    return LayerModule(layer, modes, frozen)


def _members(layer: ModuleLike) -> set[int]:
    """Return for how many members the layer's parts are built: 0 where they are not, and for a shared buffer 1."""
    parameters, buffers = named_held(layer, Parameter), named_held(layer, Buffer)
    tensors = [vars(part).get("data", ()) for _, part in (*parameters, *buffers)]
    streams = [stream for _, stream in named_held(layer, Random)]
    return {*map(len, tensors), *(stream.members if "key" in vars(stream) else 0 for stream in streams)}


def declared_layer(module: LayerModule) -> ModuleLike:
    """Return a copy of a module's layer that can be built anew, in the same modes."""
    layer = module._built.declared()
    for (_, inner), mode in zip(named_modules(layer), module._modes(), strict=True):
        inner.training = mode
    return layer


class LayerModule(nn.Module):
    """A built layer of chainrule as a module: its own forward and backward, and parameters by its own names.

    In eval mode a gradient goes through layers that compute the same as in train mode, and not through others. Under
    torch.autocast it computes in its parameters' dtype. Gradients are not differentiable again.

    Within torch.compile it runs uncompiled, between the graphs of what stands before and after it, so that
    ``fullgraph=True`` refuses it. The transforms of torch.func do not go through it; torch.export does, with
    ``strict=False``.
    """

    def __init__(self, layer: ModuleLike, modes: Sequence[bool], frozen: Iterable[str] = ()) -> None:
        super().__init__()
        self._built = built = BuiltLayer(layer)  # all names but these two are left to the layer's parts
        for name, parameter in built.parameters.items():
            holder, last = self._place(name)
            values = nn.Parameter(parameter.data[0].clone(), requires_grad=name not in frozen)
            holder.register_parameter(last, values)
        for name, buffer in built.buffers.items():
            holder, last = self._place(name)
            holder.register_buffer(last, buffer.data[0].clone(), persistent=buffer.persistent)
        self._holders = self._holders_in(modes)

    def _holders_in(self, modes: Sequence[bool]) -> list[nn.Module | None]:
        """Switch each holder to its module's mode; return, for each module, the holder whose mode it has, or None.

        That is the one around it where it has no parts, and None for this module, which is not to hold itself.
        """
        holders = dict(self.train(modes[0]).named_modules())
        named = list(named_modules(self._built.layer))
        places = {id(module): name for name, module in reversed(named)}  # one in two places has its parts in the first
        found = []
        for (name, module), mode in zip(named, modes, strict=True):
            if name in holders:
                holders[name].training = mode
            place = places[id(module)]
            while place not in holders:
                place = place.rpartition(".")[0]
            found.append(holders[place] if place else None)
        return found

    def _modes(self) -> list[bool]:
        """Return whether each module of the layer trains."""
        return [self.training if holder is None else holder.training for holder in self._holders]

    def _place(self, name: str) -> tuple[nn.Module, str]:
        """Return the module that holds a part with this dotted name, made where there is none, and its last name."""
        *path, last = name.split(".")
        holder: nn.Module = self
        for step in path:
            if step not in holder._modules:
                _expect_free(holder, step, name)
                holder.add_module(step, nn.Module())
            holder = holder._modules[step]  # type: ignore[assignment]
        _expect_free(holder, last, name)
        return holder, last

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output for a batch x (N, …)."""
        if torch.compiler.is_dynamo_compiling():
            return self._pass_uncompiled(x)
        if torch.compiler.is_exporting():
            with self._built.restored():
                return self._pass(x)
        return self._pass(x)

    def _pass(self, x: Tensor) -> Tensor:
        _expect_no_transform()
        built = self._built
        values = [self._part(name) for name in built.parameters]
        x = self._checked(x, values)
        built.bind_buffers(self._part(name).unsqueeze(0) for name in built.buffers)
        modes = self._modes()
        for stream in built.streams if any(modes) else ():
            counter = torch.randint(COUNTERS, (), device="cpu")  # as torch's own layers draw, also when recomputed
            stream.bind(stream.key.to(x.device), counter.to(x.device), values[0].dtype if values else x.dtype)
        with without_autocast(x.device.type):
            y: Tensor = LayerPass.apply(built, modes, x, *values)  # type: ignore[no-untyped-call]
        return y

    _pass_uncompiled = _disable_dynamo(_pass)
    """The pass inside of a function that torch compiles, whose graph breaks there."""

    def _part(self, name: str) -> Tensor:
        part: Any = self
        for step in name.split("."):
            part = getattr(part, step)
        return cast("Tensor", part)

    def _checked(self, x: Tensor, values: list[Tensor]) -> Tensor:
        """Return x, within torch.autocast in the parameters' dtype, or raise ShapeError if it does not fit."""
        layer = self._built.layer
        owner = label(layer)
        if not isinstance(x, Tensor) or x.dim() == 0:
            got = "a number" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise ShapeError(f"{owner}: x must be a tensor with the batch axis in front, got {got}. Pass a batch.")
        is_float = x.is_floating_point()
        if getattr(layer, "integer_inputs", not is_float) == is_float:
            wanted, fix = ("floats", "float()") if not is_float else ("integers", "long()")
            raise ShapeError(f"{owner}: x must have {wanted}, got {x.dtype}. Convert it with x.{fix}.")
        device_type = x.device.type
        if is_float and torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
            x = x.to(values[0].dtype if values else torch.promote_types(x.dtype, torch.float32))
        if is_float and values and x.dtype != values[0].dtype:
            raise ShapeError(
                f"{owner}: x must have the parameters' dtype {values[0].dtype}, got {x.dtype}. Convert one of them."
            )
        if isinstance(layer, Module):
            layer.output_shape(tuple(x.shape[1:]))
        return x

    def extra_repr(self) -> str:
        """Return the layer's own repr."""
        return repr(self._built.layer)


def _expect_no_transform() -> None:
    """Raise ChainruleError within a transform of torch.func, which takes no function that saves in its own way."""
    if torch._C._are_functorch_transforms_active():
        raise ChainruleError(
            "as_torch_module: a layer must be called outside of torch.func's transforms, got a call in one, as grad or "
            "vmap. Call loss.backward(), or use layers of torch.nn, which to_torch(network) makes of those it knows."
        )


def _expect_free(holder: nn.Module, last: str, name: str) -> None:
    """Raise ChainruleError if a module has an attribute of this name already."""
    if hasattr(holder, last):
        raise ChainruleError(
            f'as_torch_module: a part must not be named as an attribute of nn.Module, got "{name}". Rename it.'
        )
