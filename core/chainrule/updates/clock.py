"""`Clock`: the moments of a rule, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import torch
from torch import Tensor

from chainrule.base.member_rows import Chosen
from chainrule.base.member_values import converted, member_values, of_each_member
from chainrule.base.optimizer import LearningRate
from chainrule.base.setting_values import as_kept
from chainrule.base.settings import Settings
from chainrule.errors import HyperparameterError, label
from chainrule.updates.chain import Chain
from chainrule.updates.moment import Moment, own_step

Numbers: TypeAlias = tuple[float | Tensor, ...]
"""The numbers of a moment: t, lr, and the scalars in order."""


class Clock:
    """Gives the moments of a rule on M members.

    Scalars and schedules of values per member are computed with tensors (M,) of float64 if that gives what each member
    gives alone, else member by member.

    Where members were dropped, `chosen` has the others: a schedule may go on giving factors for all.

    Attributes:
        lr: the learning rate, before the schedule.
    """

    def __init__(
        self, chain: Chain, members: int, device: torch.device, dtype: torch.dtype, chosen: Chosen | None = None
    ) -> None:
        self.chain = chain
        self._chosen = chosen
        self.lr: LearningRate = chain.rule.lr
        self._greatest = torch.finfo(dtype).max
        self._dtype = dtype
        self._device, self._members = device, members
        self._scalars: Callable[[int], Mapping[str, float | Tensor]] = chain.scalars
        self._schedule: Callable[[int], Any] | None = chain.rule.schedule
        self._is_per_member = bool(member_values(chain.rule))
        if self._is_per_member:
            self._scalars = self._per_member_scalars()
            self.set_lr(self.lr)
            if isinstance(self._schedule, Settings) and member_values(self._schedule):
                self._schedule = self._per_member_schedule(self._schedule)

    def set_lr(self, lr: LearningRate) -> None:
        """Use another learning rate from now on."""
        self.lr = self._float64(lr) if isinstance(lr, Tensor) else lr

    def at(self, t: int, missed: int = 0) -> Moment:
        """Return the moment of step t; the schedule counts the steps of the innermost rule.

        Args:
            t: the updater's step.
            missed: steps that the rule has not taken, which it does not count; the schedule does.

        Raises:
            HyperparameterError: if the schedule gives no factor, or one below 0, or the rate is no number of the dtype.
        """
        lr, taken = self._rate(t), t - missed
        return Moment(taken, lr, self._scalars(taken), None, self._is_per_member or isinstance(lr, Tensor))

    def ahead(self, ts: range, missed: int, moment: Moment) -> list[Numbers]:
        """Return t, lr and scalars of the moments of several steps, up to the first of another form than this moment.

        It ends before a step for which `at` raises, whose scalars have other names, or other numbers per member.
        """
        if len(self.chain.layers) == 1 and not self._is_per_member:
            found = self._ahead(ts, missed, moment, self.chain.inner.scalars)
            if {type(value) for numbers in found for value in numbers[2:]} <= {float, int}:
                return found  # checked together, which is quicker
        return self._ahead(ts, missed, moment, self._scalars)

    def _ahead(
        self, ts: range, missed: int, moment: Moment, scalars: Callable[[int], Mapping[str, Any]]
    ) -> list[Numbers]:
        found: list[Numbers] = []
        names = moment.scalars.keys()
        fixed = self.lr if self._schedule is None else None
        may_change_form = self._is_per_member or fixed is None
        form = [isinstance(value, Tensor) for value in (moment.lr, *moment.scalars.values())]
        with suppress(Exception):  # which `at` raises when it is that step's turn
            for t in ts:
                lr = self._rate(t) if fixed is None else fixed
                named = scalars(t - missed)
                numbers = (lr, *named.values())
                if named.keys() != names or (may_change_form and [isinstance(one, Tensor) for one in numbers] != form):
                    break
                found.append((t - missed, *numbers))
        return found

    def _rate(self, t: int) -> LearningRate:
        """Return the learning rate of step t."""
        lr, own = self.lr, own_step(t, self.chain.stride)
        if self._schedule is not None:
            try:
                factor = self._schedule(own)
            except OverflowError:  # of a factor that grows, for which a tensor's would be infinite
                factor = math.inf
            factor = self._checked_factor(factor, own)
            lr = lr * (factor.to(self._device, torch.float64) if isinstance(factor, Tensor) else factor)
        if not isinstance(lr, Tensor) and lr > self._greatest:
            raise HyperparameterError(
                f"{label(self.chain.inner)}: lr at step {own} must be at most {self._greatest:.4g}, the greatest "
                f"number of {self._dtype}, got {lr}. Lower it or its schedule."
            )
        return lr

    def _checked_factor(self, factor: Any, t: int) -> Any:
        """Return a schedule's factor, as a setting would be kept."""
        if type(factor) is not float:
            factor = as_kept(factor, float)
        if self._chosen is not None and isinstance(factor, Tensor):
            factor = self._chosen.of(factor)
        numbers = [factor]
        if isinstance(factor, Tensor):
            numbers = factor.tolist() if factor.shape == (self._members,) else [None]
        for number in numbers:
            if not isinstance(number, int | float) or not 0 <= number < math.inf:
                shown = (
                    f"shape {tuple(factor.shape)}" if number is None and isinstance(factor, Tensor) else repr(number)
                )
                several = f" or {self._members} of them, one for each member" if self._members > 1 else ""
                raise HyperparameterError(
                    f"{label(self.chain.inner)}: schedule({t}) must be a finite number of at least 0{several}, "
                    f"got {shown}. Return a factor on lr."
                )
        return factor

    def _float64(self, values: Tensor) -> Tensor:
        return values.detach().to(self._device, torch.float64, copy=True)

    def _per_member_scalars(self) -> Callable[[int], Mapping[str, float | Tensor]]:
        together = Chain(converted(self.chain.rule, self._float64)).scalars
        each = [Chain(rule).scalars for rule in of_each_member(self.chain.rule, self._members)]

        def apart(t: int) -> dict[str, float | Tensor]:
            found = [scalars(t) for scalars in each]
            return {
                name: torch.tensor([one[name] for one in found], dtype=torch.float64, device=self._device)
                for name in found[0]
            }

        def agree(t: int) -> bool:
            one, other = together(t), apart(t)
            return one.keys() == other.keys() and all(
                torch.allclose(
                    torch.as_tensor(one[name], dtype=torch.float64, device=self._device), torch.as_tensor(other[name])
                )
                for name in one
            )

        return _quickest(together, apart, agree)

    def _per_member_schedule(self, schedule: Any) -> Callable[[int], Any]:
        together = converted(schedule, self._float64)
        each = of_each_member(schedule, self._members)

        def apart(t: int) -> Tensor:
            return torch.tensor([one(t) for one in each], dtype=torch.float64, device=self._device)

        return _quickest(together, apart, lambda t: torch.allclose(together(t), apart(t)))


def _quickest(
    together: Callable[[int], Any], apart: Callable[[int], Any], agree: Callable[[int], bool]
) -> Callable[[int], Any]:
    """Return what takes tensors if that agrees with members one by one at a few steps, else what takes these.

    Where a later phase of a rule takes no tensors, its steps are computed member by member.
    """
    # What a rule makes of a tensor where it takes numbers may raise anything.
    try:
        holds = all(agree(t) for t in (1, 2, 10, 1000))
    except Exception:  # noqa: BLE001
        holds = False

    def at(t: int) -> Any:
        try:
            return together(t)
        except Exception:  # noqa: BLE001
            return apart(t)

    return at if holds else apart
