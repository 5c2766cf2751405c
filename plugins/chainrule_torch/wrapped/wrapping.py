"""`wrap`: the rule by any class of optimizers written for PyTorch, once it is seen to take the same steps."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError, HyperparameterError, Optimizer, Step
from chainrule.arguments import shown
from chainrule.calls import explained
from chainrule.errors import one_line
from chainrule_torch.wrapped.rule import Wrapped, of_member, rule_of

STEPS = 12
"""The number of steps of a trial."""

SHAPES = (3, 2), (2, 4)


@explained
def wrap(kind: type[torch.optim.Optimizer] | str, *, schedule: Any = None, **options: Any) -> Optimizer:
    """Return a rule that steps each parameter of each member by a PyTorch optimizer of this class.

    Args:
        kind: the class, or where it is found: ``"pytorch_optimizer.Lion"``.
        schedule: the factor on lr at step t = 1, 2, …
        options: the arguments of the class, lr among them.

    Raises:
        ChainruleError: if it is no such class, takes no such arguments, needs a closure, or its step of one parameter
            depends on the others, or on what it keeps elsewhere than in its state.
    """
    found = _imported(kind) if isinstance(kind, str) else kind
    if not isinstance(found, type) or not issubclass(found, torch.optim.Optimizer):
        raise ChainruleError(
            f"wrap: kind must be a class of PyTorch optimizers, got {shown(found)}. "
            "Pass torch.optim.AdamW, for example."
        )
    arguments = inspect.signature(found).parameters
    if "lr" not in arguments:
        raise ChainruleError(
            f"wrap: {found.__name__} must take parameters and lr, got the arguments {', '.join(arguments)}. "
            "Wrap another optimizer."
        )
    if "lr" not in options and not isinstance(arguments["lr"].default, int | float):
        raise HyperparameterError(f"wrap: no lr, which {found.__name__} has no default for. Pass lr=0.01, for example.")
    rule = rule_of(found, {"schedule": schedule, **options})
    _expect_same_steps(rule)
    return rule


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    if not module:
        raise ChainruleError(
            f'wrap: kind must be a class or its path, got "{path}". Write torch.optim.AdamW or "torch.optim.AdamW".'
        )
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ChainruleError(
            f"wrap: no class {path}: {one_line(error)}. Install its package, or correct the path package.Class."
        ) from error


@torch.inference_mode(False)  # in which parameters cannot need gradients
def _expect_same_steps(rule: Wrapped) -> None:
    """Raise ChainruleError unless the rule moves two parameters as one optimizer that keeps both."""
    generator = torch.Generator().manual_seed(0)
    first = [torch.randn(shape, dtype=torch.float64, generator=generator, device="cpu") for shape in SHAPES]
    downhill = [torch.randn(shape, dtype=torch.float64, generator=generator, device="cpu") for shape in SHAPES]
    grads = [
        [
            mean + 0.1 * torch.randn(mean.shape, dtype=torch.float64, generator=generator, device="cpu")
            for mean in downhill
        ]
        for _ in range(STEPS)
    ]

    def together(which: list[int]) -> list[Tensor]:
        torch.manual_seed(0)
        own = [first[i].clone().requires_grad_() for i in which]
        optimizer = rule.optimizer(own)
        for step in grads:
            for parameter, i in zip(own, which, strict=True):
                parameter.grad = step[i].clone()
            optimizer.step()
        return [one.detach() for one in own]

    @torch.no_grad()
    def by_the_rule(i: int) -> Tensor:
        torch.manual_seed(0)
        own, rate = first[i].clone(), of_member(rule.lr, 0)
        state = rule.init(own)
        for t, step in enumerate(grads, 1):
            rule.apply(own, step[i], state, Step(t, rate))
        return own

    name = rule.kind.__name__
    with torch.random.fork_rng(devices=[]):
        try:
            ours = [by_the_rule(i) for i in range(len(SHAPES))]
            expected, alone = together([0, 1]), [*together([0]), *together([1])]
        except ChainruleError:
            raise
        except Exception as error:
            raise ChainruleError(
                f"wrap: {name} must step by dense gradients alone, got {one_line(error).rstrip('.')}. "
                "Wrap one that needs no closure."
            ) from error
    if not _agree(expected, alone):
        raise ChainruleError(
            f"wrap: {name} must step each parameter by its own gradient, got other steps for two together. "
            "Train in PyTorch with it."
        )
    if not _agree(expected, ours):
        raise ChainruleError(
            f"wrap: {name} must keep all that it remembers in its state and its groups, got other steps from these. "
            "Train in PyTorch with it."
        )


def _agree(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(some, others, strict=True))
