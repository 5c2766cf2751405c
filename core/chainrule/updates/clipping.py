"""Clipping of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.parameter import Parameter
from chainrule.base.setting_values import as_kept, fits
from chainrule.errors import ChainruleError, HyperparameterError

SCALES = {torch.float32: 2.0**-80, torch.float64: 2.0**-530}
"""Powers of two, so that nothing is rounded, by which squares of any finite numbers can be summed."""


def checked_norm(owner: str, value: Any, *, error: type[ChainruleError] = HyperparameterError) -> float | None:
    """Return the largest norm that is allowed, None for any, or raise the error in the owner's name."""
    norm = as_kept(value, float)
    if norm is not None and not (isinstance(norm, int | float) and fits(norm, float) and norm > 0):
        raise error(f"{owner}: clip_norm must be a number above 0, got {shown(value)}. Leave it out for no clipping.")
    return norm


def clip_gradients(parameters: Sequence[Parameter], max_norm: float) -> Tensor:
    """Scale each member's gradient so that its global norm is at most max_norm; return the norms before, (M,).

    A gradient whose squares overflow is clipped like any other; its norm is infinite where it is no finite number.
    """
    norm = _norm(parameters)
    factor = (max_norm / norm).clamp(max=1.0)  # a norm of 0 gives inf, then 1
    readable = type(norm) is Tensor and norm.device.type == "cpu" and not torch.compiler.is_compiling()
    if not readable or not torch.isfinite(norm).all():
        scale = SCALES[norm.dtype]
        scaled = _norm(parameters, scale)
        factor = torch.where(torch.isfinite(norm), factor, (max_norm * scale / scaled).clamp(max=1.0))
        norm = torch.where(torch.isfinite(norm), norm, scaled / scale)
    for parameter in parameters:
        parameter.grad.mul_(factor.view(-1, *[1] * len(parameter.shape)))
    return norm


def _norm(parameters: Sequence[Parameter], scale: float | None = None) -> Tensor:
    """Return each member's norm over all gradients, (M,), times the scale if there is one."""
    grads = [parameter.grad.reshape(len(parameter.grad), -1) for parameter in parameters]
    norms = [torch.linalg.vector_norm(grad if scale is None else grad * scale, dim=1) for grad in grads]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    return norm
