"""The answer to ``loss(prediction, target).backward()``, as torch writes it, and to that of a step's value."""

from __future__ import annotations

from collections import OrderedDict
from typing import NoReturn

from torch import Tensor

from chainrule.errors import BackwardError


class NoBackward:
    """Stands in for the method `backward` of a loss's value, where torch's would complain that it has no graph."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Raise BackwardError."""
        raise BackwardError(self._answer)

    def __deepcopy__(self, memo: object) -> NoBackward:
        return self

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return OrderedDict, ()  # which torch.load(weights_only=True) takes, with a value that somebody has saved


def answer_backward(value: Tensor, answer: NoBackward) -> None:
    """Let a loss's value answer a call of its backward."""
    setattr(value, "backward", answer)  # noqa: B010 - mypy takes an assignment for a mistake


OF_LOSS = NoBackward(
    "loss: its value has no backward, since nothing is recorded. Write network.backward(loss.backward())."
)
OF_STEP = NoBackward(
    "step: its value has no backward, since the step went backward and updated the network. Leave .backward() out."
)
