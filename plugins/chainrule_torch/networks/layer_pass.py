"""One forward and backward of a layer as a function of autograd."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from chainrule import BackwardError, label
from chainrule.ops import expect_tensor
from chainrule_torch.networks.built_layer import BuiltLayer


class LayerPass(torch.autograd.Function):
    """The layer's forward on x (N, …) and its parameters' values, with the mode of each module inside.

    Autograd keeps what each call has saved, with the buffers as they were after it.
    """

    @staticmethod
    def forward(ctx: Any, built: BuiltLayer, modes: Sequence[bool], x: Tensor, *values: Tensor) -> Tensor:
        ctx.built, ctx.count, ctx.trains = built, len(values), modes[0]
        ctx.barrier = built.switch(modes, with_grad=any(ctx.needs_input_grad))
        built.bind(values)
        before = built.buffer_versions()
        y = built.layer.forward(x.unsqueeze(0))
        expect_tensor(built.layer, y)
        ctx.buffers = built.kept_buffers(before)
        ctx.kept, saved = built.take_saved()
        ctx.save_for_backward(*values, *saved)
        return _without_members(y, [x, *values, *saved])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        built, layer = ctx.built, ctx.built.layer
        if ctx.barrier is not None:
            first, last = "Call train()", "use to_torch(network)"
            if ctx.trains:  # and a layer inside was switched on purpose
                first, last = "Use to_torch(network)", "call train()"
            raise BackwardError(
                f"{label(layer)}: backward must follow a forward in train mode, got eval mode, in which {ctx.barrier} "
                f"has no gradient. {first}, leave the gradient out with torch.no_grad(), or {last}."
            )
        tensors = ctx.saved_tensors  # once, since a checkpoint may compute them anew
        values = tensors[: ctx.count]
        built.switch(repeat(True), with_grad=True)  # in which, without a barrier, every module was
        built.bind_kept(ctx.buffers)
        built.put_back(ctx.kept, tensors[ctx.count :])
        _, _, layer.needs_input_grad, *needed = ctx.needs_input_grad
        with torch.no_grad(), without_autocast(grad_output.device.type):
            sums = built.bind(values, with_grad=True)
            dx = layer.backward(grad_output.unsqueeze(0))
        if dx is None and layer.needs_input_grad:
            raise BackwardError(
                f"{label(layer)}: backward must return dL/dx where needs_input_grad is True, got None. Return it."
            )
        grads = [dx[0] if dx is not None and layer.needs_input_grad else None]
        grads += [grad[0] if wanted else None for grad, wanted in zip(sums, needed, strict=True)]
        built.bind(values)
        built.take_saved()
        return None, None, *(_once(label(layer), grads) if torch.is_grad_enabled() else grads)


def without_autocast(device_type: str) -> AbstractContextManager[Any]:
    """Compute in the dtypes of the tensors meanwhile; some devices, such as meta, do nothing else."""
    has_it = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if has_it else nullcontext()


def _without_members(y: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Return y (1, N, …) as (N, …).

    Torch refuses in-place changes of a view that a function returns. Where nothing else looks at the memory of y, such
    as the sign that relu's backward needs, the result is none, so that an in-place activation may follow. Storages are
    compared as objects, since those of a traced pass have no address.
    """
    memory = y.untyped_storage()._cdata
    if any(other.untyped_storage()._cdata == memory for other in others):
        return y[0]
    alone: Tensor = torch.ops.aten._unsafe_view(y, y.shape[1:])
    return alone


class _Refused(torch.autograd.Function):
    """The identity, whose derivative is refused."""

    @staticmethod
    def forward(ctx: Any, owner: str, *grads: Tensor) -> tuple[Tensor, ...]:
        ctx.owner = owner
        return tuple(grad.view_as(grad) for grad in grads)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise BackwardError(
            f"{ctx.owner}: a gradient must be differentiated once only, got a second backward through it. "
            "Use a module of torch.nn where second derivatives are needed."
        )


def _once(owner: str, grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return gradients that are refused a derivative."""
    given = [grad.detach().requires_grad_() for grad in grads if grad is not None]
    refused = iter(_Refused.apply(owner, *given) if given else ())  # type: ignore[no-untyped-call]
    return [None if grad is None else next(refused) for grad in grads]
