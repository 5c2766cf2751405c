"""`Updater`: the driver that applies update rules to a network; and `param_groups`, several rules by name pattern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from chainrule.compiled_rule import require_compiler
from chainrule.errors import ChainruleError, HyperparameterError, StateError
from chainrule.moment import Moment
from chainrule.network import Network
from chainrule.optimizer import Optimizer
from chainrule.parameter import Parameter
from chainrule.rule_runs import (
    ElementwiseRun,
    ParameterRun,
    Run,
    check_member_values,
    check_ranks,
    moment_of,
    tensors_of,
)


class Updater:
    """Apply each group's rule to its parameters, once a `step`.

    Elementwise rules run over slices of the flat buffer, whatever the number of layers; others get each parameter of
    one member in its own shape. Made by `Optimizer.attach` and `ParamGroups.attach`.

    Attributes:
        network: the network that is updated.
        groups: the rules by name pattern.
        t: the number of steps taken.
        runs: each rule with the parameters that it moves at once.
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
        self.runs: list[Run] = []
        for rule, parameters in _match(network, groups):
            check_member_values(rule, network)
            check_ranks(rule, parameters)
            if rule.elementwise and type(rule).reduce is Optimizer.reduce:
                self.runs += [
                    ElementwiseRun(rule, network, run, compile=compile) for run in _adjacent(network, parameters)
                ]
            else:
                self.runs.append(ParameterRun(rule, network, parameters))

    def step(self) -> None:
        """Update every parameter from its accumulated gradient."""
        self.apply(self.advance())

    def advance(self) -> list[Moment]:
        """Count a step, and return what each run of a rule needs to know of it."""
        self.t += 1
        return [moment_of(run.rule, self.t) for run in self.runs]

    def apply(self, moments: Sequence[Moment]) -> None:
        """Update every parameter at the given moments: the part of a step that is tensor operations alone."""
        if self.clip_norm is not None:
            clip_gradients(self.network, self.clip_norm)
        for run, moment in zip(self.runs, moments, strict=True):
            run.apply(moment)

    def tensors(self) -> dict[str, Any]:
        """Return what a step reads and changes beside its batch and its moments: parameters, and what rules keep."""
        parameters = [(parameter.data, parameter.grad) for parameter in self.network.parameters()]
        return {"parameters": parameters, "runs": [tensors_of(run) for run in self.runs]}

    def bind(self, tensors: dict[str, Any]) -> None:
        """Step from now on, uncompiled, on such tensors instead, which then no longer lie in the flat buffers."""
        for parameter, own in zip(self.network.parameters(), tensors["parameters"], strict=True):
            parameter.bind(*own)
        for run, kept in zip(self.runs, tensors["runs"], strict=True):
            run.bind(kept)

    @property
    def compiled(self) -> int:
        """The number of runs over the flat buffer that go through a compiled kernel."""
        return sum(isinstance(run, ElementwiseRun) and run.compiled is not None for run in self.runs)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Hold in the network, inside the block, the parameters with which its rules want to be evaluated."""
        runs = [run for run in self.runs if type(run.rule).evaluation_parameter is not Optimizer.evaluation_parameter]
        trained = self.network.flat.data.clone() if runs else None
        try:
            with torch.no_grad():
                for run in runs:
                    run.show_evaluation_parameters()
            yield
        finally:
            if trained is not None:
                self.network.flat.data.copy_(trained)

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the step count and of every rule's state by parameter name, each (M, *shape) or (M, …)."""
        states = self._states()
        return {
            "t": self.t,
            "state": {name: {key: value.clone() for key, value in state.items()} for name, state in states.items()},
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a saved state, bit for bit.

        Errors: StateError if parameters, entries or shapes differ; nothing is then changed
        """
        own = self._states()
        if not {"t", "state"} <= saved.keys():
            raise StateError(
                f'updater: a state must have "t" and "state", got {sorted(saved)}. Save updater.state_dict().'
            )
        if different := sorted(own.keys() ^ saved["state"].keys()):
            raise StateError(
                f"updater: a state must have the parameters {sorted(own)}, got a difference in {different}. "
                "Attach to a network of the same layers."
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
        # Runs hold views of the network's buffers, which a copied network makes anew.
        Updater.__init__(self, **state["settings"])
        self.load_state_dict(state["state"])

    def _states(self) -> dict[str, dict[str, Tensor]]:
        states = {parameter: state for run in self.runs for parameter, state in run.states().items()}
        return {name: states[parameter] for name, parameter in self.network.named_parameters()}


class ParamGroups:
    """Rules by name pattern, such as ``{"*.bias": sgd(lr=0.1), "*": adam()}``; the first pattern that fits counts."""

    def __init__(self, groups: Mapping[str, Optimizer]) -> None:
        self.groups = dict(groups)

    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return an Updater that applies each rule to its parameters; arguments as for `Optimizer.attach`.

        Errors: ChainruleError if a parameter fits no pattern, or a pattern has no parameter
        """
        return Updater(network, self.groups, clip_norm=clip_norm, compile=compile)


param_groups = ParamGroups


def clip_gradients(network: Network, max_norm: float) -> Tensor:
    """Scale each member's gradient so that its global norm is at most max_norm; return the norms before, (M,)."""
    norms = [
        torch.linalg.vector_norm(parameter.grad.reshape(network.members, -1), dim=1)
        for parameter in network.parameters()
    ]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (max_norm / norm).clamp(max=1.0)  # a norm of 0 gives inf, then 1
    for parameter in network.parameters():
        parameter.grad.mul_(factor.view(-1, *[1] * len(parameter.shape)))
    return norm


def _match(network: Network, groups: Mapping[str, Optimizer]) -> list[tuple[Optimizer, list[Parameter]]]:
    members: dict[str, list[Parameter]] = {pattern: [] for pattern in groups}
    for name, parameter in network.named_parameters():
        pattern = next((pattern for pattern in groups if fnmatchcase(name, pattern)), None)
        if pattern is None:
            raise ChainruleError(
                f'param_groups: every parameter must fit a pattern, got none for "{name}" in {list(groups)}. Add "*".'
            )
        members[pattern].append(parameter)
    for pattern, parameters in members.items():
        if not parameters and pattern != "*":
            raise ChainruleError(
                f'param_groups: every pattern must fit a parameter, got none for "{pattern}" among '
                f"{[name for name, _ in network.named_parameters()]}. Remove or correct it."
            )
    return [(groups[pattern], parameters) for pattern, parameters in members.items() if parameters]


def _adjacent(network: Network, parameters: list[Parameter]) -> list[list[Parameter]]:
    """Group the parameters into runs that follow each other in the flat buffer."""
    runs: list[list[Parameter]] = []
    spans = network.flat.spans
    for parameter in sorted(parameters, key=lambda parameter: spans[parameter].start):
        if runs and spans[runs[-1][-1]].stop == spans[parameter].start:
            runs[-1].append(parameter)
        else:
            runs.append([parameter])
    return runs
