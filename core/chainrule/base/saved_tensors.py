"""`KeepsForBackward`: tensors saved by forward for one backward, guarded against in-place changes in between."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import ClassVar, final

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.class_attributes import expect_method
from chainrule.base.reassigned_settings import PARTS, checked_setting, expect_part, expect_read, is_argument
from chainrule.base.setting_values import equal
from chainrule.calls import ExplainsAttributes
from chainrule.errors import BackwardError, ContractError, FrozenSettingError, label

BOOKKEEPING = frozenset(
    {
        "_saved",
        "_versions",
        "_scale",
        "_returned",
        "_predicted",
        "_counted",
        "_followers",
        "_called_by",
        "_constructed",
        "needs_input_grad",
    }
)
"""Attributes that the core sets by itself."""


class KeepsForBackward(ExplainsAttributes):
    """Save tensors in a forward for the one backward that follows it, and count the attributes that are set.

    Attributes:
        changes: how many attributes of modules and losses were set in this process; compiled steps look at it.
        replacements: how many of these may hold a module, parameter, buffer or stream, or may be settings with which
            shapes do not fit any more; networks look at it.
    """

    changes: ClassVar[int] = 0
    replacements: ClassVar[int] = 0
    _resettings: ClassVar[int] = 0  # how many of these were settings of a constructor; losses look at it

    training: bool = True
    _constructed: bool = False
    _saved: tuple[Tensor, ...] | None = None
    _versions: tuple[int, ...] = ()

    def __setattr__(self, name: str, value: object) -> None:
        own = self.__dict__
        is_reset = False
        if inspect.isroutine(getattr(type(self), name, None)):
            expect_method(self, name, value)
        if "_constructed" in own:
            if name not in own:
                expect_read(self, name)
            elif isinstance(own[name], PARTS):
                expect_part(self, name, value)
            elif is_argument(type(self), name):
                value = checked_setting(self, name, value)
                is_reset = not equal(own[name], value)
        if name not in BOOKKEEPING and own.get(name, BOOKKEEPING) is not value:
            KeepsForBackward.changes += 1
            KeepsForBackward._resettings += is_reset
            KeepsForBackward.replacements += is_reset or not isinstance(value, int | float | str | Tensor)
        try:
            object.__setattr__(self, name, value)
        except AttributeError as error:  # of a property
            fix = f"Make another, as {label(self)}(…)."
            raise FrozenSettingError(
                f"{label(self)}: {name} must not be assigned, got {shown(value)}. {fix}"
            ) from error

    @final
    def save_for_backward(self, *tensors: Tensor) -> None:
        """Save tensors for the next backward, in place of those saved before; in eval mode save none."""
        own = self.__dict__  # setting attributes would take longer
        own["_saved"] = tensors if self.training else None
        if self.training:
            # Torch counts in-place changes to guard its own graphs, but not under inference mode.
            counted = not torch.is_inference_mode_enabled()
            try:
                own["_versions"] = tuple([version(tensor) for tensor in tensors]) if counted else ()
            except AttributeError:
                expect_tensors(self, tensors)

    @final
    def saved_tensors(self) -> tuple[Tensor, ...]:
        """Return the tensors saved by the last forward, once.

        Raises:
            BackwardError: if there are none, or one was changed in place since.
        """
        saved, self.__dict__["_saved"] = self._saved, None
        if saved is None:
            raise BackwardError(
                f"{label(self)}: backward called without a forward in train mode. Call forward before each backward."
            )
        for tensor, before in zip(saved, self._versions, strict=False):
            if version(tensor) != before:
                raise changed_in_place(self, tensor)
        return saved

    def __getstate__(self) -> dict[str, object]:
        own = {name: value for name, value in self.__dict__.items() if name not in ("_saved", "_versions")}
        for name in ("forward", "backward"):
            if getattr(own.get(name), "watches", None) is True:  # what stands there during a watched pass
                del own[name]
        return own


def changed_in_place(owner: object, tensor: Tensor) -> BackwardError:
    """Return the error about a saved tensor (M, …) that has changed before backward."""
    return BackwardError(
        f"{label(owner)}: a tensor saved for backward must not change before it, got one of shape "
        f"{tuple(tensor.shape[1:])} changed in place. Change a clone() instead."
    )


def expect_tensors(owner: object, saved: Iterable[object]) -> None:
    """Raise ContractError if anything but tensors was saved for backward."""
    for value in saved:
        if not isinstance(value, Tensor):
            raise ContractError(
                f"{label(owner)}: save_for_backward must be called with tensors, got {shown(value)}. "
                "Keep it as an attribute, or compute it in backward."
            )


def version(tensor: Tensor) -> int:
    """Return torch's count of in-place changes, 0 for tensors created under inference mode, which have no count."""
    return 0 if tensor.is_inference() else tensor._version


def content(tensor: Tensor) -> object:
    """Return what a change in place changes: torch's count, or of tensors without one, by inference mode, two sums."""
    if not tensor.is_inference():
        return tensor._version
    if tensor.layout is not torch.strided:
        return None
    try:
        real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        values = real if real.is_floating_point() else real.double()
        values = values.nan_to_num(nan=0.5, posinf=2.0, neginf=-3.0)  # which would hide all other values
        return torch.stack([values.sum(dtype=torch.float64), values.norm(dtype=torch.float64)]).tolist()
    except (RuntimeError, NotImplementedError):  # of a dtype that torch does not sum
        return None
