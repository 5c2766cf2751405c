"""`RuleOptimizer`: a rule of chainrule as a `torch.optim.Optimizer`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch._compile import _disable_dynamo

from chainrule import ChainruleError, Optimizer, State
from chainrule.arguments import expect_state
from chainrule.errors import label
from chainrule.ops import expect_flag
from chainrule.updates.fused_rule import require_compiler
from chainrule.updates.member_step import Tensors
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.capture import expect_no_capture
from chainrule_torch.adapter.expectations import expect_dense, expect_dtypes_kept, expect_parameters
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.group_settings import GroupSettings, divided
from chainrule_torch.adapter.layout import Layout
from chainrule_torch.adapter.loading import fitting, without_replaced
from chainrule_torch.adapter.modes import outside_of_modes, without_autocast
from chainrule_torch.adapter.placement import distributed, evaluated, is_distributed
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.release import GradientRelease
from chainrule_torch.adapter.runs import TakeRows, take_rows
from chainrule_torch.adapter.state_entries import KEY, STEP, TRAINED, of_the_rule, show_trained


class RuleOptimizer(torch.optim.Optimizer):
    """A rule applied to the parameters of a torch module.

    Every setting of the rule is a key of `param_groups` that may change between steps. A rule without weight decay
    takes ``weight_decay`` w as θ ← θ − lr w θ. The state of a parameter is that of the rule, the number of its steps
    and the key of its random numbers; where it has the parameter's dtype and lies in vectors it is made at the first
    step or when `state` is read, else at once; it is made anew at the first step, since weights may be loaded in
    between. A setting given as a tensor of one number stays one, and may
    change in place.

    Random numbers follow from the seed of ``torch.manual_seed`` and from the number of the parameter: two optimizers
    that are made under one seed draw the same. For chains that are apart, seed anew before the second.

    Of parameters cut by ``torch.distributed.fsdp.fully_shard`` each process keeps its piece of the state, and every
    rule steps as with whole ones; see `sharded`. All processes must make the optimizer then. So they must where
    parameters of 16 bits are rounded or the rule draws, since they agree on a seed: after ``init_process_group``, with
    the model's final dtype, and with a parameter or more of every group in each. Inside ``ZeroRedundancyOptimizer`` a
    rule that sums over parameters, or draws, does so for those of its process.

    Args:
        params: parameters, named parameters, or groups of them as dicts.
        rounding: how steps, which are computed in float32, are written to parameters of bfloat16 and float16: at random
            ("stochastic", since steps below half a unit are lost otherwise, and it needs no memory), with compensation
            ("kahan") or to the nearest number ("nearest"); see `Precision`. Others are not rounded.
        state_dtype: torch.bfloat16 for state of half the size, rounded like a parameter; float32 by default.
        release: whether backward steps each parameter as soon as its gradient is there, with the settings of that
            moment, and frees the gradient, so that there is one at a time. ``step`` then only ends the pass, and steps
            what has a gradient still. Clipping of a global norm would find no gradients, and do nothing.
        compile: whether to compile the rule at the first step, which takes seconds; see `CompiledRule`.
        flatten: whether the data and gradients of the parameters become views of one vector each, so that an
            elementwise rule steps all of them at once. Gradients stay: ``zero_grad`` sets them to 0 in place, and a
            parameter that backward no longer reaches has the gradient 0 then, not None, unless it is frozen
            (``requires_grad_(False)``). One that has been set to None, as by ``zero_grad`` of a module, is copied to
            its place again at the next step.
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
        compile: bool = False,
        flatten: bool = False,
        **settings: Any,
    ) -> None:
        make = type(self).factory
        settings, beside = divided(make, settings)
        self._settings = GroupSettings(make(**settings))
        self._settings.expect_known(beside)
        expect_parameters(self._settings.rule, params)
        self._precision = Precision(self._settings.rule, rounding, state_dtype)
        self._shows_others = False  # whether parameters may be those that the rule evaluates with
        self._current: dict[int, GroupRule] = {}
        self._compile = expect_flag(self._settings.rule, "compile", compile)
        self._flatten = expect_flag(self._settings.rule, "flatten", flatten)
        self._release = None
        if expect_flag(self._settings.rule, "release", release):
            if compile:
                raise ChainruleError(
                    f"{label(self._settings.rule)}: compile=True must step parameters together, got release=True. "
                    "Leave out one of them."
                )
            self._release = GradientRelease(self._settings.rule, self, RuleOptimizer._step_released)
        self._layout = Layout(self._precision, flatten=self._flatten, alone=self._release is not None)
        given = {name: value for name, value in settings.items() if name in self._settings.fields}
        super().__init__(params, self._settings.defaults() | given | beside)

    @property
    def state(self) -> Any:
        """The state of each parameter, whose entries are made when it is first read or stepped with."""
        found = self._own_state
        self._layout.show(found)
        return found

    @state.setter
    def state(self, state: Any) -> None:
        if "state" in vars(self):
            self._layout.replace()
        vars(self)["state"] = state

    @property
    def _own_state(self) -> Any:
        """The state as it is, with no entry made."""
        try:
            return vars(self)["state"]
        except KeyError:  # as of a trainer's wrapper, which is of this class and passes on what it has not
            raise AttributeError("state") from None

    @outside_of_modes()
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
        group, i, state = self.param_groups[-1], len(self.param_groups) - 1, self._own_state
        parameters = group["params"]
        known = [parameter for parameter in parameters if parameter in state]
        try:
            rule = self._current[i] = GroupRule(self._settings, group, compile=self._compile)
            rule.check(parameters)
            if self._compile:
                for device in {parameter.device for parameter in parameters}:
                    require_compiler(device)
            before = sum(len(each["params"]) for each in self.param_groups[:-1])
            self._layout.add(i, rule, parameters, state, before)
        except ChainruleError:
            self.param_groups.pop()
            for parameter in set(parameters).difference(known):
                state.pop(parameter, None)
            raise
        if self._release is not None:
            self._release.watch(parameters)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the model again and returns the loss, which this method returns then.

        Raises:
            ChainruleError: for a sparse gradient, or while a CUDA graph is captured, or after `eval` without `train`,
                when gradients are those of other parameters (a closure, which computes them anew, is called after
                `train`); nothing is changed then. For a closure with ``release=True``.
        """
        return (self._step if not torch.compiler.is_compiling() else self._step_uncompiled)(closure)

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        expect_no_capture(self._settings.rule)
        if self._shows_others:
            if closure is None:
                self._expect_trained()
            self.train()
        loss = None
        if self._release is not None:
            self._release.end_pass(closure)
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with without_autocast():
            self._step_groups()
        return loss

    def _step_groups(self) -> None:
        grads = [[parameter.grad for parameter in group["params"]] for group in self.param_groups]
        for each in grads:
            expect_dense(self._settings.rule, each)
        rules = [self._current_rule(i, group) for i, group in enumerate(self.param_groups)]
        state = self._own_state
        self._layout.follow(rules, self.param_groups, state)
        for i, (group, rule, own) in enumerate(zip(self.param_groups, rules, grads, strict=True)):
            flat = self._layout.flat_group(i, group["params"], rule, own, state)
            try:
                if flat is not None:
                    flat.step(rule, own)
                else:
                    self._step_group(group, rule)
            except (RuntimeError, ChainruleError):  # the latter of a rule that mixed the two
                expect_dtypes_kept(self._settings.rule, group["params"], state, partial(self._begun, rule))
                raise

    _step_uncompiled = _disable_dynamo(lambda self, closure: self._step(closure))
    """The step inside of a function that torch compiles, whose graph breaks there."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Let the next backward start from no gradient, or from 0; flattened gradients stay, as 0."""
        if not self._flatten:
            super().zero_grad(set_to_none)
            return
        for i, group in enumerate(self.param_groups):
            if i in self._layout.flat:
                self._layout.flat[i].zero_grad(set_to_none=set_to_none)
            else:
                for parameter in group["params"]:
                    parameter.grad = None

    @torch.no_grad()
    def _step_released(self, i: int, parameter: Tensor) -> None:
        """Step one parameter of a group during backward."""
        expect_no_capture(self._settings.rule)
        expect_dense(self._settings.rule, [parameter.grad])
        if self._shows_others:
            self._expect_trained()
        group = self.param_groups[i]
        with without_autocast():
            rule = self._current_rule(i, group)
            try:
                self._step_group({**group, "params": [parameter]}, rule)
            except (RuntimeError, ChainruleError):
                expect_dtypes_kept(self._settings.rule, [parameter], self.state, partial(self._begun, rule))
                raise

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether a GradScaler leaves its work to `step`, which it asks for by this name."""
        if self._release is not None:
            self._release.refuse_scaler()
        return False

    def _current_rule(self, i: int, group: dict[str, Any]) -> GroupRule:
        """Return the rule with the group's present settings."""
        if i not in self._current:
            self._current[i] = GroupRule(self._settings, group, compile=self._compile)
        self._current[i].follow(group)
        return self._current[i]

    def _step_group(self, group: dict[str, Any], current: GroupRule) -> None:
        chain, moments, states = current.chain, dict[int, Moment](), self.state
        rows, at = [], []
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self._layout.state_of(parameter, current, states)
            if not state.get(STEP):
                fresh = self._begun(current, parameter)
                for name in of_the_rule(state).keys() - fresh.keys():  # of another dtype or other settings
                    del state[name]
                state.update(fresh)
            state[STEP] += 1
            if not parameter.numel():
                continue
            t = int(state[STEP])
            if t not in moments:
                moments[t] = current.clock.at(t)
            data, grad = parameter if is_distributed(parameter) else parameter.detach(), parameter.grad
            rows.append(Tensors(data, -grad if current.maximize else grad, of_the_rule(state), state[KEY]))
            at.append(moments[t])
        if distributed(group["params"]):
            from chainrule_torch.adapter.sharded import take_sharded

            if current.compiled is not None:
                current.compiled.refuse(chain.rule, "parameters are cut among processes")
            take_sharded(current, rows, at, self._take)
        else:
            self._take(current, rows, at, take_rows)

    @outside_of_modes()
    def _begun(self, current: GroupRule, parameter: Tensor) -> State:
        """Return the initial entries of a parameter's state."""
        return self._precision.begin(current.chain, parameter)

    def _take(self, current: GroupRule, rows: Sequence[Tensors], moments: Sequence[Moment], take: TakeRows) -> None:
        """Take a step with tensors of this process."""
        if self._release is not None or self._precision.rounded([row.data for row in rows]):
            self._precision.take(current, rows, moments, take)
        else:
            current.take_each(rows, moments, take)

    @torch.no_grad()
    def eval(self) -> None:
        """Let the parameters be those that the rule evaluates with, where they are others, until `train`."""
        for i, group in enumerate(self.param_groups):
            chain = self._current_rule(i, group).chain
            for parameter in group["params"] if chain.evaluates_elsewhere else ():
                state = self.state[parameter]
                if TRAINED not in state and state.get(STEP):
                    data = parameter.detach()
                    shown = evaluated(partial(self._precision.evaluation_parameter, chain), data, of_the_rule(state))
                    self._shows_others = True
                    state[TRAINED] = data.clone()
                    data.copy_(shown)

    @torch.no_grad()
    def train(self) -> None:
        """Let the parameters be those that are trained."""
        if self._shows_others:
            for parameter, state in self.state.items():
                show_trained(parameter, state)
            self._shows_others = False

    def _expect_trained(self) -> None:
        """Raise ChainruleError if parameters are those that the rule evaluates with."""
        if any(TRAINED in state for state in self.state.values()):
            raise ChainruleError(
                f"{label(self._settings.rule)}: step must find the parameters that are trained, got those that eval() "
                "shows. Call optimizer.train() before the forward pass."
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the state without that of parameters whose place in their group another has taken."""
        with without_replaced(self):
            return super().state_dict()

    @outside_of_modes()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state: bit for bit, unless this one keeps an entry in another dtype.

        Raises:
            StateError: if a parameter's entries or their shapes differ; nothing is changed then.
        """
        expect_state(label(self._settings.rule), state_dict)
        rules = [self._current_rule(i, group) for i, group in enumerate(self.param_groups)]
        self._layout.complete(rules, self.param_groups, self.state)
        with fitting(self, self._settings.rule):
            super().load_state_dict(copy.deepcopy(state_dict))  # torch takes tensors as they are, another's too
        self._shows_others = True

    def __getstate__(self) -> dict[str, Any]:
        return {
            **super().__getstate__(),
            "_settings": self._settings,
            "_precision": self._precision,
            "_compile": self._compile,
            "_flatten": self._flatten,
            "_release": self._release is not None,
            "_layout": self._layout.numbered,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "differentiable" not in self._settings.defaults():
            self.defaults.pop("differentiable", None)  # torch's, which would become a key of the groups that are added
        if "_settings" in state:
            self._current, self._shows_others = {}, True
            self._layout = Layout(
                self._precision,
                flatten=self._flatten,
                alone=state["_release"],
                is_read=True,
                numbered=state.get("_layout", 0),
            )
            self._release = None
            if state["_release"]:
                self._release = GradientRelease(self._settings.rule, self, RuleOptimizer._step_released)
                for group in self.param_groups:
                    self._release.watch(group["params"])
        elif "state" in state:
            self._layout.replace()
        for group in self.param_groups:  # of a state that was saved before the rule had a setting
            for key in self._settings.defaults():
                group.setdefault(key, self.defaults[key])
