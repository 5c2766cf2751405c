"""One update of a network by rules that are not elementwise, against libraries' optimizers and loops in plain torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from typing import Any

import plain_rules
import torch
from matrix_peers import LIBRARIES, PEERS
from rounds import Spread, alternate, cpu_seconds
from torch import Tensor

from chainrule import param_groups
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.network import Network
from chainrule.optimizers import adafactor, came, lamb, lars, muon, scion, sgd, shampoo, soap

SIZES = {"small": (2, 16, 32, 2), "large": (256, 512, 256, 10)}
STEPS = {"small": 50, "large": 10}
"""Steps in a round."""

MEMBERS = 10
"""Of the small network."""

TOLERANCE = 1e-9
"""Largest difference of any parameter from that of plain torch after ten steps in float64."""

GOAL = 1.0
"""Times as fast as each peer, for one network."""

FLOAT32 = ("muon", "scion")
"""Rows without a goal beside the libraries, which compute in bfloat16."""

MEMBERS_GOAL = 2.0
"""The most times as long as one network that ten members may take."""

RULES = {
    "muon": param_groups({"vectors": sgd(lr=0.1), "*": muon()}),
    "muon, bfloat16": param_groups({"vectors": sgd(lr=0.1), "*": muon(bfloat16=True)}),
    "lamb": lamb(),
    "lars": lars(),
    "adafactor": adafactor(lr=1e-3, relative_step=False),
    "came": came(),
    "scion": scion(),
    "scion, bfloat16": scion(bfloat16=True),
    "shampoo": shampoo(precondition_every=10),
    "soap": soap(),
}
"""Ours, by name and what is special."""

PLAIN_TORCH = "plain torch"
PLAIN: dict[str, Callable[..., plain_rules.Step]] = {
    "muon": plain_rules.muon,
    "lamb": plain_rules.lamb,
    "adafactor": plain_rules.adafactor,
}
"""The same in plain torch. That the libraries take the same steps is tested where they are the rules' oracles."""


def main() -> None:
    rounds = int(sys.argv[1])
    torch.set_num_threads(1)
    rows = [row(name, size, rounds) for size in SIZES for name in RULES]
    print(json.dumps({"sizes": SIZES, "members": MEMBERS, "rows": [found for found in rows if found["times_as_fast"]]}))


def row(name: str, size: str, rounds: int) -> dict[str, Any]:
    """Check that ours takes the steps of plain torch, then time all in turns."""
    plain = PLAIN.get(name)
    if plain is not None and not (difference := largest_difference(name)) < TOLERANCE:
        raise RuntimeError(f"{name} differs from plain torch by {difference:.1e}, more than {TOLERANCE:.0e}")
    network = classifier(SIZES[size])
    fill(network)
    steps: dict[str, Callable[[], Any]] = {"ours": RULES[name].attach(network).step}
    if size == "small":
        ensemble = classifier(SIZES[size], MEMBERS)
        fill(ensemble)
        steps["members"] = RULES[name].attach(ensemble).step
    peers = PEERS.get(name.partition(",")[0], {}) | ({} if plain is None else {PLAIN_TORCH: plain})
    for peer, start in peers.items():
        parameters, grads = ([tensor.clone() for tensor in tensors] for tensors in tensors_of(network, 0))
        steps[peer] = partial(start(parameters), grads)
    timers = {
        who: cpu_seconds(taken, STEPS[size], nullcontext if who in LIBRARIES else torch.inference_mode)
        for who, taken in steps.items()
    }
    alternate(timers, 1)  # warm before the first round that counts
    times = alternate(timers, rounds)
    return {
        "name": name,
        "size": size,
        "seconds": {who: vars(Spread.of(values)) for who, values in times.items()},
        "times_as_fast": {peer: vars(Spread.of_ratios(times[peer], times["ours"])) for peer in peers},
        "goals": {peer: None if name in FLOAT32 and peer in LIBRARIES else GOAL for peer in peers},
        "members_to_one": vars(Spread.of_ratios(times["members"], times["ours"])) if size == "small" else None,
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
    network = classifier(SIZES["small"], members, dtype=torch.float64)
    updater = RULES[name].attach(network)
    theirs = [[p.clone() for p in tensors_of(network, member)[0]] for member in range(members)]
    loops = [PLAIN[name](parameters, **settings) for parameters in theirs]
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


def classifier(sizes: Sequence[int], members: int = 1, dtype: torch.dtype = torch.float32) -> Network:
    """Return a multilayer perceptron of that many members, each with weights of its own."""
    first, *others = pairwise(sizes)
    layers = [linear(*first), *(module for pair in others for module in (relu(), linear(*pair)))]
    return sequential(*layers).build(seeds=range(members), dtype=dtype)


def fill(network: Network, seed: int = 0) -> None:
    """Set every gradient to normal numbers."""
    network.flat.grad.copy_(torch.randn(network.flat.grad.shape, generator=torch.Generator().manual_seed(seed)))


def tensors_of(network: Network, member: int) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return the parameters and gradients of one member."""
    parameters = network.parameters()
    return [p.data[member] for p in parameters], [p.grad[member] for p in parameters]


if __name__ == "__main__":
    main()
