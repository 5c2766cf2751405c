"""The callback that ends a fit at the first value that is not finite, and names its origin."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from chainrule import CallbackError, ModuleLike, Run, hookimpl, label


class NanGuard:
    """End a fit at the first step after which a member's loss or parameters are not finite, and name the origin.

    Watches:  the loss of every step and the parameters after it, which takes a few passes over the parameters; members
              that were stopped are left out
    Raises:   CallbackError with member, step and epoch, and what was not finite first: the batch, a layer's output,
              the loss, a gradient, or the update. The failed step's forward is run again, on a copy, to find a layer.
    """

    def __init__(self) -> None:
        self._before: list[Tensor] = []  # the parameters before the step
        self._members: list[int] = []  # whose they are

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        self._before, self._members = _parameters(run), run.members

    @hookimpl
    def chainrule_step_end(self, run: Run) -> None:
        data, loss = run.network.flat.data, run.step_loss
        if loss is None:
            return
        if run.members != self._members:
            rows = {member: row for row, member in enumerate(self._members)}
            stay = [rows[member] for member in run.members]
            self._before, self._members = [values[stay] for values in self._before], run.members
        if not (loss.isfinite().all() and data.isfinite().all()):
            for row, member in enumerate(self._members):
                if member not in run.stopped_members and not (
                    loss[row].isfinite() and all(p.data[row].isfinite().all() for p in run.network.parameters())
                ):
                    raise CallbackError(_report(run, self._before, row))
        for before, parameter in zip(self._before, run.network.parameters(), strict=True):
            before.copy_(parameter.data)

    @hookimpl
    def chainrule_fit_end(self) -> None:
        self._before = []

    @classmethod
    def examples(cls) -> list[NanGuard]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]

    def __repr__(self) -> str:
        return "NanGuard()"


def _parameters(run: Run) -> list[Tensor]:
    return [parameter.data.clone() for parameter in run.network.parameters()]


def _report(run: Run, before: Sequence[Tensor], row: int) -> str:
    whose = f" of member {run.members[row]}" if run.network.is_ensemble else ""
    loss = run.step_loss[row].item() if run.step_loss is not None else 0.0
    origin, fix = _origin(run, before, row)
    return (
        f"nan_guard: loss and parameters{whose} must be finite, got the loss {loss:.4g} at step {run.step} in epoch "
        f"{run.epoch}. The first value that is not finite is in {origin}. {fix}"
    )


def _origin(run: Run, before: Sequence[Tensor], row: int) -> tuple[str, str]:
    """Return where the first value of a member that is not finite was in the last step, and what to do."""
    lower = "Lower lr, or pass clip_norm=1.0."
    for name, tensor in zip("xy", run.batch or (), strict=False):
        if not _is_finite(tensor, row):
            return f"{name} of the batch", "Clean the data."
    if run.step_loss is not None and not run.step_loss[row].isfinite():
        where = _first_output(run, before, row)
        return (where, lower) if where else ("the loss of a finite prediction", "See what the loss makes of it.")
    named = list(run.network.named_parameters())
    for name, parameter in reversed(named):  # backward begins at the last
        if not _is_finite(parameter.grad, row):
            return f"the gradient of {name}", lower
    return f"the update of {next(n for n, p in named if not _is_finite(p.data, row))}", lower


def _first_output(run: Run, before: Sequence[Tensor], row: int) -> str | None:
    """Return the first layer with an output that is not finite in the last step's forward, or None."""
    copied = copy.deepcopy(run.network)
    for parameter, values in zip(copied.parameters(), before, strict=True):
        parameter.data.copy_(values)
    found: list[str] = []

    def watch(name: str, module: ModuleLike) -> None:
        forward = module.forward

        def watched(x: Tensor) -> Tensor:
            y = forward(x)
            if not _is_finite(y, row):
                found.append(f"the output of {f'layer {name} ({label(module)})' if name else label(module)}")
            return y

        vars(module)["forward"] = watched
        for child, inner in module.named_children():
            watch(f"{name}.{child}" if name else child, inner)

    watch("", copied.module)
    if run.batch is not None:
        copied.module.forward(run.batch[0])
    return found[0] if found else None


def _is_finite(tensor: Any, row: int) -> bool:
    return not tensor.is_floating_point() or bool(tensor[row].isfinite().all())
