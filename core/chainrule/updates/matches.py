"""`matches`: which parameters of a network each rule updates together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chainrule.base.member_rows import Chosen
from chainrule.base.optimizer import Optimizer
from chainrule.base.parameter import Parameter
from chainrule.network import Network
from chainrule.updates.applied_rule import AppliedRule, check_member_values, check_ranks
from chainrule.updates.chain import Chain
from chainrule.updates.clock import Clock
from chainrule.updates.elementwise import ElementwiseRule
from chainrule.updates.per_parameter import PerParameterRule
from chainrule.updates.selectors import selected
from chainrule.updates.watching import is_elementwise


class Match(NamedTuple):
    """A rule with parameters that it updates together.

    Attributes:
        applied: the rule, with its parameters and their state.
        key: that of its group.
        clock: what gives its moments, one for all matches of a group.
        missed: the steps for which the parameters were frozen, which the rule does not count.
    """

    applied: AppliedRule
    key: str
    clock: Clock
    missed: int


def matches(
    network: Network,
    groups: Mapping[str, Optimizer],
    *,
    missed: Mapping[str, int],
    seeds: Sequence[int],
    chosen: Chosen | None,
    compile: bool,
) -> list[Match]:
    """Return each rule with its parameters, which have a new state.

    Args:
        network: the network, whose frozen parameters no rule updates.
        groups: the rules, by what selects their parameters.
        missed: the steps that parameters have missed, by name; 0 for the rest.
        seeds: those of the members' random numbers.
        chosen: the members in training, if the network was built with others.
        compile: whether elementwise rules run as fused kernels.
    """
    found: list[Match] = []
    for key, parameters in selected(network, groups).items():
        rule = groups[key]
        if not parameters:
            continue
        check_member_values(rule, network)
        check_ranks(Chain(rule), list(parameters.values()))
        clock = clock_of(rule, network, chosen)
        for steps, together in _by_missed(parameters, missed).items():
            if is_elementwise(rule):
                applied: list[AppliedRule] = [
                    ElementwiseRule(rule, network, run, compile=compile)
                    for run in _adjacent(network, list(together.values()))
                ]
            else:
                applied = [PerParameterRule(rule, network, together)]
                applied[0].draw_as(seeds)
            found += [Match(one, key, clock, steps) for one in applied]
    return found


def clock_of(rule: Optimizer, network: Network, chosen: Chosen | None) -> Clock:
    """Return what gives the moments of a rule's steps; chosen as of `matches`."""
    return Clock(Chain(rule), network.members, network.device, network.dtype, chosen)


def _by_missed(parameters: Mapping[str, Parameter], missed: Mapping[str, int]) -> dict[int, dict[str, Parameter]]:
    """Return the parameters by the steps that they have missed: only those of one count step together."""
    found: dict[int, dict[str, Parameter]] = {}
    for name, parameter in parameters.items():
        found.setdefault(missed.get(name, 0), {})[name] = parameter
    return found


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
