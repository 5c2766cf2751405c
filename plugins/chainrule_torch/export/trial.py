"""Whether an exported file steps as the adapter does, to the bit in float32 and float64."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from chainrule import Optimizer
from chainrule.updates.chain import Chain
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

SHAPES: tuple[tuple[int, ...], ...] = ((), (7,), (4, 3), (3, 5), (2, 3, 4), (2, 3, 2, 2))

DTYPES = (torch.float32, torch.float64)

OURS = ("chainrule", "chainrule_plugins", "chainrule_torch", "chainrule_lab")

NAME = "_exported_by_chainrule"


def imported(text: str, title: str) -> type[torch.optim.Optimizer]:
    """Return the class in a file's text, as if chainrule were not installed."""
    module = sys.modules[NAME] = ModuleType(NAME)  # where dataclasses look for it
    try:
        with _blocked():
            exec(compile(text, f"<{title}>", "exec"), vars(module))  # noqa: S102 - what the command has just written
    finally:
        del sys.modules[NAME]
    found: type[torch.optim.Optimizer] = getattr(module, title)
    return found


@contextmanager
def _blocked() -> Iterator[None]:
    """Let chainrule be impossible to import."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in OURS}
    sys.modules.update(dict.fromkeys([*before, *OURS]))  # type: ignore[arg-type]  # None refuses an import
    try:
        yield
    finally:
        for name in OURS:
            del sys.modules[name]
        sys.modules.update(before)


def parting(
    rule: Optimizer,
    theirs: type[torch.optim.Optimizer],
    settings: Mapping[str, Any],
    *,
    steps: int,
    shapes: Sequence[tuple[int, ...]] = SHAPES,
) -> str | None:
    """Return where the trajectories of a rule through the adapter and of a class part, or None if they are equal.

    Args:
        rule: the rule.
        theirs: the class.
        settings: its arguments.
        steps: how many to take.
        shapes: those of the parameters, of which the rule gets what it is for.
    """
    made = type("Ours", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})
    chain = Chain(rule)
    fitting = [shape for shape in shapes if len(shape) in chain.ranks]
    # Apart, since powers of tensors depend on an element's place in the run that the adapter gathers.
    together = [fitting] if chain.has_sums else [[shape] for shape in fitting]
    for dtype in DTYPES:
        for each in together:
            ours, other = (_parameters(each, dtype) for _ in range(2))
            first, second = made(ours), theirs(other, **settings)
            generator = torch.Generator().manual_seed(1)
            for t in range(1, steps + 1):
                for mine, their in zip(ours, other, strict=True):
                    mine.grad = torch.randn(mine.shape, generator=generator, dtype=torch.float64).to(dtype)
                    their.grad = mine.grad.clone()
                first.step()
                second.step()
                if not all(map(_are_same, ours, other)):
                    return f"others from step {t} on in {dtype}"
            if chain.evaluates_elsewhere:
                first.eval()
                second.eval()  # type: ignore[attr-defined]  # of a file whose rule has it
                if not all(map(_are_same, ours, other)):
                    return f"other evaluation parameters in {dtype}"
    return None


def _parameters(shapes: list[tuple[int, ...]], dtype: torch.dtype) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return [torch.nn.Parameter(each) for each in drawn]


def _are_same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.detach().nan_to_num(7.0), other.detach().nan_to_num(7.0))
