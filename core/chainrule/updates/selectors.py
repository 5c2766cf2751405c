"""What selects the parameters of a group: a pattern of names, a rank, or a kind of layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from chainrule.arguments import advice, is_description, shown
from chainrule.base.optimizer import Optimizer
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.errors import ChainruleError, label
from chainrule.network import Network

Selector = Callable[[str, Parameter, ModuleLike], bool]

LAYER = "layer:"


def _is_weight(_: str, parameter: Parameter, layer: ModuleLike) -> bool:
    """Return whether the parameter is the matrix of a linear map, from more than one input or to more than one output.

    A kernel is one too. A table of positions, or the scales of a norm over two axes, has rank 2 as well, but each entry
    acts by itself.
    """
    acts_alone = parameter.fan_in == parameter.fan_out == 1 and parameter.shape != (1, 1)
    return len(parameter.shape) >= 2 and not acts_alone and not getattr(layer, "integer_inputs", False)


BY_RANK: Mapping[str, Selector] = {
    "weights": _is_weight,
    "matrices": lambda name, parameter, layer: len(parameter.shape) == 2 and _is_weight(name, parameter, layer),
    "vectors": lambda _, parameter, layer: len(parameter.shape) < 2,  # noqa: ARG005
}
"""Selectors by rank: the matrices of linear maps, with kernels or without; all biases, norms' scales and numbers."""


def selector(text: str) -> Selector:
    """Return the selector of a group's key.

    Args:
        text: a word of BY_RANK; ``layer:`` and a pattern of the layer's kind, such as ``layer:*_norm``; or else a
            pattern of the parameter's name.
    """
    if text in BY_RANK:
        return BY_RANK[text]
    if text.startswith(LAYER):
        return lambda _, __, layer: fnmatchcase(label(layer), text.removeprefix(LAYER))
    return lambda name, _, __: fnmatchcase(name, text)


def check_groups(groups: object) -> None:
    """Raise ChainruleError unless these are optimizers by what selects their parameters."""
    is_described = is_description(groups)
    if is_described or not isinstance(groups, Mapping) or not all(isinstance(key, str) for key in groups):
        fix = advice("optimizer", groups) if is_described else 'Write {"*.bias": …, "*": …}.'
        raise ChainruleError(f"param_groups: takes a dict of optimizers by pattern, got {shown(groups)}. {fix}")
    for key, rule in groups.items():
        if not isinstance(rule, Optimizer):
            raise ChainruleError(
                f'param_groups: "{key}" must have an optimizer, got {shown(rule)}. {advice("optimizer", rule)}'
            )


def selected(network: Network, keys: Iterable[str], *, frozen: bool = False) -> dict[str, dict[str, Parameter]]:
    """Return the parameters of each key by name, with frozen ones or without, each with the first key that selects it.

    Raises:
        ChainruleError: if a key other than "*" selects no parameter, or none that is left, or no key a parameter.
    """
    selectors = {key: selector(key) for key in keys}
    found: dict[str, dict[str, Parameter]] = {key: {} for key in selectors}
    key_of: dict[str, str] = {}
    owners = {parameter: layer for layer in reversed(network.modules()) for _, parameter in layer.own_parameters()}
    for name, parameter in network.named_parameters():
        key = next((key for key, fits in selectors.items() if fits(name, parameter, owners[parameter])), None)
        if key is None:
            raise ChainruleError(f'param_groups: no pattern in {list(found)} matches the parameter "{name}". Add "*".')
        key_of[name] = key
        if frozen or name not in network.frozen:
            found[key][name] = parameter
    for key, fits in selectors.items():
        if key in key_of.values() or key == "*":
            continue
        named = list(network.named_parameters())
        if takers := {key_of[name]: None for name, parameter in named if fits(name, parameter, owners[parameter])}:
            earlier = ", ".join(f'"{taker}"' for taker in takers)
            raise ChainruleError(
                f'param_groups: all that "{key}" matches is taken by {earlier} before it. '
                f'Put "{key}" first, or remove it.'
            )
        is_kind = any(fnmatchcase(label(layer), key) for layer in owners.values())
        fix = f'Write "{LAYER}{key}" for a kind of layer.' if is_kind else "Remove or correct it."
        raise ChainruleError(
            f'param_groups: no parameter matches the pattern "{key}", among {[name for name, _ in named]}. {fix}'
        )
    return found
