"""What a step may not be recorded into."""

from __future__ import annotations

import torch

from chainrule import ChainruleError, Optimizer
from chainrule.errors import label


def expect_no_capture(rule: Optimizer) -> None:
    """Raise ChainruleError while a CUDA graph is captured: replaying it would not count steps nor change settings."""
    initialized: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    if initialized and torch.cuda.is_current_stream_capturing():
        raise ChainruleError(
            f"{label(rule)}: a step must run outside CUDA graphs, got one that is being captured. "
            "Capture the forward and backward passes alone."
        )
