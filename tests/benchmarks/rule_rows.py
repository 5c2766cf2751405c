"""Every elementwise rule, compiled, on eight million parameters, against torch's fused Adam per byte moved."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from rounds import Spread, alternate, cpu_seconds

import chainrule
from chainrule.base.optimizer import Optimizer
from chainrule.initializers import zeros
from chainrule.layers import linear
from chainrule.network import Network
from chainrule.updates.watching import is_elementwise

ELEMENTS = 2**23
STEPS = 3
GOAL = 1 / 1.1
FUSED_ADAM_PASSES = 7
"""Vectors that it reads or writes: parameter, m and v both, the gradient only read."""


def main() -> None:
    rounds, targets = int(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(1)
    network = linear(2048, ELEMENTS // 2048, bias=False, weight_init=zeros()).build()
    network.flat.data.normal_()
    network.flat.grad.normal_(std=1e-2)
    fused = fused_adam(network)
    timers, passes, left_out = {}, {}, {}
    for name, rule in rules(targets).items():
        updater = rule.attach(network, compile=True)
        if not is_elementwise(rule):
            left_out[name] = "not elementwise"
            continue
        state = updater.state_dict()["state"]["weight"]
        passes[name] = 3 + 2 * len(state)
        updater.step()
        updater.step()
        if not updater.compiled:
            left_out[name] = "cannot be compiled"
            continue
        timers[name] = cpu_seconds(updater.step, STEPS)
    times = alternate({"fused": cpu_seconds(fused, STEPS), **timers}, rounds)
    reference = times.pop("fused")
    result = {
        "elements": ELEMENTS,
        "fused_adam": vars(Spread.of(reference)),
        "rules": {
            name: {
                "passes": passes[name],
                "seconds": vars(Spread.of(values)),
                "times_as_fast": vars(
                    Spread.of_ratios([t * passes[name] / FUSED_ADAM_PASSES for t in reference], values)
                ),
                "goal": GOAL,
            }
            for name, values in times.items()
        },
        "left_out": left_out,
    }
    print(json.dumps(result))


def rules(targets: list[str]) -> dict[str, Optimizer]:
    """Return the first example of every installed optimizer, and of the classes named module:Class."""
    found = {}
    for component in chainrule.components("optimizers"):
        if component.foreign:
            continue
        found[component.name] = chainrule.get("optimizers", component.name)
    for target in targets:
        module, _, name = target.partition(":")
        found[name] = getattr(importlib.import_module(module), name)
    return {name: rule.examples()[0] for name, rule in found.items()}


def fused_adam(network: Network) -> Callable[[], Any]:
    """Return torch's fused kernel on one vector of the same size, with nothing around it."""
    data, grad = network.flat.data.clone(), network.flat.grad.clone()
    m, v, step = torch.zeros_like(data), torch.zeros_like(data), torch.ones(())
    options: dict[str, Any] = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0, "eps": 1e-8}

    def call() -> None:
        torch._fused_adam_([data], [grad], [m], [v], [], [step], amsgrad=False, maximize=False, **options)

    call()
    return call


if __name__ == "__main__":
    main()
