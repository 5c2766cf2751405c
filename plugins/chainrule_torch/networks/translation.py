"""Networks as modules of PyTorch with copies of their weights, and modules of PyTorch as networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from chainrule import ChainruleError, Module, ModuleLike, Network, create
from chainrule.arguments import advice, shown
from chainrule.base.module import named_modules
from chainrule.calls import explained
from chainrule_torch.networks.layer_module import LayerModule, as_torch_module, declared_layer
from chainrule_torch.networks.modules import Parallel
from chainrule_torch.networks.twins import CONTAINERS, built_in_name, twin_of_ours, twin_of_theirs


@explained
def to_torch(network: Network) -> nn.Module:
    """Return the equivalent module of PyTorch, with copies of parameters and buffers under the same names.

    Layers become those of torch.nn where these compute the same; any other becomes a module around its own forward and
    backward, as by `as_torch_module`.

    Raises:
        ChainruleError: if it is no built network, or an ensemble.
    """
    if not isinstance(network, Network):
        raise ChainruleError(
            f"to_torch: network must be a built one, got {shown(network)}. {advice('network', network)}"
        )
    if network.is_ensemble:
        raise ChainruleError(
            f"to_torch: network must be a single one, got an ensemble of {network.members}. Take network.member(i)."
        )
    if _has_tied_parameters(network.module):
        return as_torch_module(network)  # where one parameter has one name, as here
    with torch.random.fork_rng(devices=[]):
        module = _theirs(network.module).to(network.device, network.dtype)
    module.load_state_dict(network.state_dict())
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in network.frozen)
    return module


def _has_tied_parameters(module: ModuleLike) -> bool:
    parameters = [parameter for _, inner in named_modules(module) for _, parameter in inner.own_parameters()]
    return len(set(parameters)) < len(parameters)


def _theirs(layer: Any) -> nn.Module:
    """Return the module of torch for a built layer, with other values."""
    name = built_in_name(layer)
    if name in CONTAINERS:
        settings = {"combine": layer.combine, "dim": layer.dim} if name == "parallel" else {}
        container = CONTAINERS[name](*map(_theirs, layer.modules), **settings)
        container.training = layer.training
        return container
    twin = twin_of_ours(layer)
    if twin is None:
        return as_torch_module(layer)
    settings = twin.settings_of_ours(layer)
    translated = {key: _theirs(value) if isinstance(value, Module) else value for key, value in settings.items()}
    return twin.theirs(**translated).train(layer.training)


@explained
def from_torch(module: nn.Module) -> Network:
    """Return the equivalent network, with copies of parameters and buffers under the same names.

    Raises:
        ChainruleError: for the first module that has no twin here, settings that its twin lacks, hooks or
            a forward of its own, parameters that two modules share, or dtypes that networks do not have.
    """
    if not isinstance(module, nn.Module):
        raise ChainruleError(
            f"from_torch: module must be one of torch.nn, got {shown(module)}. Pass nn.Sequential(…), for example."
        )
    _expect_separate(module)
    layer = _ours(module, "")
    _expect_unchanged(module)
    tensors = [*module.parameters(), *module.buffers()]
    placements = {(tensor.dtype, tensor.device) for tensor in tensors if tensor.is_floating_point()}
    if len(placements) > 1:
        raise ChainruleError(
            f"from_torch: parameters must have one dtype and device, got {len(placements)} kinds. "
            "Convert them with module.to(…)."
        )
    dtype, device = next(iter(placements), (None, torch.device("cpu")))
    network = Network(layer, dtype=dtype, device=device)
    network.load_state_dict(saved := module.state_dict())
    buffers = dict(module.named_buffers())
    for name, buffer in network.named_buffers():
        if name not in saved:  # that is not saved
            buffer.data.copy_(buffers[name])
    frozen = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
    return network.freeze(*frozen) if frozen else network


def _expect_separate(module: nn.Module) -> None:
    """Raise ChainruleError if a parameter or buffer has two names."""
    names: dict[Tensor, str] = {}
    for named in (module.named_parameters, module.named_buffers):
        for name, tensor in named(remove_duplicate=False):
            if tensor in names:
                raise ChainruleError(
                    f"from_torch: a tensor must belong to one module, got {names[tensor]} as {name} too. "
                    "Build the network here, and give both layers the same Parameter."
                )
            names[tensor] = name


def _expect_unchanged(module: nn.Module) -> None:
    """Raise ChainruleError if something makes a module inside compute otherwise than its class does."""
    for name, inner in module.named_modules():
        if added := _added(inner):
            raise ChainruleError(
                f"from_torch: {name or 'the module'} must compute as its class does, got {type(inner).__name__} with "
                f"{added}. Remove what was added."
            )


def _added(module: nn.Module) -> str | None:
    """Return what was added to a module that changes its output or gradients, if anything was."""
    backward = module._backward_hooks or module._backward_pre_hooks
    if module._forward_hooks or module._forward_pre_hooks or backward:
        return "hooks"
    if "forward" in vars(module):
        return "a forward of its own"
    # Those after a gradient was accumulated step parameters, as release=True does.
    hooked = [name for name, parameter in module.named_parameters(recurse=False) if parameter._backward_hooks]
    return f"hooks of {' and '.join(hooked)}" if hooked else None


def _ours(module: nn.Module, name: str) -> Any:
    """Return the layer for a module of torch with this dotted name, not built."""
    place = name or "the module"
    if isinstance(module, LazyModuleMixin):  # which has hooks of torch's own
        raise ChainruleError(
            f"from_torch: {place} must have its shapes, got {type(module).__name__} before its first call. "
            "Call the module once."
        )
    if isinstance(module, LayerModule):
        return declared_layer(module)
    container = next((ours for ours, theirs in CONTAINERS.items() if type(module) is theirs), None)
    if container is not None:
        return _our_container(container, module, name)
    twin = twin_of_theirs(module)
    if twin is None:
        raise ChainruleError(
            f"from_torch: {place} must have a twin here, got {type(module).__name__}. "
            "Replace it by a layer of your own."
        )
    twin.expect_fits_theirs(module, place)
    settings = {
        key: _ours(value, f"{name}.{key}".lstrip(".")) if isinstance(value, nn.Module) else value
        for key, value in twin.settings_of_theirs(module).items()
    }
    layer = _created(place, module, twin.ours, **settings)
    layer.train(module.training)
    return layer


def _created(place: str, module: nn.Module, twin: str, *args: Any, **settings: Any) -> Any:
    """Return a new layer of a kind and name such as ``layers:linear`` for the module of torch at a place."""
    try:
        return create(*twin.split(":"), *args, **settings)
    except ChainruleError as error:
        raise ChainruleError(f"from_torch: {place}, {type(module).__name__}, does not fit its twin: {error}") from error


def _our_container(container: str, module: nn.Module, name: str) -> Any:
    """Return the container registered by a name, of the layers for the modules inside; the identity for none at all."""
    place, inside = name or "the module", module._modules  # named_children() leaves out one that stands in two places
    if list(inside) != [str(position) for position in range(len(inside))]:
        raise ChainruleError(
            f"from_torch: {place} must name its modules 0, 1, …, got {', '.join(inside)}. "
            "Pass nn.Sequential(*module), without names."
        )
    children = [_ours(child, f"{name}.{key}".lstrip(".")) for key, child in inside.items() if child is not None]
    settings = {"combine": module.combine, "dim": module.dim} if isinstance(module, Parallel) else {}
    twin = f"layers:{container}" if children or container != "sequential" else "activations:identity"
    layer = _created(place, module, twin, *children, **settings)
    layer.training = module.training
    return layer
