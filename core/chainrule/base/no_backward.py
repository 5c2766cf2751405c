"""The answer to ``loss(prediction, target).backward()``, as torch writes it."""

from __future__ import annotations

from collections import OrderedDict
from typing import NoReturn

from torch import Tensor

from chainrule.errors import BackwardError


class NoBackward:
    """Stands in for the method `backward` of a loss's value, where torch's would complain that it has no graph."""

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Raise BackwardError."""
        raise BackwardError(
            "loss: its value has no backward, since nothing is recorded. Write network.backward(loss.backward())."
        )

    def __deepcopy__(self, memo: object) -> NoBackward:
        return self

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return OrderedDict, ()  # which torch.load(weights_only=True) takes, with a value that somebody has saved


def answer_backward(value: Tensor) -> None:
    """Let a loss's value answer a call of its backward."""
    setattr(value, "backward", _ANSWER)  # noqa: B010 - mypy takes an assignment for a mistake


_ANSWER = NoBackward()
