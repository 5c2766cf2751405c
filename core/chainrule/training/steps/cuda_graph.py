"""A step on a CUDA device as one graph of its kernels.

One of torch's private interfaces is used here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

Results = TypeVar("Results", bound=Sequence[Tensor])


def is_captured(device: torch.device) -> bool:
    """Whether a step on this device is captured as a graph."""
    return device.type == "cuda"


def capture(function: Callable[..., Results], tensors: Sequence[Tensor]) -> tuple[list[Callable[[], object]], Results]:
    """Capture a function of tensors, the last of them on a CUDA device; return the replay, and the outputs it writes.

    It is called before, so that libraries plan and kernels are loaded outside of the capture, which executes nothing.

    Raises:
        RuntimeError: if it waits for the device, as for a number of a tensor.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(tensors[-1].device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            function(*tensors)
        torch.cuda.current_stream().wait_stream(stream)
        # The process's workspaces for matrix products outlive graphs, and others free them; each graph gets its own.
        torch._C._cuda_clearCublasWorkspaces()
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        state = generator.clone_state()
        try:
            with torch.cuda.graph(graph):
                outputs = function(*tensors)
        except BaseException:
            generator.graphsafe_set_state(state)  # it would wait for the end of the failed capture
            raise
        finally:
            torch._C._cuda_clearCublasWorkspaces()
    return [graph.replay], outputs
