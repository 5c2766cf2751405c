"""Gains: the factors by which initializers make up for what an activation takes from the variance."""

from __future__ import annotations

import math

from chainrule import HyperparameterError, Initializer, hyperparameter, label
from chainrule.ops import shown

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


class ScaledByGain(Initializer):
    """An initializer whose width is proportional to a gain, a number or the name of the activation that follows.

    Raises:
        HyperparameterError: if no gain is recommended for the activation.
    """

    gain: float | str = hyperparameter(default=1.0, above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.gain, str) and self.gain not in GAINS:
            raise HyperparameterError(
                f"{label(self)}: gain must be a number or one of {', '.join(GAINS)}, got {shown(self.gain)}. "
                "Pass its number."
            )

    @property
    def factor(self) -> float:
        """The gain as a number."""
        return GAINS[self.gain] if isinstance(self.gain, str) else self.gain
