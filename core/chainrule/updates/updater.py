"""`Updater`: applies update rules to a network."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from chainrule.arguments import advice, flag, shown
from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.base.member_rows import Chosen
from chainrule.base.optimizer import LearningRate, Optimizer
from chainrule.base.parameter import Parameter
from chainrule.base.step import Step, step_has_no
from chainrule.base.wrapper import with_lr
from chainrule.calls import explained
from chainrule.errors import BackwardError, ChainruleError, label
from chainrule.network import Network
from chainrule.updates.applied_rule import AppliedRule, check_member_values, is_per_member
from chainrule.updates.chain import Chain
from chainrule.updates.clipping import checked_norm, clip_gradients
from chainrule.updates.clock import Clock
from chainrule.updates.elementwise import ElementwiseRule
from chainrule.updates.frozen_state import FrozenState
from chainrule.updates.fused_rule import require_compiler
from chainrule.updates.held_parameters import HeldParameters
from chainrule.updates.matches import clock_of, matches
from chainrule.updates.moment import Moment
from chainrule.updates.rates import Rates
from chainrule.updates.saved_state import check_saved
from chainrule.updates.selectors import check_groups, selected


class Updater(DeclaresAttributes):
    """Applies each group's rule to its parameters, once per `step`.

    Elementwise rules run over slices of the flat buffer, whatever the number of layers; others get each parameter of
    each member in its own shape. Created by `Optimizer.attach` and `ParamGroups.attach`.

    Attributes:
        network: the network to update.
        t: the number of steps taken.
        applied_rules: each rule with the parameters that it updates together.
    """

    _instead: ClassVar[Mapping[str, str]] = {
        "zero_grad": "Write network.zero_grad().",
        **dict.fromkeys(
            ("lr", "param_groups"),
            "updater.rates has the rate of each of updater.groups, and updater.set_lr(0.1) changes it.",
        ),
        "add_param_group": 'Attach chainrule.param_groups({"*.bias": …, "*": …}).',
        "backward": "Write network.backward(loss.backward()).",
        "freeze": "Write network.freeze(…).",
    }

    _chosen: Chosen | None = None
    """The members that the network has, of those that the rules were attached to; None for all."""

    network: Network
    t: int
    applied_rules: list[AppliedRule]
    compile: bool

    _replaced_by: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("network", "groups", "compile"), "Attach another: optimizer.attach(network, compile=…)."),
        "rates": "Write updater.set_lr(…).",
    }

    @explained
    def __init__(
        self,
        network: Network,
        groups: Mapping[str, Optimizer],
        *,
        clip_norm: float | None = None,
        compile: bool = False,
    ) -> None:
        if not isinstance(network, Network):
            raise ChainruleError(
                f"attach: network must be a built network, got {shown(network)}. {advice('network', network)}"
            )
        network.expect_same_parts()
        flag("attach", "compile", compile)
        check_groups(groups)
        if compile:
            require_compiler(network.device)
        self.network = network
        self._groups = dict(groups)
        self._clip_norm, self._clips_otherwise = checked_norm("attach", clip_norm), False
        self.compile = compile
        self.t = 0
        self._seeds = network.seeds
        self._frozen = FrozenState()
        self._reset: frozenset[str] = frozenset()  # the groups whose learning rate was set
        self._held = HeldParameters(network)
        self._match()

    def _match(self) -> None:
        """Apply each rule to its parameters, with a new state."""
        self._frozen.names = self.network.frozen
        self._matches = matches(
            self.network,
            self.groups,
            missed=self._frozen.missed,
            seeds=self._seeds,
            chosen=self._chosen,
            compile=self.compile,
        )
        self.applied_rules = [one.applied for one in self._matches]

    def _follow_freezing(self) -> None:
        """Follow a change of what is frozen, with the state that each parameter had."""
        frozen, now = self._frozen, self.network.frozen
        if frozen.names is now or frozen.names == now:  # the first is quicker
            return
        before = frozen.states | self._states()
        frozen.count_from(self.t, frozen.missed_at(self.t))
        self._match()
        own = self._states()
        frozen.states = {name: state for name, state in before.items() if name not in own}
        for name in before.keys() & own.keys():
            for key, value in own[name].items():
                value.copy_(before[name][key])

    @explained
    @torch.inference_mode()  # a tenth quicker
    def step(self) -> None:
        """Update every parameter from its accumulated gradient; a step that fails does not count.

        Raises:
            ChainruleError: within torch.autocast.
            BackwardError: if the network was called and every gradient is 0, since nothing went backward.
        """
        network = self.network
        network.expect_no_autocast()
        if network.awaits_backward and not network.went_backward and not network.flat.grad.any():
            raise BackwardError(
                "updater: step must follow a backward, got a call of the network and no gradient. "
                "Write network.backward(loss.backward()) before it."
            )
        counted = self.t
        try:
            self.apply(self.advance())
        except BaseException:
            self.t = counted
            raise
        vars(network)["went_backward"] = False

    def advance(self) -> list[Moment]:
        """Count a step, and return the moment for each applied rule."""
        if self._held.trained is not None:
            self._held.put_back()
        self._follow_freezing()
        self.t += 1
        if len(self._matches) == 1:
            only = self._matches[0]
            return [only.clock.at(self.t, only.missed)]
        moments: list[Moment] = []
        for i, one in enumerate(self._matches):
            is_known = i > 0 and one.clock is self._matches[i - 1].clock and one.missed == self._matches[i - 1].missed
            moments.append(moments[-1] if is_known else one.clock.at(self.t, one.missed))
        return moments

    def apply(self, moments: Sequence[Moment]) -> None:
        """Update every parameter at the given moments: the part of a step that consists of tensor operations only."""
        if self.clip_norm is not None and self.applied_rules:
            clip_gradients([p for applied in self.applied_rules for p in applied.parameters], self.clip_norm)
        try:
            for applied, moment in zip(self.applied_rules, moments, strict=True):
                applied.apply(moment)
        except AttributeError as error:
            if isinstance(error.obj, Step) and error.name:
                raise step_has_no(error.obj, error.name) from error
            raise

    @explained
    def set_lr(self, lr: LearningRate, group: str | None = None) -> None:
        """Continue with another learning rate, before the schedule.

        Args:
            lr: one number, or a tensor (M,) with one for each member.
            group: the key of one of several groups; all of them if not given.

        Raises:
            HyperparameterError: if the rule does not allow it.
            ChainruleError: if there is no such group.
        """
        if group is not None and group not in list(self.groups):
            raise ChainruleError(f"set_lr: group must be one of {list(self.groups)}, got {shown(group)}. Pass its key.")
        self._set_rates(self._with_rates({key: lr for key in self.groups if group in (None, key)}))

    def _with_rates(self, rates: Mapping[str, LearningRate]) -> dict[str, Optimizer]:
        changed = {key: with_lr(self.groups[key], lr) for key, lr in rates.items()}
        for rule in changed.values():
            check_member_values(rule, self.network)
        return changed

    def _set_rates(self, changed: Mapping[str, Optimizer]) -> None:
        self._groups |= changed
        self._reset = self._reset.union(changed)
        for one in self._matches:
            one.clock.set_lr(self._groups[one.key].lr)

    @property
    def clip_norm(self) -> float | None:
        """The largest global norm of each member's gradient; None for no clipping."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm, self._clips_otherwise = checked_norm("updater", value), True

    @property
    def groups(self) -> Mapping[str, Optimizer]:
        """The rules, by name pattern; read-only, since each has its state."""
        return MappingProxyType(self._groups)

    @property
    def clocks(self) -> list[tuple[Clock, int]]:
        """The clock of each applied rule, and the steps that the rule has missed."""
        return [(one.clock, one.missed) for one in self._matches]

    @property
    def rates(self) -> dict[str, LearningRate]:
        """The learning rate after the schedule at the last step, or at step 1 before there was one, by group.

        `set_lr` changes it; after that it is that of the new rate.
        """
        clocks = {one.key: one.clock for one in self._matches}
        found = {
            key: (clocks.get(key) or clock_of(rule, self.network, self._chosen)).at(max(self.t, 1)).lr
            for key, rule in self.groups.items()
        }
        return Rates({key: _copied(lr) for key, lr in found.items()})

    @property
    def settings(self) -> tuple[Any, ...]:
        """All that decides which operations a step performs, beside the network."""
        return (
            self.clip_norm,
            self.network.frozen,
            self._frozen.missed,
            [is_per_member(one.clock.lr) for one in self._matches],
        )

    def tensors(self) -> dict[str, Any]:
        """Return what a step reads and changes beside its batch and moments: parameters, and the state of the rules."""
        parameters = [(parameter.data, parameter.grad) for parameter in self.network.parameters()]
        return {"parameters": parameters, "rules": [applied.tensors() for applied in self.applied_rules]}

    def bind(self, tensors: dict[str, Any]) -> None:
        """From now on step eagerly on these tensors instead, which need not lie in the flat buffers."""
        for parameter, own in zip(self.network.parameters(), tensors["parameters"], strict=True):
            parameter.bind(*own)
        for applied, kept in zip(self.applied_rules, tensors["rules"], strict=True):
            applied.bind(kept)

    @property
    def compiled(self) -> int:
        """The number of applied rules that run as a fused kernel."""
        return sum(
            isinstance(applied, ElementwiseRule) and applied.compiled is not None for applied in self.applied_rules
        )

    def show_evaluation_parameters(self) -> None:
        """Let the network hold the parameters that its rules evaluate with, until the next step puts the trained back.

        Where a user has changed a member's by then, its step starts from what is there.
        """
        self._follow_freezing()
        self._held.show(self.applied_rules)

    def show_trained_parameters(self) -> None:
        """Let the network hold the parameters that its rules train."""
        self._held.put_back()

    @explained
    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block, let the network hold the parameters that its rules evaluate with."""
        is_shown = self._held.trained is not None
        self.show_evaluation_parameters()
        try:
            yield
        finally:
            if not is_shown:
                self.show_trained_parameters()

    @explained
    def state_dict(self) -> dict[str, Any]:
        """Return the step count and, by parameter name, each rule's name and copies of its state, entries (M, …).

        The seeds are those of the rules' random numbers, with which a network of other seeds goes on too. Where
        parameters were frozen, "missed" has the steps that their rules do not count, by parameter name. While the
        network holds evaluation parameters, "trained" has the flat buffer of those that the next step starts from.
        What was set since it was attached is there too: "rates", by group, and "clip_norm".
        """
        self._follow_freezing()
        states = self._frozen.states | self._states()
        trained = self._held.to_train()
        saved: dict[str, Any] = {} if trained is None else {"trained": trained}
        if missed := self._frozen.missed_at(self.t):
            saved["missed"] = missed
        if self._reset:
            saved["rates"] = {key: _copied(rule.lr) for key, rule in self.groups.items() if key in self._reset}
        if self._clips_otherwise:
            saved["clip_norm"] = self.clip_norm
        return saved | {
            "t": self.t,
            "seeds": list(self._seeds),
            "rules": self._rules(),
            "state": {name: {key: value.clone() for key, value in state.items()} for name, state in states.items()},
        }

    @explained
    @torch.no_grad()
    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue from a saved state, bit for bit; the next step starts from the trained parameters if it has them.

        Raises:
            StateError: if parameters, rules, entries or shapes differ; nothing is changed then.
        """
        self._follow_freezing()
        own = self._states()
        check_saved(saved, own, self._rules(), self.network, self.groups)
        changed = self._with_rates(saved.get("rates", {}))
        t, before, frozen = int(saved["t"]), self._frozen.missed, self._frozen
        frozen.count_from(t, saved.get("missed", {}))
        if any(before.get(name, 0) != frozen.missed.get(name, 0) for name in own):
            self._match()
            own = self._states()
        for name, state in own.items():
            for key, value in state.items():
                value.copy_(saved["state"][name][key])
        apart = saved["state"].keys() - own.keys()
        frozen.states = {name: {key: value.clone() for key, value in saved["state"][name].items()} for name in apart}
        self._seeds = list(saved.get("seeds", self._seeds))
        for applied in self.applied_rules:
            applied.draw_as(self._seeds)
        self._held.load(saved.get("trained"))
        self.t = t
        self._set_rates(changed)
        if "clip_norm" in saved:
            self.clip_norm = saved["clip_norm"]

    def follow_members(self, groups: Mapping[str, Optimizer], saved: Mapping[str, Any], chosen: Chosen | None) -> None:
        """Go on with the members that the network has now, with rules and a state for these.

        Args:
            groups: the rules, whose numbers per member are those of these members.
            saved: a state as `state_dict` returns it.
            chosen: who they are, None for all that there were at first.
        """
        self._groups, self._chosen, self._seeds = dict(groups), chosen, list(saved["seeds"])
        self._frozen.states = {}
        self._held.load(None)
        self._match()
        self.load_state_dict({**saved, "state": self._states() | saved["state"], "rates": {}})

    def __copy__(self) -> Self:
        # A shallow copy would step the network of this one, from a state of its own.
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        settings = {name: getattr(self, name) for name in ("network", "clip_norm", "compile")}
        return {
            "settings": {**settings, "groups": self._groups},
            "state": self.state_dict(),
            "chosen": self._chosen,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Applied rules hold views of the network's buffers, which a copied network allocates anew.
        self._chosen = state["chosen"]
        Updater.__init__(self, **state["settings"])
        self.load_state_dict(state["state"])

    def _rules(self) -> dict[str, str]:
        """Return the names of each parameter's rule and the wrappers around it, outermost first; of frozen ones too."""
        return {
            name: " of ".join(map(label, Chain(self.groups[key]).layers))
            for key, parameters in selected(self.network, self.groups, frozen=True).items()
            for name in parameters
        }

    def _states(self) -> dict[str, dict[str, Tensor]]:
        states = {p: state for applied in self.applied_rules for p, state in applied.states().items()}
        return {name: states[parameter] for name, parameter in self._trained_parameters()}

    def _trained_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, one) for name, one in self.network.named_parameters() if name not in self._frozen.names)


def _copied(lr: LearningRate) -> LearningRate:
    return lr.clone() if isinstance(lr, Tensor) else lr
