"""`RuleOptimizer`: a rule of chainrule as a `torch.optim.Optimizer`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule import ChainruleError, Optimizer, ShapeError
from chainrule.base.random_numbers import random_key
from chainrule.errors import label
from chainrule.ops import expect_flag
from chainrule.updates.chain import Chain
from chainrule.updates.moment import Moment
from chainrule.updates.per_parameter import Tensors, take_all
from chainrule_torch.adapter.capture import expect_no_capture
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.group_settings import GroupSettings
from chainrule_torch.adapter.loading import fitting
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.release import GradientRelease
from chainrule_torch.adapter.runs import take_in_runs
from chainrule_torch.adapter.state_entries import KEY, STEP, TRAINED, of_the_rule


class RuleOptimizer(torch.optim.Optimizer):
    """A rule applied to the parameters of a torch module.

    Every setting of the rule is a key of `param_groups` that may change between steps. A rule without weight decay
    takes ``weight_decay`` w as θ ← θ − lr w θ. The state of a parameter is that of the rule, the number of its steps
    and the key of its random numbers; it is there from the start, and made anew at the parameter's first step, since
    weights may be loaded in between. A setting given as a tensor of one number stays one, and may change in place.

    Args:
        params: parameters, named parameters, or groups of them as dicts.
        rounding: how steps, which are computed in float32, are written to parameters of bfloat16 and float16: at random
            ("stochastic", since steps below half a unit are lost otherwise, and it needs no memory), with compensation
            ("kahan") or to the nearest number ("nearest"); see `Precision`. Others are not rounded.
        state_dtype: torch.bfloat16 for state of half the size, rounded like a parameter; float32 by default.
        release: whether backward steps each parameter as soon as its gradient is there, with the settings of that
            moment, and frees the gradient, so that there is one at a time. ``step`` then only ends the pass, and steps
            what has a gradient still. Clipping of a global norm would find no gradients, and do nothing.
        settings: those of the rule, and ``maximize``.
    """

    factory: ClassVar[Callable[..., Optimizer]]
    """What makes the rule from its settings."""

    def __init__(
        self,
        params: Iterable[Any],
        *,
        rounding: str = "stochastic",
        state_dtype: torch.dtype | None = None,
        release: bool = False,
        **settings: Any,
    ) -> None:
        beside = {name: settings.pop(name) for name in ("maximize",) if name in settings}
        make = type(self).factory
        own = _fields_of(make)
        if own is not None:
            beside |= {
                name: settings.pop(name) for name in list(settings) if name == "weight_decay" and name not in own
            }
            if "inner" in own:  # the settings of the rule inside
                beside |= {name: settings.pop(name) for name in list(settings) if name not in own}
        self._settings = GroupSettings(make(**settings))
        self._settings.expect_known(beside)
        self._precision = Precision(self._settings.rule, rounding, state_dtype)
        self._current: dict[int, GroupRule] = {}
        self._release = None
        if expect_flag(self._settings.rule, "release", release):
            self._release = GradientRelease(self._settings.rule, self, RuleOptimizer._step_released)
        given = {name: value for name, value in settings.items() if name in self._settings.fields}
        super().__init__(params, self._settings.defaults() | given | beside)

    @torch.no_grad()
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own.

        Raises:
            HyperparameterError: for a setting that the rule has not, or outside its bounds.
            ShapeError: for a parameter of a rank that the rule is not for.
            ChainruleError: for a parameter that is not of real floating-point numbers.
        """
        if isinstance(param_group, dict):  # what is none, torch refuses
            self._settings.expect_known(param_group)
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            chain = Chain(self._settings.rule_of(group))
            self._settings.decay_of(group)
            for parameter in group["params"]:
                _check(chain, parameter)
        except ChainruleError:
            self.param_groups.pop()
            raise
        for parameter in group["params"]:
            self._begin(chain, parameter)
        if self._release is not None:
            self._release.watch(group["params"])

    def _begin(self, chain: Chain, parameter: Tensor) -> None:
        """Give a parameter the rule's initial state, and a key if it has none."""
        state = self.state[parameter]
        state.update(self._precision.begin(chain, parameter))
        if KEY not in state:
            key = random_key(torch.initial_seed(), f"update/{len(self.state) - 1}")
            state[KEY] = torch.tensor(key, device=parameter.device).unsqueeze(1)  # (2, 1)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the model again and returns the loss, which this method returns then.

        Raises:
            ChainruleError: for a sparse gradient, or while a CUDA graph is captured; nothing is changed then. For a
                closure with ``release=True``.
        """
        expect_no_capture(self._settings.rule)
        self.train()
        loss = None
        if self._release is not None:
            self._release.end_pass(closure)
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._expect_dense(group["params"])
        rules = [self._current_rule(i, group) for i, group in enumerate(self.param_groups)]
        for group, rule in zip(self.param_groups, rules, strict=True):
            self._step_group(group, rule)
        return loss

    @torch.no_grad()
    def _step_released(self, i: int, parameter: Tensor) -> None:
        """Step one parameter of a group during backward."""
        expect_no_capture(self._settings.rule)
        self._expect_dense([parameter])
        _train(parameter, self.state[parameter])
        group = self.param_groups[i]
        self._step_group({**group, "params": [parameter]}, self._current_rule(i, group))

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether a GradScaler leaves its work to `step`, which it asks for by this name."""
        if self._release is not None:
            self._release.refuse_scaler()
        return False

    def _expect_dense(self, parameters: Iterable[Tensor]) -> None:
        """Raise ChainruleError for a sparse gradient."""
        for parameter in parameters:
            if parameter.grad is not None and parameter.grad.layout != torch.strided:
                raise ChainruleError(
                    f"{label(self._settings.rule)}: a gradient must be dense, got {parameter.grad.layout}. "
                    "Set sparse=False in the module, or give its parameters another optimizer."
                )

    def _current_rule(self, i: int, group: dict[str, Any]) -> GroupRule:
        """Return the rule with the group's present settings."""
        if i not in self._current:
            self._current[i] = GroupRule(self._settings, group)
        self._current[i].follow(group)
        return self._current[i]

    def _step_group(self, group: dict[str, Any], current: GroupRule) -> None:
        chain, moments = current.chain, dict[int, Moment]()
        rows, at = [], []
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state.get(STEP):  # none at all in a group that was put among param_groups by hand
                self._begin(chain, parameter)
            state[STEP] += 1
            if not parameter.numel():
                continue
            t = int(state[STEP])
            if t not in moments:
                moments[t] = current.clock.at(t)
            data, grad = parameter.detach(), parameter.grad
            rows.append(Tensors(data, -grad if group["maximize"] else grad, of_the_rule(state), state[KEY]))
            at.append(moments[t])
        if self._release is not None or any(map(self._precision.widens, group["params"])):
            self._precision.take(current, rows, at)
            return
        if current.decay:
            for row, moment in zip(rows, at, strict=True):
                row.data.mul_(1 - moment.lr * current.decay)
        if current.elementwise:
            take_in_runs(chain, rows, at)
        elif rows:
            take_all(chain, rows, [chain.states(row.state) for row in rows], at)

    @torch.no_grad()
    def eval(self) -> None:
        """Let the parameters be those that the rule evaluates with, where they are others, until `train` or a step."""
        for i, group in enumerate(self.param_groups):
            chain = self._current_rule(i, group).chain
            for parameter in group["params"] if chain.evaluates_elsewhere else ():
                state = self.state[parameter]
                if TRAINED not in state and state.get(STEP):
                    data = parameter.detach()
                    shown = self._precision.evaluation_parameter(chain, data, of_the_rule(state))
                    state[TRAINED] = data.clone()
                    data.copy_(shown)

    @torch.no_grad()
    def train(self) -> None:
        """Let the parameters be those that are trained."""
        for parameter, state in self.state.items():
            _train(parameter, state)

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state: bit for bit, unless this one keeps an entry in another dtype.

        Raises:
            StateError: if a parameter's entries or their shapes differ; nothing is changed then.
        """
        with fitting(self, self._settings.rule):
            super().load_state_dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {
            **super().__getstate__(),
            "_settings": self._settings,
            "_precision": self._precision,
            "_release": self._release is not None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_settings" in state:
            self._current = {}
            self._release = None
            if state["_release"]:
                self._release = GradientRelease(self._settings.rule, self, RuleOptimizer._step_released)
                for group in self.param_groups:
                    self._release.watch(group["params"])
        for group in self.param_groups:  # of a state that was saved before the rule had a setting
            for key in self._settings.defaults():
                group.setdefault(key, self.defaults[key])


def _fields_of(make: Callable[..., Optimizer]) -> set[str] | None:
    """Return the names of a rule's settings if it is made by its class."""
    return {field.name for field in dataclasses.fields(make)} if dataclasses.is_dataclass(make) else None


def _train(parameter: Tensor, state: dict[str, Tensor]) -> None:
    """Let a parameter be the one that is trained."""
    if TRAINED in state:
        parameter.detach().copy_(state.pop(TRAINED))


def _check(chain: Chain, parameter: Tensor) -> None:
    """Raise ChainruleError unless the rule is for such a parameter."""
    if not parameter.is_floating_point():
        fix = "Train torch.view_as_real of it" if parameter.is_complex() else "Convert it, as by .float()"
        raise ChainruleError(
            f"{label(chain.rule)}: a parameter must have real floating-point numbers, got {parameter.dtype}. "
            f"{fix}, or leave it out."
        )
    if parameter.dim() not in chain.ranks:
        ranks = " or ".join(map(str, chain.ranks))
        raise ShapeError(
            f"{label(chain.rule)}: a parameter must have rank {ranks}, got shape {tuple(parameter.shape)}. "
            "Leave it out of its param_groups, and give it to another optimizer."
        )
