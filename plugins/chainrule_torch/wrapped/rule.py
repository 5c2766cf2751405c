"""An optimizer of torch.optim, or one written for it, as a rule."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule import ChainruleError, ContractError, HyperparameterError, Optimizer, State, Step
from chainrule.arguments import shown
from chainrule.errors import one_line

STARTED = "started"
"""The entry of the state that is 1 from the first step on; before it, the optimizer makes its own state."""

NUMBERS = {"int": int, "float": float, "bool": bool}
"""The Python types of numbers in an optimizer's state, which a rule keeps as tensors named ``step (int)``."""


def wrap(kind: type[torch.optim.Optimizer], *, schedule: Any = None, **options: Any) -> Optimizer:
    """Return a rule that steps each parameter of each member by a PyTorch optimizer of this class.

    Args:
        kind: the class.
        schedule: the factor on lr at step t = 1, 2, …
        options: the arguments of the class, lr among them.

    Raises:
        ChainruleError: if it is no such class, takes no such arguments, needs a closure, or its step of one parameter
            depends on the others.
    """
    if not isinstance(kind, type) or not issubclass(kind, torch.optim.Optimizer):
        raise ChainruleError(
            f"wrap: kind must be a class of PyTorch optimizers, got {shown(kind)}. Pass torch.optim.AdamW, for example."
        )
    signature = inspect.signature(kind)
    lr = options.pop("lr", getattr(signature.parameters.get("lr"), "default", inspect.Parameter.empty))
    if lr is inspect.Parameter.empty:
        raise HyperparameterError(f"wrap: no lr, which {kind.__name__} has no default for. Pass lr=0.01, for example.")
    rule = _made(kind, lr, schedule, options)
    rule.expect_separate()
    return rule


class Wrapped(Optimizer):
    """Step by an optimizer written for PyTorch, one parameter of one member at a time."""

    elementwise = False
    vmappable = False
    decay_kind = "other"
    kind: ClassVar[Any]

    options: Any = None

    def init(self, parameter: Tensor) -> State:
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            trial = parameter.detach().clone().requires_grad_()
            found = self._stepped([trial], [torch.full_like(trial, 1e-3)], [{}])[0]
        entries = {name: torch.zeros_like(value) for name, value in found.items()}
        return {STARTED: parameter.new_zeros(()), **entries}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        known = {name: value for name, value in state.items() if name != STARTED}
        with torch.inference_mode(False):
            before = {name: value.clone() for name, value in known.items()} if state[STARTED].item() else {}
            own = parameter.detach().requires_grad_()
            (after,) = self._stepped([own], [grad.clone()], [before], lr=step.lr)
            if own.data_ptr() != parameter.data_ptr():  # of an optimizer that assigns to p.data
                parameter.copy_(own.detach())
        if {name: value.shape for name, value in after.items()} != {name: v.shape for name, v in known.items()}:
            raise ContractError(
                f"wrap: {self.kind.__name__} must keep one form of state, got {sorted(after)} after {sorted(known)}. "
                "Wrap another optimizer."
            )
        for name, value in after.items():
            state[name].copy_(value)
        state[STARTED].fill_(1)

    def _stepped(
        self, parameters: list[Tensor], grads: list[Tensor], states: list[State], lr: Any = None
    ) -> list[State]:
        """Step parameters in place, by one optimizer that goes on from these states; return their new states."""
        rate = float(torch.as_tensor(self.lr).flatten()[0] if lr is None else lr)  # any member's, for a trial
        try:
            optimizer = self.kind(parameters, lr=rate, **self.options)
        except (TypeError, ValueError) as error:
            raise HyperparameterError(
                f"wrap: {self.kind.__name__} must take its options, got {one_line(error)}. Change them."
            ) from error
        for parameter, grad, state in zip(parameters, grads, states, strict=True):
            parameter.grad = grad
            if state:
                optimizer.state[parameter].update(_as_torch_keeps(state))
        optimizer.step()
        return [self._as_kept(optimizer.state[parameter]) for parameter in parameters]

    def _as_kept(self, state: Mapping[str, Any]) -> State:
        kept: State = {}
        for name, value in state.items():
            if isinstance(value, Tensor):
                kept[str(name)] = value.detach()
            elif type(value).__name__ in NUMBERS:
                kept[f"{name} ({type(value).__name__})"] = torch.tensor(value, dtype=torch.float64)
            else:
                raise ContractError(
                    f"wrap: the state of {self.kind.__name__} must hold tensors and numbers, got {shown(value)} as "
                    f"{name}. Wrap another optimizer."
                )
        return kept

    def expect_separate(self) -> None:
        """Raise ChainruleError unless two parameters are stepped together as they are alone."""
        generator = torch.Generator().manual_seed(0)
        shapes = (3, 2), (2, 4)
        first = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
        grads = [[torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes] for _ in range(3)]

        def walked(which: list[int]) -> list[Tensor]:
            own = [first[i].clone().requires_grad_() for i in which]
            states: list[State] = [{} for _ in which]
            for step in grads:
                states = self._stepped(own, [step[i].clone() for i in which], states)
            return [one.detach() for one in own]

        with torch.random.fork_rng(devices=[]):
            try:
                together, alone = walked([0, 1]), [*walked([0]), *walked([1])]
            except ChainruleError:
                raise
            except Exception as error:
                raise ChainruleError(
                    f"wrap: {self.kind.__name__} must step by dense gradients alone, got {one_line(error)}. "
                    "Wrap one that needs no closure."
                ) from error
        if not all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(together, alone, strict=True)):
            raise ChainruleError(
                f"wrap: {self.kind.__name__} must step each parameter by its own gradient, got other steps for two "
                "together. Train in PyTorch with it."
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.kind, self.lr, self.schedule, self.options)

    def __repr__(self) -> str:
        options = {"lr": self.lr, **self.options, **({"schedule": self.schedule} if self.schedule else {})}
        shown_options = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"wrap({self.kind.__module__}.{self.kind.__qualname__}, {shown_options})"


def _as_torch_keeps(state: State) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in state.items():
        plain, _, number = name.removesuffix(")").rpartition(" (")
        if plain and number in NUMBERS:
            kept[plain] = NUMBERS[number](value.item())
        else:
            kept[name] = value
    return kept


@functools.cache
def _class_of(kind: Any) -> type[Wrapped]:
    """Return the class of rules by a class of optimizers, whose name tells saved states apart."""
    own = {"kind": kind, "__doc__": Wrapped.__doc__, "__module__": __name__, "__repr__": Wrapped.__repr__}
    return type(f"Torch{kind.__name__}", (Wrapped,), own)


def _made(kind: Any, lr: Any, schedule: Any, options: dict[str, Any]) -> Wrapped:
    return _class_of(kind)(lr=lr, schedule=schedule, options=options)
