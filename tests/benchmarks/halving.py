"""Successive halving of 1,024 members of the paper's network, against training all of them to the end."""

from __future__ import annotations

import json
import sys
from functools import partial
from time import process_time

import torch
from rounds import Spread, alternate

import chainrule
from chainrule.activations import relu
from chainrule.callbacks import successive_halving
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.tasks import circle

MEMBERS = 1024
EPOCHS = 64
"""The fewest for which the rungs at 1/64, 1/16 and 1/4 are whole epochs."""

GOAL = 0.35


def main() -> None:
    rounds = int(sys.argv[1])
    torch.set_num_threads(1)
    result = {"members": MEMBERS, "epochs": EPOCHS, "goal": GOAL, "forms": {}}
    for form in ("fit", "fit_compiled"):
        one = partial(train, compile=form == "fit_compiled")
        one(halves=True)  # warm, and compiled for every number of members
        times = alternate({"all": partial(one, halves=False), "halving": partial(one, halves=True)}, rounds)
        result["forms"][form] = {
            "seconds": {name: vars(Spread.of(values)) for name, values in times.items()},
            "ratio": vars(Spread.of_ratios(times["halving"], times["all"])),
        }
    print(json.dumps(result))


def train(*, halves: bool, compile: bool) -> float:
    """Return the CPU time of a fit."""
    data = circle().splits(seed=0)
    network = sequential(linear(2, 16), relu(), linear(16, 32), relu(), linear(32, 2)).build(seeds=range(MEMBERS))
    start = process_time()
    chainrule.fit(
        network,
        cross_entropy(),
        adam(lr=torch.logspace(-4, -1, MEMBERS)),
        train=data.train,
        validation=data.validation,
        epochs=EPOCHS,
        batch_size=20,
        callbacks=[successive_halving()] if halves else [],
        compile=compile,
    )
    return process_time() - start


if __name__ == "__main__":
    main()
