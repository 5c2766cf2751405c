"""`KeepsForBackward`: tensors saved by forward for one backward, guarded against in-place changes in between."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from chainrule.errors import BackwardError, label


class KeepsForBackward:
    """Save tensors in a forward for the one backward that follows it."""

    training: bool = True
    _saved: tuple[Tensor, ...] | None = None
    _versions: tuple[int, ...] = ()

    @final
    def save_for_backward(self, *tensors: Tensor) -> None:
        """Save tensors for the next backward, in place of those saved before; in eval mode save none."""
        self._saved = tensors if self.training else None
        if self.training:
            # Torch counts in-place changes to guard its own graphs, but not under inference mode.
            counted = not torch.is_inference_mode_enabled()
            self._versions = tuple([version(tensor) for tensor in tensors]) if counted else ()

    @final
    def saved_tensors(self) -> tuple[Tensor, ...]:
        """Return the tensors saved by the last forward, once.

        Raises:
            BackwardError: if there are none, or one was changed in place since.
        """
        saved, self._saved = self._saved, None
        if saved is None:
            raise BackwardError(
                f"{label(self)}: backward called without a forward in train mode. Call forward before each backward."
            )
        for tensor, before in zip(saved, self._versions, strict=False):
            if version(tensor) != before:
                raise BackwardError(
                    f"{label(self)}: a tensor saved for backward must not change before it, got one of shape "
                    f"{tuple(tensor.shape[1:])} changed in place. Change a clone() instead."
                )
        return saved

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_saved", "_versions")}


def version(tensor: Tensor) -> int:
    """Return torch's count of in-place changes, 0 for tensors created under inference mode, which have no count."""
    return 0 if tensor.is_inference() else tensor._version
