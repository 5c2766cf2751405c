"""`Precision`: parameters of 16 bits and state of another dtype, which a rule sees in float32."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from chainrule import HyperparameterError, State
from chainrule.errors import label
from chainrule.ops import expect_word
from chainrule.updates.applied_rule import initial_state
from chainrule.updates.chain import Chain
from chainrule.updates.elementwise import SLICE
from chainrule.updates.member_step import Tensors
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.compiled_rule import CompiledRule
from chainrule_torch.adapter.draws import Bits, Draws
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.rounding import FORMATS, nearest_with_rest, stochastically_rounded
from chainrule_torch.adapter.runs import TakeRows, joined, runs, separate, take_joined
from chainrule_torch.adapter.state_entries import COMPENSATION, begin, expect_names, of_the_rule
from chainrule_torch.adapter.step_operations import Work

ROUNDINGS = ("stochastic", "kahan", "nearest")


class Precision:
    """How parameters of 16 bits are rounded, and in which dtype state is kept.

    The rule takes its steps in float32, or in float64 for parameters of that.

    Args:
        owner: what errors name.
        rounding: how a step is written to a parameter of 16 bits. "stochastic" rounds up or down at random, to the
            exact value on average. "kahan" keeps what rounding to the nearest number leaves out in an entry of state of
            the parameter's dtype, and adds it before the next step. "nearest" loses steps of less than half a unit.
        state_dtype: bfloat16 halves the memory of state, which is then rounded at random unless rounding is "nearest":
            a slow running mean would stop following what it averages. None keeps the dtype of the steps.

    Raises:
        HyperparameterError: for another word or dtype.
    """

    def __init__(self, owner: object, rounding: str, state_dtype: torch.dtype | None) -> None:
        self.rounding = expect_word(owner, "rounding", rounding, ROUNDINGS)
        if state_dtype not in (None, torch.float32, torch.bfloat16):
            raise HyperparameterError(
                f"{label(owner)}: state_dtype must be torch.float32, torch.bfloat16 or None, got {state_dtype!r}. "
                "Leave it out for the dtype in which steps are computed."
            )
        self.state_dtype = state_dtype

    @property
    def form(self) -> Hashable:
        """What decides the operations of widening and rounding."""
        return self.rounding, self.state_dtype

    def widens(self, parameter: Tensor) -> bool:
        """Whether a step of this parameter is computed in other tensors than its own."""
        return self._widens(parameter.dtype)

    def _widens(self, dtype: torch.dtype) -> bool:
        return dtype in FORMATS or self.state_dtype not in (None, dtype)

    def rounded(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return the parameters whose steps are computed in other tensors than their own."""
        dtypes = {each.dtype for each in parameters}
        return [each for each in parameters if self.widens(each)] if any(map(self._widens, dtypes)) else []

    def begin(self, chain: Chain, parameter: Tensor) -> State:
        """Return the initial entries of a parameter's state, in the dtypes in which they are kept."""
        found = begin(chain, parameter.detach().to(_dtype_of_steps(parameter)))
        return found | self._kept(chain, parameter, of_the_rule(found))

    def begin_vector(self, chain: Chain, data: Tensor) -> State:
        """Return the initial entries of the state that an elementwise rule has for parameters in one vector."""
        found = initial_state(chain, data.to(_dtype_of_steps(data)))
        expect_names(chain, found)
        return self._kept(chain, data, found)

    def _kept(self, chain: Chain, parameter: Tensor, entries: State) -> State:
        """Return a rule's entries in the dtypes in which they are kept, with one for what rounding leaves out."""
        found = dict(entries)
        for name, entry in entries.items():
            # A number of the whole network must remain the same for all of its parameters.
            is_one_for_all = chain.has_sums and not entry.dim()
            if self.state_dtype is not None and entry.is_floating_point() and not is_one_for_all:
                found[name] = entry.to(self.state_dtype)
        if self.rounding == "kahan" and parameter.dtype in FORMATS:
            found[COMPENSATION] = torch.zeros_like(parameter)
        return found

    def take(self, rule: GroupRule, rows: Sequence[Tensors], moments: Sequence[Moment], take: TakeRows) -> None:
        """Take a step with parameters that are widened for it, few at a time where the rule allows it.

        Args:
            rule: that of their group.
            rows: the parameters.
            moments: theirs.
            take: takes the step of a rule that is not elementwise.
        """
        if rule.elementwise:
            for run, moment in runs(rows, moments):
                self._take_run(rule, run, moment)
        elif rule.chain.has_sums:
            self._take_together(rule, rows, moments, take)
        else:
            for row, moment in zip(rows, moments, strict=True):
                if rule.compiled is None or not self._take_shaped(rule.compiled, rule, row, moment):
                    self._take_together(rule, [row], [moment], take)

    def _take_run(self, rule: GroupRule, run: list[Tensors], moment: Moment) -> None:
        """Take a step of an elementwise rule with some parameters."""
        whole = joined(run)
        tensors = [whole.data, whole.grad, *whole.state.values()]
        data, grad, *entries = [each.reshape(-1) for each in tensors]
        row = Tensors(data, grad, dict(zip(whole.state, entries, strict=True)), whole.key)
        kind = tuple([(each.dtype, each.device) for each in tensors])
        self.take_vector(rule, kind, row, Draws.of(run, int(moment.t)), moment)  # against its gradient
        for each, vector in zip(tensors, (data, grad, *entries), strict=True):
            if not each.is_contiguous():
                each.copy_(vector.view(each.shape))
        if rule.compiled is not None:
            increment_version(whole.data)
        separate(whole, run)

    def take_vector(
        self, rule: GroupRule, kind: object, row: Tensors, draws: Draws, moment: Moment, *, ascends: bool = False
    ) -> None:
        """Take a step of an elementwise rule with parameters in one vector.

        Args:
            rule: that of their group.
            kind: what tells apart vectors for which compiled functions are others.
            row: the vectors.
            draws: the random bits of rounding.
            moment: that of the step.
            ascends: whether it is along the gradient.
        """
        drawn = self._drawn(row)
        if not drawn or len(draws.keys) == 1 or not row.data.is_cpu:
            self._take_vector(rule, kind, row, draws, drawn, moment, ascends=ascends)
            return
        for part, own in draws.stretches():
            self._take_vector(rule, kind, _part(row, part), own, drawn, moment, ascends=ascends)

    def _take_vector(
        self,
        rule: GroupRule,
        kind: object,
        row: Tensors,
        draws: Draws,
        drawn: tuple[int, ...],
        moment: Moment,
        *,
        ascends: bool,
    ) -> None:
        if rule.compiled is not None:
            many = bool(drawn) and len(draws.keys) > 1
            work = Work(kind, tuple(row.state), precision=self, draws=drawn, many=many, ascends=ascends)
            tensors = [row.data, row.grad, *row.state.values(), *draws.words(drawn)]
            if rule.compiled.do(rule, work, tensors, moment):
                return
        for part in _slices(row.data):
            own = _part(row, part)
            wide = self.widened(own)
            if ascends:
                wide = wide._replace(grad=-wide.grad)
            if rule.decay:
                wide.data.mul_(1 - moment.lr * rule.decay)
            take_joined(rule.chain, wide, moment)
            self.write(own, wide, draws._replace(part=part))

    def _take_together(
        self, rule: GroupRule, rows: Sequence[Tensors], moments: Sequence[Moment], take: TakeRows
    ) -> None:
        """Take a step with parameters in their own shapes, all of which are widened before."""
        wide_rows = list(map(self.widened, rows))
        rule.take_each(wide_rows, moments, take)
        for row, wide, moment in zip(rows, wide_rows, moments, strict=True):
            self.write(row, wide, Draws.of([row], int(moment.t)))

    def _take_shaped(self, compiled: CompiledRule, rule: GroupRule, row: Tensors, moment: Moment) -> bool:
        """Take a compiled step with a parameter in its own shape; return whether it was possible."""
        drawn = self._drawn(row)
        words = Draws.of([row], int(moment.t)).words(drawn)
        return compiled.take_row(rule, row, moment, self, drawn, words)

    def widened(self, row: Tensors) -> Tensors:
        """Return a parameter, its gradient and its state as the rule sees them."""
        data, state = self._widened(row.data, row.state)
        return row._replace(data=data, grad=row.grad.to(data.dtype), state=state)

    def evaluation_parameter(self, chain: Chain, data: Tensor, state: State) -> Tensor:
        """Return the values to evaluate with, before they are rounded."""
        wide, own = self._widened(data, state)
        return chain.evaluation_parameter(wide, chain.states(own))

    def _widened(self, data: Tensor, state: State) -> tuple[Tensor, State]:
        """Return a parameter and its state as the rule sees them."""
        steps_in = _dtype_of_steps(data)
        own = {name: entry.to(steps_in) if entry.dtype == self.state_dtype else entry for name, entry in state.items()}
        left_out, wide = own.pop(COMPENSATION, None), data.to(steps_in)
        return wide if left_out is None else wide.add_(left_out), own

    def write(self, row: Tensors, wide: Tensors, draws: Bits) -> None:
        """Round what a step has made of a parameter and its state."""
        if row.data.dtype in FORMATS and self.rounding == "kahan":
            rounded, rest = nearest_with_rest(wide.data, row.data.dtype)
            row.data.copy_(rounded)
            row.state[COMPENSATION].copy_(rest)
        elif row.data is not wide.data:
            row.data.copy_(self._rounded(wide.data, row.data.dtype, draws, 0))
        for draw, (name, entry) in enumerate(sorted(wide.state.items()), 1):
            kept = row.state[name]
            if entry is not kept:
                kept.copy_(self._rounded(entry, kept.dtype, draws, draw))

    def _drawn(self, row: Tensors) -> tuple[int, ...]:
        """Return the numbers of the draws that `write` rounds with."""
        names = sorted(row.state.keys() - {COMPENSATION})
        data = row.data.dtype in FORMATS and self.rounding == "stochastic"
        kept = [row.state[name].dtype in FORMATS and row.state[name].dtype == self.state_dtype for name in names]
        drawn = [data, *(each and self.rounding != "nearest" for each in kept)]
        return tuple(draw for draw, is_drawn in enumerate(drawn) if is_drawn)

    def _rounded(self, wide: Tensor, dtype: torch.dtype, draws: Bits, draw: int) -> Tensor:
        if dtype not in FORMATS or self.rounding == "nearest":
            return wide  # which a copy rounds
        bits = draws.bits(draw, wide.numel()).view(wide.shape)
        return stochastically_rounded(wide.float(), dtype, bits)


def _dtype_of_steps(parameter: Tensor) -> torch.dtype:
    return torch.float32 if parameter.dtype in FORMATS else parameter.dtype


def _part(row: Tensors, part: slice) -> Tensors:
    return Tensors(row.data[part], row.grad[part], {k: entry[part] for k, entry in row.state.items()}, row.key)


def _slices(vector: Tensor) -> Iterator[slice]:
    """Yield the parts of a vector that stay in a processor's cache."""
    size = len(vector)
    length = SLICE if vector.device.type == "cpu" else max(size, 1)
    for start in range(0, size, length):
        yield slice(start, min(start + length, size))
