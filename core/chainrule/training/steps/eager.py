"""`TrainingStep`: forward, loss, backward and update, eagerly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from torch import Tensor

from chainrule.base.protocols import LossLike
from chainrule.errors import ShapeError
from chainrule.inspection import expect_declared_shapes
from chainrule.network import Network
from chainrule.ops import expect_tensor
from chainrule.shared_modules import begin_call
from chainrule.updates.moment import Moment
from chainrule.updates.updater import Updater
from chainrule.watched_pass import WATCHED_CALLS, watched

Outputs: TypeAlias = tuple[Tensor, Tensor]
"""The prediction, and the loss (M,) before the update."""


class UntraceableError(Exception):
    """A step does more than operate on the tensors that are declared."""


class TrainingStep:
    """Take steps on batches (M, N, …); the loss takes and returns the member axis."""

    def __init__(self, network: Network, loss: LossLike, updater: Updater) -> None:
        self.parts = [*network.modules(), loss]
        self.module = network.module
        self.network = network
        self.loss = loss
        self.updater = updater
        self._has_passed = False

    def __call__(self, x: Tensor, y: Tensor) -> Outputs:
        """Take a step, and return the prediction and the loss (M,) before the update; one that fails does not count."""
        counted = self.updater.t
        try:
            return self.operations(x, y, self.updater.advance())
        except BaseException:
            self.updater.t = counted
            raise

    def follow_settings(self) -> None:
        """Do nothing: an eager step reads every setting anew."""

    def operations(self, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> Outputs:
        """Take the step at the given moments: tensor operations only."""
        self.network.zero_grad()
        outputs = self.accumulate(x, y)
        self.updater.apply(moments)
        return outputs

    def accumulate(self, x: Tensor, y: Tensor) -> Outputs:
        """Add the batch's gradient to that of every parameter, and return the prediction and the loss (M,)."""
        if self.network.shared:
            begin_call(self.network)
        if self._has_passed:
            return self._pass(x, y)
        with watched(self.network.modules(), x, {}):
            outputs = self._pass(x, y)
        self._has_passed, vars(self.network)["_watched_calls"] = True, WATCHED_CALLS
        return outputs

    def _pass(self, x: Tensor, y: Tensor) -> Outputs:
        try:
            prediction = self.module.forward(x)
        except (RuntimeError, NotImplementedError, ShapeError) as error:
            expect_declared_shapes(self.module, x, error)
            raise
        expect_tensor(self.module, prediction)
        try:
            value = self.loss(prediction, y, per_member=True)
        except ShapeError as error:
            expect_declared_shapes(self.module, x, error)
            raise
        self.module.backward(self.loss.backward())
        return prediction, value


def keep_as_ordinary_tensors(parts: Iterable[object]) -> None:
    """Replace tensors that a module created under inference mode, which cannot change outside of it, by clones."""
    for part in parts:
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and value.is_inference():
                setattr(part, name, value.clone())
