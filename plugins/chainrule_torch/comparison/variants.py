"""Variants of a rule by which published forms and libraries differ, made of the rule itself."""

from __future__ import annotations

import itertools
import math
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from chainrule import Optimizer, Wrapper

STARTS = (0.0, 1e-6, 0.1, 1.0)
"""Numbers at which libraries start their accumulators."""

_ROOTS = (torch.sqrt, Tensor.sqrt, Tensor.sqrt_)
_RECIPROCAL_ROOTS = (torch.rsqrt, Tensor.rsqrt)


@dataclass(frozen=True)
class Variant:
    """A change of a rule.

    Attributes:
        name: what it changes, with its formula.
        part: what of the rule it concerns; two variants of one part exclude each other.
        of: the function from a rule to the changed one.
    """

    name: str
    part: str
    of: Callable[[Optimizer], Optimizer]


def variants(rule: Optimizer, their_decay: float) -> list[Variant]:
    """Return the variants of a rule, of a wrapper those of the rule inside.

    Args:
        rule: the rule.
        their_decay: the weight decay of what it is compared with, tried where the rule has none.
    """
    if isinstance(rule, Wrapper):
        return [Variant(one.name, one.part, partial(_around, one.of)) for one in variants(rule.inner, their_decay)]
    return [*_settings(rule), *_eps(rule), *_starts(rule), *_decays(rule, their_decay), *_corrections(rule)]


def _around(of: Callable[[Optimizer], Optimizer], wrapper: Any) -> Optimizer:
    return _changed(wrapper, inner=of(wrapper.inner))


def _changed(rule: Optimizer, **settings: Any) -> Optimizer:
    return type(rule)(**{**vars(rule), **settings})


def _with_setting(rule: Optimizer, *, name: str, value: Any) -> Optimizer:
    return _changed(rule, **{name: value})


def _derived(rule: Optimizer, *, members: Mapping[str, Any], **settings: Any) -> Optimizer:
    """Return the rule with other members and settings, also settings that it refuses."""
    namespace = {"elementwise": False, "vmappable": False, "__module__": __name__, **members}
    kind = types.new_class(type(rule).__name__, (type(rule),), exec_body=lambda body: body.update(namespace))
    changed: Optimizer = kind(**vars(rule))
    for name, value in settings.items():
        object.__setattr__(changed, name, value)
    return changed


def _stepping(rule: Optimizer) -> str:
    """Return the name of the method that makes the rule's step."""
    return "apply" if type(rule).apply is not Optimizer.apply else "update"


def _settings(rule: Optimizer) -> Iterator[Variant]:
    """Yield the rule with each of its flags and words changed."""
    hints = get_type_hints(type(rule))
    for name, value in vars(rule).items():
        choices = (True, False) if isinstance(value, bool) else ()
        if get_origin(hints.get(name)) is Literal:
            choices = get_args(hints[name])
        for other in choices:
            if other != value:
                yield Variant(f"{name}={other!r}", name, partial(_with_setting, name=name, value=other))


class _Roots(TorchFunctionMode):
    """Takes roots in another way."""

    def __init__(self, root: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._root = root

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _ROOTS:
            return self._root(args[0])
        if func in _RECIPROCAL_ROOTS:
            return 1 / self._root(args[0])
        return func(*args, **(kwargs or {}))


def _eps(rule: Optimizer) -> Iterator[Variant]:
    """Yield the rule with eps at other places of its denominator."""
    eps = getattr(rule, "eps", None)
    if not isinstance(eps, float):
        return
    beta2 = rule.betas[1] if hasattr(rule, "betas") else 0.0
    forms: dict[str, Callable[[Tensor, int], Tensor]] = {
        "eps outside the root: √v + eps": lambda v, _: v**0.5 + eps,
        "eps inside the root: √(v + eps)": lambda v, _: (v + eps) ** 0.5,
        "eps inside the root, squared: √(v + eps²)": lambda v, _: (v + eps * eps) ** 0.5,
        "no eps": lambda v, _: v**0.5,
        "the larger of √v and eps": lambda v, _: (v**0.5).clamp_min(eps),
    }
    if beta2:
        forms["eps before the bias correction: √v̂ + eps / √(1 − β₂ᵗ)"] = lambda v, t: (
            v**0.5 + eps / math.sqrt(1 - beta2**t)
        )
        forms["eps after the bias correction: √v + eps √(1 − β₂ᵗ)"] = lambda v, t: (
            v**0.5 + eps * math.sqrt(1 - beta2**t)
        )
    for name, form in forms.items():
        yield Variant(name, "eps", partial(_with_roots, root=form, eps=0.0))


def _with_roots(rule: Optimizer, root: Callable[[Tensor, int], Tensor], **settings: Any) -> Optimizer:
    """Return the rule with other roots, which depend on t, and settings."""
    method = _stepping(rule)
    base = getattr(type(rule), method)

    def stepping(self: Any, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Any:
        with _Roots(lambda v: root(v, step.t)):
            return base(self, parameter, grad, state, step)

    return _derived(rule, members={method: stepping}, **settings)


def _starts(rule: Optimizer) -> Iterator[Variant]:
    """Yield the rule with each of its accumulators, and all of them, started elsewhere."""
    entries = list(rule.init(torch.ones(2, 2, dtype=torch.float64)))
    for names in [(entry,) for entry in entries] + ([tuple(entries)] if len(entries) > 1 else []):
        shown = " and ".join(names)
        for start in STARTS:
            yield Variant(f"{shown} started at {start:g}", "start", partial(_started, names=names, at=start))
        for power, gradient in ((1, "gradient"), (2, "squared gradient")):
            change = partial(_started_by_gradient, names=names, power=power)
            yield Variant(f"{shown} started at the first {gradient}", "start", change)


def _started(one: Optimizer, *, names: Sequence[str], at: float) -> Optimizer:
    base = type(one).init

    def init(self: Any, parameter: Tensor) -> dict[str, Tensor]:
        state = base(self, parameter)
        return {name: torch.full_like(entry, at) if name in names else entry for name, entry in state.items()}

    return _derived(one, members={"init": init})


def _started_by_gradient(one: Optimizer, *, names: Sequence[str], power: int) -> Optimizer:
    method = _stepping(one)
    base = getattr(type(one), method)

    def stepping(self: Any, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Any:
        for name in names if step.t == 1 else ():
            state[name].copy_(grad**power)
        return base(self, parameter, grad, state, step)

    return _derived(one, members={method: stepping})


def _decays(rule: Optimizer, theirs: float) -> Iterator[Variant]:
    """Yield the rule with its weight decay coupled in other ways."""
    decay = getattr(rule, "weight_decay", 0.0) or theirs
    if decay:
        yield Variant(f"decay {decay:g} coupled: g + w θ", "decay", partial(_decayed, coupled=decay))
        yield Variant(f"decay {decay:g} decoupled: θ − lr w θ", "decay", partial(_decayed, by_lr=decay))
        yield Variant(f"decay {decay:g} decoupled from lr too: θ − w θ", "decay", partial(_decayed, alone=decay))
        yield Variant("no decay", "decay", _decayed)


def _decayed(one: Optimizer, *, coupled: float = 0.0, by_lr: float = 0.0, alone: float = 0.0) -> Optimizer:
    base = type(one).apply

    def apply(self: Any, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> None:
        before = parameter.clone()
        base(self, parameter, grad + coupled * parameter, state, step)
        parameter.sub_(before * (step.lr * by_lr + alone))

    settings = {"weight_decay": 0.0} if hasattr(one, "weight_decay") else {}
    return _derived(one, members={"apply": apply, "decay_kind": "none"}, **settings)


def _corrections(rule: Optimizer) -> Iterator[Variant]:
    """Yield the rule without its scalars, such as bias corrections, with corrections, and with another count."""
    names = list(rule.scalars(1))
    for chosen in [(name,) for name in names] + ([tuple(names)] if len(names) > 1 else []):
        name = f"without {' and '.join(chosen)}: 1 in its place"
        yield Variant(name, "correction", partial(_with_scalars, ones=chosen))
    if names:
        yield Variant("t counted from 0", "correction", partial(_with_scalars, shift=-1))
        yield Variant("t counted from 2", "correction", partial(_with_scalars, shift=1))
    betas = getattr(rule, "betas", ())
    if len(betas) > 1 and not names:
        yield Variant("with the bias correction m̂ = m / (1 − β₁ᵗ)", "correction", _with_corrected_mean)
        yield Variant("with the bias correction v̂ = v / (1 − β₂ᵗ)", "correction", _with_corrected_squares)
        yield Variant(
            "with both bias corrections", "correction", lambda one: _with_corrected_mean(_with_corrected_squares(one))
        )


def _with_scalars(one: Optimizer, *, ones: Iterable[str] = (), shift: int = 0) -> Optimizer:
    """Return the rule with 1 for some of its scalars, or with those of another step."""
    base = type(one).scalars

    def scalars(self: Any, t: int) -> dict[str, Any]:
        return {**base(self, t + shift), **dict.fromkeys(ones, 1.0)}

    return _derived(one, members={"scalars": scalars})


def _with_corrected_mean(one: Optimizer) -> Optimizer:
    base = type(one).update

    def update(self: Any, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
        direction: Tensor = base(self, parameter, grad, state, step)
        return direction.div(1 - self.betas[0] ** step.t)

    return _derived(one, members={"update": update})


def _with_corrected_squares(one: Any) -> Optimizer:
    return _with_roots(one, lambda v, t: (v / (1 - one.betas[1] ** t)) ** 0.5)


def pairs(found: Sequence[Variant]) -> Iterator[Variant]:
    """Yield every two variants of different parts, as one."""
    for one, other in itertools.combinations(found, 2):
        if one.part != other.part:
            yield Variant(f"{one.name}, and {other.name}", f"{one.part} {other.part}", partial(_both, one, other))


def _both(one: Variant, other: Variant, rule: Optimizer) -> Optimizer:
    return other.of(one.of(rule))
