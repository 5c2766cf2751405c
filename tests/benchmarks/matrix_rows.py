"""One update of a small network by rules that are not elementwise, against the same loop in plain torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import process_time
from typing import Any

import plain_rules
import torch
from matrix_rules import Adafactor, Lamb, Muon, Soap
from rounds import Spread, alternate
from torch import Tensor

from chainrule import param_groups
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.network import Network
from chainrule.optimizers import sgd

SIZES = (2, 16, 32, 2)
MEMBERS = 10
STEPS = 50
"""Steps in a round."""

TOLERANCE = 1e-9
"""Largest difference of any parameter from that of plain torch after ten steps in float64."""

GOAL = 1.0
"""Times as fast as plain torch, for one network."""

MEMBERS_GOAL = 2.0
"""The most times as long as one network that ten members may take."""

RULES: dict[str, tuple[str, Any, Callable[..., plain_rules.Step]]] = {
    "muon": ("Muon", param_groups({"*.bias": sgd(lr=0.1), "*": Muon()}), plain_rules.muon),
    "lamb": ("LAMB", Lamb(), plain_rules.lamb),
    "adafactor": ("Adafactor", Adafactor(), plain_rules.adafactor),
    "soap": ("SOAP", param_groups({"*.bias": sgd(lr=0.1), "*": Soap()}), plain_rules.soap),
}
"""By name: the title, ours, and plain torch's."""


def main() -> None:
    rounds = int(sys.argv[1])
    torch.set_num_threads(1)
    result = {"sizes": SIZES, "members": MEMBERS, "rules": {name: row(name, rounds) for name in RULES}}
    print(json.dumps(result))


def row(name: str, rounds: int) -> dict[str, Any]:
    """Check that both take the same steps, then time them in turns."""
    difference = largest_difference(name)
    if not difference < TOLERANCE:
        raise RuntimeError(f"{name} differs from plain torch by {difference:.1e}, more than {TOLERANCE:.0e}")
    title, ours, plain = RULES[name]
    steps: dict[str, Callable[[], Any]] = {}
    for who, members in (("one", 1), ("members", MEMBERS)):
        network = small_network(members)
        fill(network)
        steps[who] = ours.attach(network).step
    parameters, grads = ([tensor.clone() for tensor in tensors] for tensors in tensors_of(network, 0))
    step = plain(parameters)
    steps["torch"] = lambda: step(grads)
    timers = {who: seconds(taken) for who, taken in steps.items()}
    alternate(timers, 1)  # warm before the first round that counts
    times = alternate(timers, rounds)
    return {
        "title": title,
        "difference": difference,
        "seconds": {who: vars(Spread.of(values)) for who, values in times.items()},
        "times_as_fast": vars(Spread.of_ratios(times["torch"], times["one"])),
        "goal": GOAL,
        "members_to_one": vars(Spread.of_ratios(times["members"], times["one"])),
        "members_goal": MEMBERS_GOAL,
    }


@torch.no_grad()
def largest_difference(name: str, *, members: int = 3, steps: int = 10, **settings: float) -> float:
    """Return the largest difference between our parameters and plain torch's after some steps in float64.

    Args:
        name: of the rule.
        members: of the ensemble, each of which has a plain loop of its own.
        steps: each with gradients of its own.
        settings: of plain torch's rule, other than its defaults.
    """
    _, ours, plain = RULES[name]
    network = small_network(members, dtype=torch.float64)
    updater = ours.attach(network)
    theirs = [[p.clone() for p in tensors_of(network, member)[0]] for member in range(members)]
    loops = [plain(parameters, **settings) for parameters in theirs]
    for t in range(steps):
        fill(network, seed=t)
        for member, step in enumerate(loops):
            step(tensors_of(network, member)[1])
        updater.step()
    return max(
        (got - expected).abs().max().item()
        for member in range(members)
        for got, expected in zip(tensors_of(network, member)[0], theirs[member], strict=True)
    )


def small_network(members: int, dtype: torch.dtype = torch.float32) -> Network:
    """Return a classifier of that many members, each with weights of its own."""
    first, *others = pairwise(SIZES)
    layers = [linear(*first), *(module for pair in others for module in (relu(), linear(*pair)))]
    return sequential(*layers).build(seeds=range(members), dtype=dtype)


def fill(network: Network, seed: int = 0) -> None:
    """Set every gradient to normal numbers."""
    network.flat.grad.copy_(torch.randn(network.flat.grad.shape, generator=torch.Generator().manual_seed(seed)))


def tensors_of(network: Network, member: int) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return the parameters and gradients of one member."""
    parameters = network.parameters()
    return [p.data[member] for p in parameters], [p.grad[member] for p in parameters]


def seconds(step: Callable[[], Any]) -> Callable[[], float]:
    """Return a function that times the step, under inference mode as in a fit."""

    def timer() -> float:
        with torch.inference_mode():
            start = process_time()
            for _ in range(STEPS):
                step()
            return (process_time() - start) / STEPS

    return timer


if __name__ == "__main__":
    main()
