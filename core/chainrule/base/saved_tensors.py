"""What forward keeps for backward, taken once and guarded against changes in between."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from chainrule.errors import BackwardError, label


class KeepsForBackward:
    """Keep tensors from a forward to the one backward that belongs to it."""

    training: bool = True
    _saved: tuple[Tensor, ...] | None = None
    _versions: tuple[int, ...] = ()

    @final
    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors until the next backward; in eval mode keep nothing, and forget what was kept."""
        self._saved = tensors if self.training else None
        if self.training:
            # Torch counts in-place changes to guard its own graphs; under inference mode it does not.
            counted = not torch.is_inference_mode_enabled()
            self._versions = tuple([version(tensor) for tensor in tensors]) if counted else ()

    @final
    def saved_tensors(self) -> tuple[Tensor, ...]:
        """Return what the last forward kept, and forget it.

        Errors: BackwardError if there is none, or if a tensor was changed in place since
        """
        saved, self._saved = self._saved, None
        if saved is None:
            raise BackwardError(
                f"{label(self)}: backward must follow a forward in train mode, once, got none to go back through. "
                "Call forward first."
            )
        for tensor, before in zip(saved, self._versions, strict=False):
            if version(tensor) != before:
                raise BackwardError(
                    f"{label(self)}: a tensor kept for backward must stay as it is, got one of shape "
                    f"{tuple(tensor.shape[1:])} changed in place. Change a clone() instead."
                )
        return saved

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_saved", "_versions")}


def version(tensor: Tensor) -> int:
    """Return torch's count of in-place changes; tensors made under inference mode have none."""
    return 0 if tensor.is_inference() else tensor._version
