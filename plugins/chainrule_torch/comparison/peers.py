"""The optimizers that a rule is compared with: torch's, optax's, pytorch-optimizer's, or one in a file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError, Optimizer, UnknownComponentError
from chainrule.cli.component_file import object_in_file, subject_named
from chainrule.errors import one_line
from chainrule.testing import Subject, subject
from chainrule_torch.comparison.trajectory import Start, Tensors, by
from chainrule_torch.first_example import first_example

LIBRARIES = ("torch", "optax", "pytorch_optimizer")

_OTHER_NAMES = {
    "lr": ("learning_rate",),
    "decay": ("alpha",),
    "initial_accumulator": ("initial_accumulator_value",),
}
"""What other libraries call a setting."""

_MADE_OF: dict[str, tuple[tuple[str, ...], Callable[[Any], Any]]] = {
    "etas": (("eta_minus", "eta_plus"), lambda rule: (rule.eta_minus, rule.eta_plus)),
    "step_sizes": (("step_min", "step_max"), lambda rule: (rule.lr * rule.step_min, rule.lr * rule.step_max)),
    "lambd": (("weight_decay",), lambda rule: rule.weight_decay),
}
"""Their settings that are made of ours: which, and how."""

_COUPLING = ("decoupled_weight_decay", "weight_decouple")
"""Their flags that say whether the decay is decoupled."""

_FLAGS = {"amsgrad": ("adam", {"amsgrad": True})}
"""Rules that other libraries have as a setting of another."""


@dataclass(frozen=True)
class Peer:
    """An optimizer to compare a rule with.

    Attributes:
        name: what it is and with which settings.
        start: what starts it.
        left_out: settings of the rule that it does not have.
        weight_decay: its weight decay.
    """

    name: str
    start: Start
    left_out: Mapping[str, Any]
    weight_decay: float


def peer_named(text: str, name: str, rule: Optimizer, given: Mapping[str, Any]) -> Peer:
    """Return the peer of a rule.

    Args:
        text: one of `LIBRARIES`, or of its optimizers, as torch:NAdam; the name of a rule, or FILE.py:Class of a rule
            or of an optimizer of torch.
        name: the rule's name, which is looked for in a library if the text names none of its optimizers.
        rule: the rule, whose settings the peer gets as far as it has them.
        given: further settings of the peer.

    Raises:
        ChainruleError: if there is none, or the settings do not fit.
    """
    library, of_library = _in_library(text)
    name = of_library or name
    if library == "optax":
        return _of_optax(name, rule, given)
    if library in LIBRARIES:
        module = torch.optim if library == "torch" else _imported("pytorch_optimizer", "pytorch-optimizer")
        kinds = {each.lower(): kind for each, kind in vars(module).items() if _is_torchs(kind)}
        found, flags = _found(library, name, kinds)
        return _of_torch(found, rule, {**flags, **given})
    in_file = object_in_file(text, owner="diff")
    if in_file is not None and _is_torchs(in_file.value):
        return _of_torch(in_file.value, rule, given)
    try:
        found = subject(in_file.value) if in_file else subject_named(text, owner="diff")
    except UnknownComponentError as error:
        known = f"{', '.join(LIBRARIES)} with or without the name of an optimizer, as torch:NAdam"
        raise UnknownComponentError(f"{error} Libraries that --against takes: {known}.") from error
    return _own(found, rule, given)


def _in_library(text: str) -> tuple[str, str]:
    """Return the library that a text names, and which of its optimizers, as torch:NAdam or torch.optim.NAdam do."""
    parts = re.split(r"[.:]+", text)
    library = parts[0].replace("-", "_").lower()
    return (library, parts[-1] if parts[1:] else "") if library in LIBRARIES and "py" not in parts[1:2] else ("", "")


def _is_torchs(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer


def _imported(module: str, package: str) -> Any:
    try:
        return __import__(module)
    except ImportError as error:
        raise ChainruleError(f"diff: no package {package}: {error}. Install it with pip install {package}.") from error


def _found(library: str, name: str, choices: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Return the library's optimizer of a name, by whatever letters it writes it, and the flags that make it."""
    plain = name.lower().replace("_", "")
    other, flags = _FLAGS.get(plain, (plain, {}))
    by_letters = {each.replace("_", ""): value for each, value in choices.items()}
    for wanted, settings in ((plain, {}), (other, flags)):
        if wanted in by_letters:
            return by_letters[wanted], settings
    near = get_close_matches(plain, by_letters, n=1)
    hint = f'Did you mean "{near[0]}"? Write' if near else "Write"
    raise ChainruleError(f'diff: {library} has no optimizer "{name}". {hint} {library}:NAME for another.')


def translated(rule: Optimizer, parameters: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rule's settings by another optimizer's names, and those that it does not have."""
    names, settings = set(parameters), dict[str, Any]()
    own = {name: value for name, value in vars(rule).items() if name != "schedule"}
    for theirs, (used, make) in _MADE_OF.items():
        if theirs in names and set(used) <= set(own):
            settings[theirs] = make(rule)
            own = {name: value for name, value in own.items() if name not in used}
    left_out = dict(own)
    for name, value in own.items():
        found = next((each for each in (name, *_OTHER_NAMES.get(name, ())) if each in names), None)
        split = [f"b{i}" for i in range(1, 4) if f"b{i}" in names] if name == "betas" and found is None else []
        if found is not None:
            settings[found] = value
        elif split:
            settings |= dict(zip(split, value, strict=False))
        if found is not None or split:
            left_out.pop(name, None)
    for flag in _COUPLING:
        if flag in names and rule.decay_kind != "none":
            settings[flag] = rule.decay_kind == "decoupled"
    return settings, left_out


class TorchWalker:
    """Parameters that an optimizer of torch moves."""

    def __init__(self, make: Callable[[list[Any]], torch.optim.Optimizer], first: Tensors) -> None:
        self.parameters = {name: torch.nn.Parameter(value.clone()) for name, value in first.items()}
        self._optimizer = make(list(self.parameters.values()))

    def step(self, gradients: Tensors) -> None:
        """Take a step of the optimizer."""
        for name, gradient in gradients.items():
            self.parameters[name].grad = gradient
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # that of some scalars which optimizers keep as state
        try:
            self._optimizer.step()
        finally:
            torch.set_default_dtype(before)


def _of_torch(kind: Any, rule: Optimizer, given: Mapping[str, Any]) -> Peer:
    def made(settings: Mapping[str, Any]) -> object:
        return kind([torch.nn.Parameter(torch.zeros(2, 2))], **settings)

    signature, own = _arguments(kind), inspect.signature(kind).parameters
    settings, left_out = _for_torch(rule, own, given)
    names = [*own]
    for name in [each for each in signature if each not in own]:
        further, left = _for_torch(rule, [*names, name], given)
        with suppress(Exception):  # such as of an argument that the class gives its parent itself
            made(further)
            names, settings, left_out = [*names, name], further, left
    _try(kind.__name__, lambda: made(settings))
    decay = settings.get("weight_decay", _default(signature, "weight_decay"))
    return Peer(
        _called(f"{kind.__module__.partition('.')[0]} {kind.__name__}", settings),
        lambda first: TorchWalker(lambda parameters: kind(parameters, **settings), first),
        left_out,
        decay,
    )


def _arguments(kind: type) -> dict[str, inspect.Parameter]:
    """Return the arguments of a class, and those of its parents that it may pass on by ``**kwargs``."""
    found: dict[str, inspect.Parameter] = {}
    for each in kind.__mro__:
        own = inspect.signature(each).parameters
        found = {**own, **found}
        if all(one.kind is not one.VAR_KEYWORD for one in own.values()):
            break
    return found


def _for_torch(
    rule: Optimizer, parameters: Iterable[str], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rule's settings for an optimizer of torch with such arguments, and those that it does not have."""
    names = set(parameters)
    settings, left_out = translated(rule, names)
    return {**settings, **({"foreach": False} if "foreach" in names else {}), **given}, left_out


class OptaxWalker:
    """Parameters that a transformation of optax moves."""

    def __init__(self, make: Callable[[], Any], first: Tensors) -> None:
        with _in_float64():
            self._transformation = make()
            self._held = self._of(first)
            self._state = self._transformation.init(self._held)
        self.parameters: Mapping[str, Tensor] = {name: value.clone() for name, value in first.items()}

    @staticmethod
    def _of(tensors: Tensors) -> dict[str, Any]:
        import jax

        return {name: jax.numpy.asarray(value.numpy()) for name, value in tensors.items()}

    def step(self, gradients: Tensors) -> None:
        """Take a step of the transformation."""
        optax = _imported("optax", "optax")
        with _in_float64():
            updates, self._state = self._transformation.update(self._of(gradients), self._state, self._held)
            self._held = optax.apply_updates(self._held, updates)
            self.parameters = {name: torch.tensor(value.__array__()) for name, value in self._held.items()}


def _in_float64() -> AbstractContextManager[Any]:
    import jax

    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else nullcontext()


def _of_optax(name: str, rule: Optimizer, given: Mapping[str, Any]) -> Peer:
    optax = _imported("optax", "optax")
    choices = {
        each.lower(): value
        for module in (optax.contrib, optax)
        for each, value in vars(module).items()
        if inspect.isfunction(value) and "learning_rate" in inspect.signature(value).parameters
    }
    make, flags = _found("optax", name, choices)
    signature = inspect.signature(make).parameters
    settings, left_out = translated(rule, signature)
    settings |= {**flags, **given}
    _try(make.__name__, lambda: make(**settings))
    decay = settings.get("weight_decay", _default(signature, "weight_decay"))
    called = _called(f"optax {make.__name__}", settings)
    return Peer(called, lambda first: OptaxWalker(lambda: make(**settings), first), left_out, decay)


def _own(other: Subject, rule: Optimizer, given: Mapping[str, Any]) -> Peer:
    """Return another rule of chainrule as the peer."""
    if other.kind != "optimizers":
        raise ChainruleError(f"diff: --against must name an optimizer, got {other.label}. Name one.")
    example = first_example(other, "diff")
    settings, left_out = translated(rule, vars(example))
    peer = type(example)(**{**vars(example), **settings, **given})
    return Peer(repr(peer), by(peer), left_out, getattr(peer, "weight_decay", 0.0))


def _default(signature: Mapping[str, inspect.Parameter], name: str) -> float:
    default = signature[name].default if name in signature else 0.0
    return default if isinstance(default, int | float) else 0.0


def _try(name: str, make: Callable[[], object]) -> None:
    try:
        make()
    except Exception as error:
        why = one_line(error).rstrip(".")
        raise ChainruleError(f"diff: {name} must take its settings, got {why}. Change them by --their.") from error


def _called(name: str, settings: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in settings.items() if key != 'foreach')})"
