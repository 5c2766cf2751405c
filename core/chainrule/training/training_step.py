"""`training_step`: the step of `fit` for a loop of one's own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from chainrule.arguments import flag
from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.base.input_tensors import expect_dense, expect_input
from chainrule.base.no_backward import OF_STEP, answer_backward
from chainrule.base.protocols import LossLike
from chainrule.calls import explained
from chainrule.errors import ShapeError
from chainrule.network import Network
from chainrule.training.output_kinds import warn_of_probabilities
from chainrule.training.passed_parts import check_parts, check_reduction
from chainrule.training.steps.compiled import BELOW_PARAMETERS, CompiledStep
from chainrule.training.steps.eager import TrainingStep, keep_as_ordinary_tensors
from chainrule.updates.clipping import checked_norm
from chainrule.updates.updater import Updater


class Attachable(Protocol):
    """An optimizer, or `param_groups`."""

    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return the updater of this network."""


class StepForm(Protocol):
    """A step in one of its forms: eager, compiled, or captured."""

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step on a batch (M, N, …), and return the prediction and the loss (M,) before the update."""

    def follow_settings(self) -> None:
        """Follow what has changed of the settings of modules, the loss and the updater."""


@explained
def training_step(
    network: Network,
    loss: LossLike,
    optimizer: Attachable,
    *,
    clip_norm: float | None = None,
    compile: bool = False,
) -> NetworkStep:
    """Return a function that takes one training step: ``value = step(x, y)``.

    Forward, loss, backward and update, as `fit` takes them and at its speed.

    Args:
        network: a built network, single or ensemble.
        loss: called on each batch; its reduction, "mean" or "sum", sets the scale of the gradient.
        optimizer: an optimizer, or `param_groups({…})`.
        clip_norm: the largest global norm of each member's gradient.
        compile: whether to compile the step, as in `fit`.

    Raises:
        ChainruleError: if a part is not ready for use, or the machine cannot compile.
    """
    check_parts("training_step", network=network, loss=loss, optimizer=optimizer)
    check_reduction("training_step", loss)
    loss = loss.over_members()
    step, updater = make_step("training_step", network, loss, optimizer, clip_norm=clip_norm, compile=compile)
    return NetworkStep(network, loss, step, updater)


class NetworkStep(DeclaresAttributes):
    """One training step as a function; created by `training_step`.

    Attributes:
        network: the network that it trains.
        updater: its updater, for `set_lr`, `state_dict` and `evaluating`.
    """

    _use: ClassVar[str] = "A batch is two tensors: step(*batch)."
    _instead: ClassVar[Mapping[str, str]] = {
        "step": "Call it: value = step(x, y).",
        "backward": "Call it: value = step(x, y).",
    }

    network: Network
    updater: Updater

    _replaced_by: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("network", "updater"), "Make another: chainrule.training_step(network, loss, optimizer)."
    )

    def __init__(self, network: Network, loss: LossLike, step: StepForm, updater: Updater) -> None:
        self.network = network
        self.updater = updater
        self._loss = loss
        self._step = step
        self._value: Tensor | None = None
        self._of_one: Tensor

    @explained
    def __call__(self, x: Tensor, y: Tensor, *, per_member: bool = False) -> Tensor:
        """Take one step, and return the loss before the update.

        Shapes: x and y (N, …), shared, or with per_member=True (M, N, …); result (), for an ensemble (M,)

        Raises:
            ShapeError: if the batch does not fit the network or the loss.
        """
        network = self.network
        if not isinstance(y, Tensor):
            expect_input("step", "y", y)
        try:
            has_same_rows = not isinstance(x, Tensor) or x.shape[:1] == y.shape[:1]
        except RuntimeError:  # nested tensors have no shape
            expect_dense("step", "x", x, network.device)
            expect_dense("step", "y", y, network.device)
            raise
        if not has_same_rows:
            raise ShapeError(
                f"step: x and y must have the same rows, got {tuple(x.shape)} and {tuple(y.shape)}. "
                "Pair each row of x with one of y."
            )
        x, y = (network.with_member_axis(tensor, per_member=per_member) for tensor in (x, y))
        network.check_input(x)
        if not network.training:
            network.train()
        if network.module.needs_input_grad:
            network.module.needs_input_grad = False
        step = self._step
        step.follow_settings()
        if isinstance(step, CompiledStep):
            _, value = step(x.detach() if x.requires_grad else x, y.detach() if y.requires_grad else y)
        else:
            with torch.inference_mode():  # the quickest torch has
                _, value = step(x, y)
            if isinstance(step, TrainingStep):
                keep_as_ordinary_tensors(network.modules())
        if network.is_ensemble:
            result = value.clone()
        else:
            if value is not self._value:
                self._value, self._of_one = value, value[0]  # a compiled step returns the same tensor each time
            result = self._of_one.clone()
        answer_backward(result, OF_STEP)
        return result

    def __copy__(self) -> Self:
        # A shallow copy would train the network of this one.
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"loss": self._loss, "form": type(self._step), "updater": self.updater}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A step holds tensors of its network and functions compiled for them; a copy makes its own.
        updater, loss = state["updater"], state["loss"]
        NetworkStep.__init__(self, updater.network, loss, state["form"](updater.network, loss, updater), updater)


def make_step(
    caller: str,
    network: Network,
    loss: LossLike,
    optimizer: Attachable,
    *,
    clip_norm: float | None = None,
    compile: bool = False,
) -> tuple[StepForm, Updater]:
    """Return the step in the form asked for, and its updater; the loss is over members, the caller named in errors."""
    compile = flag(caller, "compile", compile)
    clip_norm = checked_norm(caller, clip_norm)
    kind = network.device.type
    is_quicker = kind == "cuda" or (kind == "cpu" and len(network.flat.data) < BELOW_PARAMETERS)
    own_form = getattr(optimizer, "step_form", None)  # of steps that several processes take together
    whole = compile and is_quicker and own_form is None
    warn_of_probabilities(caller, network, loss)
    updater = optimizer.attach(network, clip_norm=clip_norm, compile=compile and not whole)
    form = own_form or (CompiledStep if whole else TrainingStep)
    return form(network, loss, updater), updater
