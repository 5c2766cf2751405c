"""Steps of convolutional, recurrent and attention networks with Adam, beside the same in torch.nn and equinox.

An ensemble's time is that of one member.
Peak memory is that of steps after the first, with the network and its state; torch.compile, whose second network would
compile anew, is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from time import process_time
from typing import Any

import torch
from architecture_twins import TWINS, Twins
from memory import resident, settled
from rounds import Spread, alternate, in_own_process
from torch import Tensor, nn

import chainrule
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam

LR = 1e-3
SECONDS = 0.3
"""Least time of a round."""

TOLERANCE = 1e-3
"""Largest relative difference of the losses of `CHECKED` steps from torch's."""

CHECKED = 10

GOALS = {
    ("eager", "torch"): 1 / 1.5,
    ("compiled", "torch"): 1 / 0.9,
    ("compiled", "torch_compiled"): 1 / 0.8,
    ("compiled", "jax"): 1.0,
    ("compiled_ensemble", "torch_compiled"): 1 / 0.5,
    ("compiled_ensemble", "jax_ensemble"): 1.0,
}
"""How many times as fast one of ours should be as one of the others."""

MEMBERS = 10

TITLES = {
    "eager": "chainrule",
    "compiled": "chainrule, compile=True",
    "eager_ensemble": f"chainrule, {MEMBERS} at once",
    "compiled_ensemble": f"chainrule, {MEMBERS} at once, compile=True",
    "torch": "torch, eager",
    "torch_compiled": "torch.compile, model and step",
    "jax": "JAX, equinox",
    "jax_ensemble": f"JAX, equinox, {MEMBERS} by vmap",
}

MEMORY_GOAL = 1.0
"""The most times torch's peak memory that our compiled step may take."""

STEPS = 3
"""Steps whose peak memory is measured."""

Step = Callable[[], Tensor]


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) == 3:
        name, who = sys.argv[1:]
        print(peak_memory(name, who))
    else:
        print(json.dumps({name: row(name, int(sys.argv[1])) for name in TWINS}))


def peak_memory(name: str, who: str) -> int:
    """Return by how many bytes the steps of a second network raise the resident set at most."""
    make(name, who)()
    before = settled()
    step = make(name, who)
    step()
    settled()
    for _ in range(STEPS):
        step()
    return resident("VmHWM") - before


def row(name: str, rounds: int) -> dict[str, Any]:
    """Check that all train to the same losses, then time them in turns, and measure their memory."""
    twins = TWINS[name]
    steps = {who: make(name, who) for who in TITLES if "jax" not in who or find_spec("equinox")}
    difference = largest_difference(steps)
    if not difference < TOLERANCE:
        raise RuntimeError(f"{twins.title}: losses differ from torch's by {difference:.1e}, more than {TOLERANCE:.0e}")
    found = alternate({who: timer(step) for who, step in steps.items()}, rounds)
    times = {who: [value / (MEMBERS if "ensemble" in who else 1) for value in values] for who, values in found.items()}
    return {
        "title": twins.title,
        "loss_difference": difference,
        "peers": {who: {"title": TITLES[who], "seconds": vars(Spread.of(values))} for who, values in times.items()},
        "comparisons": [
            {
                "title": f"{TITLES[theirs]} / {TITLES[ours]}",
                "times_as_fast": vars(Spread.of_ratios(times[theirs], times[ours])),
                "goal": goal,
            }
            for (ours, theirs), goal in GOALS.items()
            if theirs in times
        ],
        "memory": {
            who: in_own_process("architectures", name, who)
            for who in ("torch", "eager", "compiled", "eager_ensemble", "compiled_ensemble")
        },
        "memory_goal": MEMORY_GOAL,
    }


def make(name: str, who: str) -> Step:
    """Return a function that takes one step, always on the same batch, and returns its loss, or those of several."""
    kind, _, ensemble = who.partition("_")
    members = MEMBERS if ensemble == "ensemble" else None
    if kind == "jax":
        from architecture_jax import step_of

        return step_of(name, *first(TWINS[name]), LR, members)
    return theirs(TWINS[name], who) if kind == "torch" else ours(TWINS[name], members, compile=kind == "compiled")


def ours(twins: Twins, members: int | None, *, compile: bool) -> Step:
    model, (x, y) = first(twins)
    state = model.state_dict()
    if members:
        network = twins.ours().build(seed=0, members=members)
        network.load_state_dict({name: value.expand(members, *value.shape) for name, value in state.items()})
    else:
        network = twins.ours().build(seed=0)
        network.load_state_dict(state)
    step = chainrule.training_step(network, cross_entropy(), adam(lr=LR), compile=compile)
    return lambda: step(x, y)


def theirs(twins: Twins, who: str) -> Step:
    model, (x, y) = first(twins)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return criterion(model(x), y)

    value, update = (
        (torch.compile(loss), torch.compile(optimizer.step)) if "compiled" in who else (loss, optimizer.step)
    )

    def step() -> Tensor:
        optimizer.zero_grad()
        result = value(x, y)
        result.backward()
        update()
        return result.detach()

    return step


def first(twins: Twins) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """Return torch's model with its first weights, and the batch, the same each time."""
    torch.manual_seed(0)
    return twins.theirs(), twins.batch()


def largest_difference(steps: dict[str, Step]) -> float:
    """Return the largest relative difference of the losses of the first steps from torch's."""
    losses = {who: torch.stack([step().clone() for _ in range(CHECKED)]) for who, step in steps.items()}
    single = losses["torch"].unsqueeze(1)  # (steps, 1)
    return max((values.view(CHECKED, -1) / single - 1).abs().max().item() for values in losses.values())


def timer(step: Step) -> Callable[[], float]:
    """Return a function that gives the CPU seconds of one step, from as many as take a while."""

    def seconds() -> float:
        start, taken = process_time(), 0
        while process_time() - start < SECONDS:
            step()
            taken += 1
        return (process_time() - start) / taken

    return seconds


if __name__ == "__main__":
    main()
