"""What sweeps in other processes import: a function that builds, and its data."""

import os
import time
from pathlib import Path

import torch

from chainrule import hookimpl
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.optimizers import adam

X = torch.linspace(-1, 1, 40, dtype=torch.float64).reshape(20, 2)
Y = X.sin().sum(1, keepdim=True)


def build(lr, width=3):
    return sequential(linear(2, width), tanh(), linear(width, 1)), adam(lr=lr)


class Watched:
    """A callback that writes a line into a file when a fit starts, and takes some time for each epoch."""

    def __init__(self, log, seconds=0.0):
        self.log, self.seconds = str(log), seconds

    @hookimpl
    def chainrule_fit_start(self, run):
        with Path(self.log).open("a") as file:
            file.write(f"{os.getpid()} {run.network.members}\n")

    @hookimpl
    def chainrule_epoch_end(self):
        time.sleep(self.seconds)


def broken(prediction, target):
    """A metric that raises."""
    raise KeyError("broken")
