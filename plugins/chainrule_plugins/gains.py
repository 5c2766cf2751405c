"""Gains: the factors by which initializers make up for what an activation takes from the variance."""

from __future__ import annotations

import math

from chainrule import HyperparameterError, label

GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 3 / 4,
}
"""By the activation that follows, as torch.nn.init recommends them; leaky_relu with its default slope."""


def gain_of(initializer: object, gain: float | str) -> float:
    """Return a gain given as a number or as the name of an activation.

    Raises:
        HyperparameterError: naming the initializer, if no gain is recommended for the activation.
    """
    if not isinstance(gain, str):
        return gain
    if gain not in GAINS:
        raise HyperparameterError(
            f"{label(initializer)}: gain must be a number or one of {', '.join(GAINS)}, got {gain!r}. Pass its number."
        )
    return GAINS[gain]
