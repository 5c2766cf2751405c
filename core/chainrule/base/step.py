"""`Step`: what a rule knows of the step that it takes, beside its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from chainrule.base.operators import ARITHMETIC, EQUALITY, NUMBERS, ORDER, without
from chainrule.base.random_numbers import Ahead, StepRandom
from chainrule.calls import no_attribute
from chainrule.errors import ContractError, UnknownAttributeError


class Due(dict[tuple[int, int], bool]):
    """Whether step t is one of every k from an offset on, for each (k, offset) that a rule asks about.

    What was asked remains, so that a compiled step can be used again where all answers are the same.
    """

    def __init__(self, t: int) -> None:
        super().__init__()
        self.t = t

    def __missing__(self, asked: tuple[int, int]) -> bool:
        every, offset = asked
        self[asked] = (self.t - offset) % every == 0
        return self[asked]

    def holds_at(self, t: int) -> bool:
        """Whether all that was asked has the same answers at step t."""
        return all(((t - offset) % every == 0) == answer for (every, offset), answer in self.items())


@without({**ARITHMETIC, **EQUALITY, **ORDER, **NUMBERS}, lambda step: f"{step.rule}: step", "Write step.t.")
class Step:
    """The step's number t from 1, its learning rate, and the rule's scalars and sums by name.

    In a compiled kernel or a captured graph these are 0-dim tensors.

    Args:
        t: the step's number, from 1.
        lr: the learning rate of this step.
        values: the rule's scalars and sums by name, as in ``step["bias"]``.
        rule: the rule's name, for errors.
        due: the answers of `every` by the updater's count, where t is a tensor.

    Attributes:
        stride: the updater's steps to one of this rule's, where a wrapper lets it step less often.
    """

    # Defaults of the class, since one is made for every step of a rule.
    due: Mapping[tuple[int, int], bool] | None = None
    key: Tensor | None = None
    dtype: torch.dtype | None = None
    stride: int = 1
    _ahead: Ahead | None = None
    _layer: int = 0
    _stream: StepRandom | None = None

    def __init__(
        self,
        t: int | Tensor,
        lr: float | Tensor,
        values: Mapping[str, float | Tensor] = MappingProxyType({}),
        rule: str = "update",
        due: Mapping[tuple[int, int], bool] | None = None,
    ) -> None:
        self.t, self.lr, self.values, self.rule = t, lr, values, rule
        if due is not None:
            self.due = due

    def __getitem__(self, name: str) -> float | Tensor:
        if name not in self.values:
            known = ", ".join(self.values) or "none"
            raise ContractError(
                f'{self.rule}: step["{name}"] must be a name that scalars or reduce returns, got one of neither. '
                f"Known: {known}."
            )
        return self.values[name]

    def every(self, k: int, offset: int = 0) -> bool:
        """Whether this is one of every k steps: t = k, 2k, …; with an offset t = offset, offset + k, ….

        It may decide which operations a rule performs, as `t` may not: each answer is compiled by itself.
        """
        if k < 1:
            raise ContractError(f"{self.rule}: every(k) needs k of at least 1, got {k}. Give the field at_least=1.")
        if self.due is not None:
            return self.due[k * self.stride, offset * self.stride]
        return bool((self.t - offset) % k == 0)

    def begin(self, key: Tensor, dtype: torch.dtype, ahead: Ahead | None = None, layer: int = 0) -> None:
        """Serve the parameter with this key of random numbers, from its first draw on; see `StepRandom`."""
        self.key, self.dtype, self._ahead, self._layer, self._stream = key, dtype, ahead, layer, None

    @property
    def random(self) -> StepRandom:
        """Random numbers for this tensor at this step, by the member's seed and the parameter's name."""
        if self._stream is None:
            if self.key is None or self.dtype is None:
                raise ContractError(
                    f"{self.rule}: random numbers need one parameter of a network, got a slice of several. "
                    "Remove elementwise = True: a rule with noise is not."
                )
            self._stream = StepRandom(self.key, self.t, self.dtype, layer=self._layer, ahead=self._ahead)
        return self._stream


def step_has_no(step: Step, name: str) -> UnknownAttributeError:
    """Return the error for an attribute that a step does not have; a `__getattr__` would slow those that it has."""
    is_value = name in step.values
    return UnknownAttributeError(
        f'{step.rule}: step has no "{name}". Write step["{name}"].' if is_value else no_attribute(step, name)
    )
