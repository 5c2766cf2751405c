"""`Updater`: applies update rules to a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.parameter import Parameter
from chainrule.errors import ChainruleError, HyperparameterError, StateError, label
from chainrule.network import Network
from chainrule.updates.applied_rule import AppliedRule, check_member_values, check_ranks
from chainrule.updates.chain import Chain
from chainrule.updates.clipping import clip_gradients
from chainrule.updates.clock import Clock
from chainrule.updates.elementwise import ElementwiseRule
from chainrule.updates.fused_rule import require_compiler
from chainrule.updates.moment import Moment
from chainrule.updates.per_parameter import PerParameterRule
from chainrule.updates.watching import is_elementwise


class Updater:
    """Applies each group's rule to its parameters, once per `step`.

    Elementwise rules run over slices of the flat buffer, whatever the number of layers; others get each parameter of
    each member in its own shape. Created by `Optimizer.attach` and `ParamGroups.attach`.

    Attributes:
        network: the network to update.
        groups: the rules, by name pattern.
        t: the number of steps taken.
        applied_rules: each rule with the parameters that it updates together.
    """

    def __init__(
        self,
        network: Network,
        groups: Mapping[str, Optimizer],
        *,
        clip_norm: float | None = None,
        compile: bool = False,
    ) -> None:
        if clip_norm is not None and not clip_norm > 0:
            raise HyperparameterError(
                f"attach: clip_norm must be above 0, got {clip_norm}. Leave it out for no clipping."
            )
        if not isinstance(network, Network):
            raise ChainruleError(
                f"attach: network must be a built network, got {network!r}. Call build() on the module first."
            )
        if compile:
            require_compiler(network.device)
        self.network = network
        self.groups = dict(groups)
        self.clip_norm = clip_norm
        self.compile = compile
        self.t = 0
        self.applied_rules: list[AppliedRule] = []
        self._clocks: list[Clock] = []
        for rule, parameters in _match(network, groups):
            check_member_values(rule, network)
            chain = Chain(rule)
            check_ranks(chain, list(parameters.values()))
            clock = Clock(chain, network.members, network.device)
            if is_elementwise(rule):
                runs = _adjacent(network, list(parameters.values()))
                applied: list[AppliedRule] = [ElementwiseRule(rule, network, run, compile=compile) for run in runs]
            else:
                applied = [PerParameterRule(rule, network, parameters)]
            self.applied_rules += applied
            self._clocks += [clock] * len(applied)

    @torch.inference_mode()  # a tenth quicker
    def step(self) -> None:
        """Update every parameter from its accumulated gradient."""
        self.apply(self.advance())

    def advance(self) -> list[Moment]:
        """Count a step, and return the moment for each applied rule."""
        self.t += 1
        moments = {clock: clock.at(self.t) for clock in dict.fromkeys(self._clocks)}
        return [moments[clock] for clock in self._clocks]

    def apply(self, moments: Sequence[Moment]) -> None:
        """Update every parameter at the given moments: the part of a step that consists of tensor operations only."""
        if self.clip_norm is not None:
            clip_gradients(self.network, self.clip_norm)
        for applied, moment in zip(self.applied_rules, moments, strict=True):
            applied.apply(moment)

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

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Within the block, let the network hold the parameters that its rules evaluate with."""
        elsewhere = [applied for applied in self.applied_rules if applied.chain.evaluates_elsewhere]
        trained = self.network.flat.data.clone() if elsewhere else None
        try:
            with torch.no_grad():
                for applied in elsewhere:
                    applied.show_evaluation_parameters()
            yield
        finally:
            if trained is not None:
                self.network.flat.data.copy_(trained)

    def state_dict(self) -> dict[str, Any]:
        """Return the step count and, by parameter name, each rule's name and copies of its state, entries (M, …)."""
        states = self._states()
        return {
            "t": self.t,
            "rules": self._rules(),
            "state": {name: {key: value.clone() for key, value in state.items()} for name, state in states.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Continue from a saved state, bit for bit.

        Raises:
            StateError: if parameters, rules, entries or shapes differ; nothing is changed then.
        """
        own = self._states()
        if not {"t", "rules", "state"} <= saved.keys():
            raise StateError(
                f'updater: a state must have "t", "rules" and "state", got {sorted(saved)}. Save updater.state_dict().'
            )
        if different := sorted(own.keys() ^ saved["state"].keys()):
            raise StateError(
                f"updater: a state must have the parameters {sorted(own)}, got a difference in {different}. "
                "Attach to a network of the same layers."
            )
        for name, rule in self._rules().items():
            if saved["rules"].get(name) != rule:
                raise StateError(
                    f"updater: the state of {name} must be that of {rule}, got that of {saved['rules'].get(name)}. "
                    "Attach the rule it was saved with."
                )
        for name, state in own.items():
            mine = {key: tuple(value.shape) for key, value in state.items()}
            theirs = {key: tuple(value.shape) for key, value in saved["state"][name].items()}
            if mine != theirs:
                raise StateError(
                    f"updater: the state of {name} must be {mine}, got {theirs}. Attach the rule it was saved with."
                )
        for name, state in own.items():
            for key, value in state.items():
                value.copy_(saved["state"][name][key])
        self.t = int(saved["t"])

    def __getstate__(self) -> dict[str, Any]:
        settings = {name: vars(self)[name] for name in ("network", "groups", "clip_norm", "compile")}
        return {"settings": settings, "state": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Applied rules hold views of the network's buffers, which a copied network allocates anew.
        Updater.__init__(self, **state["settings"])
        self.load_state_dict(state["state"])

    def _rules(self) -> dict[str, str]:
        rules = {parameter: label(applied.rule) for applied in self.applied_rules for parameter in applied.states()}
        return {name: rules[parameter] for name, parameter in self.network.named_parameters()}

    def _states(self) -> dict[str, dict[str, Tensor]]:
        states = {p: state for applied in self.applied_rules for p, state in applied.states().items()}
        return {name: states[parameter] for name, parameter in self.network.named_parameters()}


def _match(network: Network, groups: Mapping[str, Optimizer]) -> list[tuple[Optimizer, dict[str, Parameter]]]:
    members: dict[str, dict[str, Parameter]] = {pattern: {} for pattern in groups}
    for name, parameter in network.named_parameters():
        pattern = next((pattern for pattern in groups if fnmatchcase(name, pattern)), None)
        if pattern is None:
            raise ChainruleError(f'param_groups: no pattern in {list(groups)} matches the parameter "{name}". Add "*".')
        members[pattern][name] = parameter
    for pattern, parameters in members.items():
        if not parameters and pattern != "*":
            raise ChainruleError(
                f'param_groups: no parameter matches the pattern "{pattern}", among '
                f"{[name for name, _ in network.named_parameters()]}. Remove or correct it."
            )
    return [(groups[pattern], parameters) for pattern, parameters in members.items() if parameters]


def _adjacent(network: Network, parameters: list[Parameter]) -> list[list[Parameter]]:
    """Group the parameters into runs that are adjacent in the flat buffer."""
    runs: list[list[Parameter]] = []
    spans = network.flat.spans
    for parameter in sorted(parameters, key=lambda parameter: spans[parameter].start):
        if runs and spans[runs[-1][-1]].stop == spans[parameter].start:
            runs[-1].append(parameter)
        else:
            runs.append([parameter])
    return runs
