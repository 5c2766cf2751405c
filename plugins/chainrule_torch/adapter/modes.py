"""Modes of torch that a caller may be in, and that an optimizer's own operations are out of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

_AS_IT_IS = nullcontext()


def without_autocast() -> AbstractContextManager[None]:
    """Compute in the dtypes of the tensors meanwhile, on every device; closures are the caller's, and stay outside."""
    return torch._C._DisableAutocast() if torch._C._is_any_autocast_enabled() else _AS_IT_IS  # which is sooner entered


@contextmanager
def outside_of_modes() -> Iterator[None]:
    """Make tensors that may be changed later, and compute in their dtypes: without inference mode and autocast."""
    with torch.inference_mode(False), torch.no_grad(), without_autocast():
        yield
