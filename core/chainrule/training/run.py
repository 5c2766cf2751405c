"""`Run`: a fit in progress as callbacks see it, and the delivery of its events to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pluggy
from torch import Tensor

from chainrule.base.hookspecs import PROJECT, TrainingHooks
from chainrule.errors import CallbackError, label
from chainrule.network import Network
from chainrule.training.history import History
from chainrule.updates.updater import Updater


class Run:
    """A fit in progress.

    Attributes:
        network: the network being trained.
        updater: its updater.
        history: the curves so far.
        epochs: the number of epochs asked for.
        epoch: the current epoch, from 1; 0 before the first.
        step: the number of steps taken.
        step_loss: the loss (M,) of the last step, before its update; see `loss`.
        steps_per_epoch: None where the batches come from an iterable without a length.
    """

    def __init__(
        self, network: Network, updater: Updater, epochs: int, steps_per_epoch: int | None, callbacks: Sequence[object]
    ) -> None:
        self.network = network
        self.updater = updater
        self.history = History(updater)
        self.epochs = epochs
        self.epoch = 0
        self.step = 0
        self.step_loss: Tensor | None = None
        self.steps_per_epoch = steps_per_epoch
        self.stopped = False
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(TrainingHooks)
        for callback in callbacks:
            if self._manager.is_registered(callback):
                raise CallbackError(
                    f"{label(callback)}: a callback must be passed once, got {callback!r} twice. Create a second one."
                )
            try:
                self._manager.register(callback)
                self._manager.check_pending()
            except pluggy.PluginValidationError as error:
                raise CallbackError(
                    f"{label(callback)}: hooks must have the names and arguments of "
                    "chainrule.base.hookspecs.TrainingHooks, "
                    f"got: {str(error).splitlines()[-1]}. Mend the callback."
                ) from error
            callers = self._manager.get_hookcallers(callback)
            for one in (one for caller in callers or () for one in caller.get_hookimpls() if one.plugin is callback):
                if one.wrapper or one.hookwrapper or one.tryfirst or one.trylast:
                    raise CallbackError(
                        f"{label(callback)}: hooks run in the order of the callbacks and take no options, got one on "
                        f"{one.function.__name__}. Write @chainrule.hookimpl without wrapper, tryfirst or trylast."
                    )
            if not callers:
                raise CallbackError(
                    f"{label(callback)}: {callback!r} implements no training hook. "
                    "Mark its methods with @chainrule.hookimpl."
                )

    @property
    def loss(self) -> Tensor | None:
        """The loss of the last step, before its update: () for a single network, (M,) for an ensemble."""
        value = None if self.step_loss is None else self.step_loss.clone()
        return value if value is None or self.network.is_ensemble else value[0]

    def stop(self) -> None:
        """Ask the fit to end after the current epoch."""
        self.stopped = True

    def event(self, hook: str) -> Callable[..., None] | None:
        """Return a function that calls every callback's implementation of the hook, in order; None if there is none.

        It raises CallbackError if one of them raises.
        """
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        if not implementations:
            return None

        def call(**arguments: Any) -> None:
            arguments["run"] = self
            for implementation in implementations:
                try:
                    implementation.function(*(arguments[name] for name in implementation.argnames))
                except Exception as cause:
                    raise CallbackError(
                        f"{label(implementation.plugin)}: {hook} raised {type(cause).__name__}: {cause}. "
                        "Mend the callback or leave it out."
                    ) from cause

        return call

    def call(self, hook: str, **arguments: Any) -> None:
        """Call every callback's implementation of the hook."""
        event = self.event(hook)
        if event:
            event(**arguments)
