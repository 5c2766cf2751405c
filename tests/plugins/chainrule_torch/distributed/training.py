"""Modules and rules that are trained in one process or several, and what comes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

import chainrule
from chainrule import Optimizer, State, Step
from chainrule.updates.chain import Chain
from chainrule_torch import optimizer
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

SHAPES = [(5, 3), (1, 4), (3,), (4, 4), (2, 3, 2)]
"""Of parameters: uneven, less than the processes, a vector, and square, which L and R of other shapes are not."""

STEPS = 4
"""How many steps most cases take."""

Values = dict[str, Tensor]


class Held(nn.Module):
    """Parameters with a loss that has another gradient at each step."""

    def __init__(self, shapes: Iterable[tuple[int, ...]]) -> None:
        super().__init__()
        torch.manual_seed(1)
        drawn = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
        self.held = nn.ParameterList([nn.Parameter(each) for each in drawn])

    def forward(self, t: int) -> Tensor:
        terms = []
        for i, each in enumerate(self.held):
            factors = torch.cos(torch.arange(each.numel(), dtype=torch.float64) * (i + 1) + t).view(each.shape)
            terms.append((each * factors + each**2 / 2).sum())
        return torch.stack(terms).sum()


class Both(nn.Module):
    """Parameters that are cut among processes, and others that are not."""

    def __init__(self, shapes: Iterable[tuple[int, ...]], cut: Callable[[nn.Module], Any]) -> None:
        super().__init__()
        self.cut, self.whole = Held(shapes), Held(shapes)
        cut(self.cut)

    def forward(self, t: int) -> Tensor:
        return self.cut(t) + self.whole(t + 3)


def uncut(_: nn.Module) -> None:
    """Leave the module to one process."""


def replicated(module: nn.Module) -> nn.Module:
    return DistributedDataParallel(module)


def by_seed(ranks: int) -> None:
    """Seed each process differently; the first as the reference."""
    torch.manual_seed(dist.get_rank() if ranks > 1 else 0)


def whole(tensor: Tensor) -> Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().clone()


def all_values(module: nn.Module, stepper: torch.optim.Optimizer) -> Values:
    """Return every parameter and its state, whole."""
    found = {}
    for name, parameter in module.named_parameters():
        found[name] = whole(parameter)
        own = {key: value for key, value in stepper.state[parameter].items() if key != "random_key"}
        found |= {f"{name} {key}": whole(value) for key, value in own.items()}
    return found


def train(module: nn.Module, stepper: torch.optim.Optimizer, steps: int | None = None, first: int = 0) -> None:
    for t in range(first, first + (STEPS if steps is None else steps)):
        stepper.zero_grad()
        module(t).backward()
        stepper.step()


def of_example(name: str, module: nn.Module) -> RuleOptimizer:
    """Return a registered optimizer with the settings of its last example."""
    rule = chainrule.get("optimizers", name).examples()[-1]
    settings = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    return optimizer(name, module.parameters(), **settings)


def shapes_for(name: str) -> list[tuple[int, ...]]:
    ranks = Chain(chainrule.get("optimizers", name).examples()[-1]).ranks
    return [shape for shape in SHAPES if len(shape) in ranks]


def of_rule(rule: Optimizer, module: nn.Module) -> RuleOptimizer:
    made = type("Made", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})
    return made(module.parameters())


class Lengths(Optimizer):
    """A rule whose sums are not those of pieces: of the gradients' norms, by parameter."""

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"length": grad.norm()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / step["length"]


class Kinds(Optimizer):
    """A rule for whole parameters whose state has several dtypes, and numbers that only its owner changes."""

    def init(self, parameter: Tensor) -> State:
        return {
            "count": torch.zeros((), dtype=torch.int64),
            "length": parameter.new_zeros(()),
            "signs": torch.zeros_like(parameter, dtype=torch.int8),
            "half": torch.zeros_like(parameter, dtype=torch.bfloat16),
        }

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        state["count"].add_(1)
        state["length"].add_(grad.norm())
        state["signs"].copy_(grad.sign())
        state["half"].add_(grad)
        return state["signs"] * grad / state["length"] + state["half"] / state["count"]
