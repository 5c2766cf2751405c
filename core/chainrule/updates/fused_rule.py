"""`FusedRule`: an elementwise rule as one fused kernel, made by torch.compile."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer, State
from chainrule.errors import ChainruleError, label
from chainrule.terminal import console
from chainrule.updates.chain import Chain
from chainrule.updates.definition import definition
from chainrule.updates.moment import Moment, TensorMoment
from chainrule.updates.watching import questions

FROM_ELEMENTS = 2**16
"""The size from which on the fused kernel is faster than the eager rule."""


class FusedRule:
    """Apply a rule to one flat vector in a single pass over memory.

    Whatever changes from step to step enters as a 0-dim tensor, since a Python number would be a constant of the
    kernel. Rules of one class on vectors of the same size share a kernel. The first call compiles it.
    """

    def __init__(self, rule: Optimizer, data: Tensor, grad: Tensor, state: State) -> None:
        self.rule = rule
        self.tensors = (data, grad, Chain(rule).states(state))
        self.moment = TensorMoment()
        self.asked = questions(rule)
        kind: Any = type(rule)
        self.kernel = _kernel(kind, definition(rule), len(data), data.dtype, data.device.type)

    def __call__(self, moment: Moment) -> None:
        """Apply the rule at this moment.

        Raises:
            torch._dynamo.exc.TorchDynamoException: if the rule cannot be compiled; nothing is changed then.
        """
        with first_use(label(self.rule)) if self.moment.is_new else nullcontext():
            held = moment if isinstance(moment.t, Tensor) else self.moment.fill(moment)
            due = {asked: held.due[asked] for asked in self.asked} if held.due is not None else {}
            self.kernel(self.rule, *self.tensors, held.t, held.lr, held.scalars, due)


_compiling = RLock()


def _renew_lock() -> None:
    global _compiling
    _compiling = RLock()


if hasattr(os, "register_at_fork"):  # a child must not inherit the lock from a thread that it lacks
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def first_use(name: str) -> Iterator[None]:
    """Show in a terminal that something is being compiled; one thread compiles at a time, whatever it compiles.

    Neither torch's compiler nor Python's filters of warnings, which are changed meanwhile, are made for several.

    What torch keeps on disk is code for vectors of one length, but does not say which: found by a processor with
    others, as in a shared home folder, it computes wrong numbers or writes beyond its memory. A tag tells them apart.
    """
    from torch.compiler import config

    shown = console(stderr=True)
    vectors = torch.backends.cpu.get_cpu_capability()
    with (
        _compiling,
        config.patch(cache_key_tag=config.cache_key_tag + vectors),  # type: ignore[attr-defined]  # added on import
        shown.status(f"compiling {name}, once …", spinner="line") if shown.is_terminal else nullcontext(),
        warnings.catch_warnings(),
    ):
        for category in (DeprecationWarning, FutureWarning):  # torch's compiler uses parts that torch deprecates
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\._inductor")  # advice on its own choices
        yield


def require_compiler(device: torch.device) -> None:
    """Raise ChainruleError if this machine cannot compile kernels for the device."""
    if device.type == "cpu":
        compiler = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        if shutil.which(compiler) is None:
            raise ChainruleError(
                f"compile=True needs a C++ compiler; {compiler} was not found. "
                "Install it, set CXX to another one, or leave compile out."
            )
    elif importlib.util.find_spec("triton") is None:
        raise ChainruleError(
            f"compile=True on {device.type} needs triton, which is not installed. "
            "Run pip install triton, or leave compile out."
        )


@lru_cache(maxsize=256)
def _kernel(*_: object) -> Callable[..., Any]:
    def kernel(
        rule: Optimizer,
        data: Tensor,
        grad: Tensor,
        states: list[State],
        t: Tensor,
        lr: Tensor,
        scalars: Mapping[str, Tensor],
        due: Mapping[tuple[int, int], bool],
    ) -> None:
        chain = Chain(rule)
        steps = chain.steps(Moment(t, lr, scalars, due))  # type: ignore[arg-type]  # the answers alone
        chain.apply(data, chain.change_gradient(data, grad, states, steps), states, steps)

    options: dict[str, Any] = {"dynamic": False, "isolate_recompiles": True, "recompile_limit": 64}
    # A later compilation, as for a rate of another form, is not within `first_use`, whose tag its key lacks.
    options["options"] = {"aot_inductor.metadata": {"vectors": torch.backends.cpu.get_cpu_capability()}}
    compiled: Callable[..., Any] = torch.compile(kernel, fullgraph=True, **options)
    return compiled
