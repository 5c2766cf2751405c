"""Steps of rules on torch's parameters, beside torch's AdamW in its two forms, and how long it takes to make them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import product
from time import process_time
from typing import Any

import torch
from rounds import Spread, alternate, cpu_seconds

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

GOALS = {
    ("large", "plain", "foreach"): 0.6,
    ("large", "compile", "fused"): 1.15,
    ("large", "both", "fused"): 1.05,
    ("small", "plain", "fused"): 1.0,
    ("small", "both", "fused"): 1.05,
}
"""Of adamw: the most times as long as torch's that it may take, by size, form and torch's form."""


def main() -> None:
    rounds = int(sys.argv[1])
    torch.set_num_threads(1)
    print(json.dumps([row for size in SIZES for row in rows(size, rounds)]))


def rows(size: str, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield what every form of every rule takes, with torch's in the same rounds."""
    torchs = {"foreach": {"foreach": True}, "fused": {"fused": True}}
    makers: dict[str, Callable[[Any], Any]] = {
        name: lambda parameters, own=own: torch.optim.AdamW(parameters, **own) for name, own in torchs.items()
    }
    for rule, form in product(RULES, FORMS):
        if rule not in NOT_FLAT or (size == "small" and "flatten" not in FORMS[form]):
            makers[f"{rule}, {form}"] = lambda parameters, rule=rule, form=form: optimizer(
                rule, parameters, **FORMS[form]
            )
    first = {name: [construction(make, size) for _ in range(rounds)] for name, make in makers.items()}
    steppers = {name: make(parameters(size)) for name, make in makers.items()}
    timers = {name: cpu_seconds(stepper.step, STEPS) for name, stepper in steppers.items()}
    alternate(timers, 1)  # warm before the first round that counts
    times = alternate(timers, rounds)
    for name in makers:
        rule, _, form = name.partition(", ")
        ratios = {each: vars(Spread.of_ratios(times[name], times[each])) for each in torchs}
        goals = {each: GOALS.get((size, form, each)) if rule == "adamw" else None for each in torchs}
        made = vars(Spread.of(first[name]))
        yield {"name": name, "size": size, "seconds": vars(Spread.of(times[name])), "construction": made} | {
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


def construction(make: Callable[[Any], Any], size: str) -> float:
    """Return the time that it takes to make an optimizer, without its first step."""
    given = parameters(size)
    start = process_time()
    make(given)
    return process_time() - start


if __name__ == "__main__":
    main()
