"""Steps of rules on torch's parameters, beside torch's AdamW in its two forms, and how long they take to begin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from time import process_time
from typing import Any

import torch
from rounds import Spread, alternate, cpu_seconds, in_own_process

from chainrule_torch import optimizer

SIZES = {"large": (100, (250, 320)), "small": (1000, (25, 40))}
"""How many parameters there are, and their shape."""

STEPS = 3
"""Steps in a round."""

RULES = ("adamw", "lion", "schedule_free_adamw", "muon")
FORMS = {
    "plain": {},
    "compile": {"compile": True},
    "flatten": {"flatten": True},
    "both": {"compile": True, "flatten": True},
}
NOT_FLAT = ("muon",)
"""Rules that are not elementwise, on the small parameters alone: large products take the same time in any form."""

FRESH = "large, fresh process"
"""The large size where nothing large was freed before.

Torch's foreach makes lists of temporaries of all parameters, which are paged in anew at each step then; once the heap
has kept as much freed memory, as after the other rows, it takes little more than half the time. Ours and fused do not.
"""

GOALS = {
    (FRESH, "plain", "foreach"): 0.6,
    ("large", "compile", "fused"): 1.15,
    ("large", "both", "fused"): 1.05,
    ("small", "plain", "fused"): 1.0,
    ("small", "both", "fused"): 1.05,
}
"""Of adamw: the most times as long as torch's that it may take, by size, form and torch's form."""


def main() -> None:
    rounds, *only = sys.argv[1:]
    torch.set_num_threads(1)
    if only == ["fresh"]:
        found = list(rows("large", FRESH, int(rounds), {"adamw, plain": ours("adamw", "plain")}))
    else:
        found = in_own_process("bridge_rows", rounds, "fresh")
        for size in SIZES:
            names = [
                (rule, form)
                for rule, form in product(RULES, FORMS)
                if rule not in NOT_FLAT or (size == "small" and "flatten" not in FORMS[form])
            ]
            found += rows(size, size, int(rounds), {f"{rule}, {form}": ours(rule, form) for rule, form in names})
    print(json.dumps(found))


def ours(rule: str, form: str) -> Callable[[Any], Any]:
    """Return what makes a rule's optimizer in one of its forms."""
    return lambda parameters: optimizer(rule, parameters, **FORMS[form])


def rows(size: str, title: str, rounds: int, ours: Mapping[str, Callable[[Any], Any]]) -> Iterator[dict[str, Any]]:
    """Yield what each takes, with torch's in the same rounds."""
    torchs = {"foreach": {"foreach": True}, "fused": {"fused": True}}
    makers: dict[str, Callable[[Any], Any]] = {
        name: lambda parameters, own=own: torch.optim.AdamW(parameters, **own) for name, own in torchs.items()
    }
    makers |= ours
    steppers = {name: make(parameters(size)) for name, make in makers.items()}
    timers = {name: cpu_seconds(stepper.step, STEPS) for name, stepper in steppers.items()}
    alternate(timers, 1)  # warm before the first round that counts
    times = alternate(timers, rounds)
    beginnings = alternate({name: partial(beginning, make, size) for name, make in makers.items()}, rounds)
    for name in makers:
        rule, _, form = name.partition(", ")
        ratios = {each: vars(Spread.of_ratios(times[name], times[each])) for each in torchs}
        goals = {each: GOALS.get((title, form, each)) if rule == "adamw" else None for each in torchs}
        begun = vars(Spread.of(beginnings[name]))
        yield {"name": name, "size": title, "seconds": vars(Spread.of(times[name])), "beginning": begun} | {
            "times_as_long": ratios,
            "goals": goals,
        }


def parameters(size: str) -> list[torch.nn.Parameter]:
    """Return parameters with gradients."""
    count, shape = SIZES[size]
    found = [torch.nn.Parameter(torch.randn(shape)) for _ in range(count)]
    for each in found:
        each.grad = torch.randn(shape) * 1e-2
    return found


def beginning(make: Callable[[Any], Any], size: str) -> float:
    """Return the time that it takes to make an optimizer and its first step, whose function is compiled already."""
    given = parameters(size)
    start = process_time()
    make(given).step()
    return process_time() - start


if __name__ == "__main__":
    main()
