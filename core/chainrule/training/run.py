"""`Run`: a fit in progress as callbacks see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.declared_attributes import expect_note
from chainrule.base.member_rows import Chosen
from chainrule.base.setting_values import equal
from chainrule.calls import ExplainsAttributes, explained
from chainrule.errors import ChainruleError
from chainrule.network import Network
from chainrule.training.events import Events
from chainrule.training.history import History
from chainrule.training.roster import Roster
from chainrule.training.stopped_members import StoppedMembers
from chainrule.updates.updater import Updater


class Run(ExplainsAttributes):
    """A fit in progress.

    Attributes:
        network: the network being trained.
        updater: its updater.
        history: the curves so far.
        epochs: the number of epochs asked for.
        epoch: the current epoch, from 1; 0 before the first.
        step: the number of steps taken.
        step_loss: the loss (M,) of the last step, before its update; see `loss`.
        batch: x and y, (M, N, …) each, of the last step; None before the first.
        callbacks: the callbacks of the fit, in order.
        steps_per_epoch: None where the batches come from an iterable without a length.
    """

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("stop_training", "should_stop"), "Write run.stop()."),
        "lr": "Write run.updater.rates, or run.updater.set_lr(…).",
        "model": "Write run.network.",
        "optimizer": "Write run.updater.",
        "metrics": "They are an argument of chainrule_epoch_end, and in run.history.",
    }

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
        self.batch: tuple[Tensor, Tensor] | None = None
        self.steps_per_epoch = steps_per_epoch
        self.stopped = False
        self._kept = StoppedMembers(network)
        self._roster = Roster(updater)
        self._metrics: dict[str, Tensor] | None = None  # of the epoch that has just ended
        self.callbacks = list(callbacks)
        self._events = Events(callbacks, frozenset(vars(self)))

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __setattr__(self, name: str, value: object) -> None:
            if "_events" in self.__dict__ and name not in self.__dict__:
                expect_note(self, name, value)
            object.__setattr__(self, name, value)

    @property
    def loss(self) -> Tensor | None:
        """The loss of the last step, before its update: () for a single network, (M,) for an ensemble."""
        value = None if self.step_loss is None else self.step_loss.clone()
        return value if value is None or self.network.is_ensemble else value[0]

    @property
    def stopped_members(self) -> list[int]:
        """The members that `stop` was called with."""
        return list(self._kept.indices)

    @explained
    def stop(self, members: Iterable[int] | None = None) -> None:
        """Ask the fit to end after the current epoch; with members, stop these alone, and end with the last.

        A stopped member keeps the parameters and buffers that it has now, at an epoch's end those that it evaluates
        with. Steps and curves still include it, so its later values are those of what it keeps.

        Raises:
            ChainruleError: if there is no such member.
        """
        if members is None:
            self.stopped = True
            return
        self._kept.add(self._roster.checked("run.stop", members))
        self._stop_with_the_last()

    @explained
    def drop(self, members: Iterable[int]) -> None:
        """Let members leave once every callback has been told of the epoch's end: later steps compute the others alone.

        These go on as they would with all: to the bit in eager steps; to rounding in compiled ones, which order sums by
        the sizes of whole tensors, and where one member is left of a rule that is not elementwise. Network, updater,
        loss and batch then have the rows of `members` alone, in new tensors; metrics and curves have NaN for the rest.
        When the fit ends, network and updater have all members again, dropped ones with the parameters that they last
        evaluated with, their buffers and the state of their rules, which count the steps of all.

        Raises:
            ChainruleError: if a member is not in training, none would stay, or no epoch has just ended.
        """
        if self._metrics is None:
            raise ChainruleError(
                "run.drop: members must be dropped at an epoch's end, got a call in another event. "
                "Call it in chainrule_epoch_end."
            )
        self._roster.drop(members)

    @property
    def dropped_members(self) -> list[int]:
        """The members that `drop` was called with, in this epoch too."""
        return list(self._roster.dropped)

    @property
    def members(self) -> list[int]:
        """The number, counted from 0 as it was built, of the member in each row of network, updater, loss and batch.

        All of them at the fit's start and end; in between those that were not dropped.
        """
        return list(self._roster.members)

    @property
    def chosen(self) -> Chosen | None:
        """The members in training where some were dropped, else None."""
        return self._roster.chosen

    def _stop_with_the_last(self) -> None:
        self.stopped |= set(self._roster.members) <= set(self.stopped_members)

    @explained
    def record(self, name: str, value: float | Tensor) -> None:
        """Add a value to the metrics of the epoch that has ended, and to the history as a curve.

        Callbacks later in the list get it with the other metrics. To be called at the end of every epoch.

        Args:
            name: that of the curve.
            value: a number, or for an ensemble a tensor (M,) or with one number for each of `members`.

        Raises:
            ChainruleError: if no epoch has just ended, or the epoch has a value of that name.
        """
        if self._metrics is None:
            raise ChainruleError(
                "run.record: a value must be recorded at an epoch's end, got a call in another event. "
                "Call it in chainrule_epoch_end."
            )
        if not isinstance(name, str):
            raise ChainruleError(f'run.record: a name must be text, got {shown(name)}. Pass "rate", for example.')
        if name in self._metrics:
            raise ChainruleError(
                f'run.record: a name must be new, got "{name}". The epoch has {", ".join(self._metrics)}.'
            )
        if (recorded := self.history.epochs_of(name)) != self.history.epochs - 1:
            raise ChainruleError(
                f'run.record: "{name}" must be recorded at every epoch\'s end, got {self.history.epochs} epochs and '
                f"{recorded} values. Record torch.nan where there is none."
            )
        try:
            given = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64, device="cpu")
        except (TypeError, ValueError, RuntimeError) as error:
            raise ChainruleError(
                f"run.record: {name} must be a number or a tensor, got {shown(value)}. Convert it."
            ) from error
        shape = (self.network.members,) if self.network.is_ensemble else ()
        if given.shape not in (shape, ()) and not (shape and given.shape == (self._roster.built,)):
            raise ChainruleError(
                f"run.record: {name} must be a number or have shape {shape}, got {tuple(given.shape)}. "
                "Pass one number for each member."
            )
        found = self._over_all({name: given if given.shape else given.expand(shape)})
        self._metrics |= found
        self.history.append(found)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the run is, beside its callbacks."""
        network, updater = self.network, self.updater
        return {
            "epoch": self.epoch,
            "step": self.step,
            "step_loss": self.step_loss,
            "stopped": self.stopped,
            "stopped_members": self._kept.state_dict(),
            "members": self._roster.state_dict(),
            "network": network.state_dict(),
            "buffers": {name: buffer.data for name, buffer in network.named_buffers() if not buffer.persistent},
            "random": network.random_state(),
            "frozen": sorted(network.frozen),
            "updater": updater.state_dict(),
            "rates": {key: rule.lr for key, rule in updater.groups.items()},
            "history": self.history.state_dict(),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a saved state, to the bit."""
        network, updater = self.network, self.updater
        self.epoch, self.step, self.stopped = saved["epoch"], saved["step"], saved["stopped"]
        self.step_loss = saved["step_loss"]
        self._roster.load_state_dict(saved["members"])
        self._follow_members()
        self._kept.load_state_dict(saved["stopped_members"])
        network.frozen = frozenset(saved["frozen"])
        network.load_state_dict(saved["network"])
        network.load_random_state(saved["random"])
        for name, buffer in network.named_buffers():
            if not buffer.persistent:
                buffer.data.copy_(saved["buffers"][name])
        updater.load_state_dict(saved["updater"])
        for key, rate in saved["rates"].items():
            if not equal(updater.groups[key].lr, rate):  # as a callback has set it at the start of the fit
                updater.set_lr(rate, key)
        self.history.load_state_dict(saved["history"])

    def end_epoch(self, metrics: dict[str, Tensor]) -> None:
        """Append an epoch's metrics to the history, tell the callbacks, and let members leave that they dropped."""
        metrics = self._over_all(metrics)
        self.history.append(metrics)
        self._metrics = metrics
        try:
            self.call("chainrule_epoch_end", epoch=self.epoch, metrics=metrics)
        finally:
            self._metrics = None
        if rows := self._roster.let_leave():
            self._follow_members()
            self.step_loss = None if self.step_loss is None else self.step_loss[rows]
            self._stop_with_the_last()

    def make_whole(self) -> None:
        """Let network and updater have all members, dropped ones as they were."""
        self.step_loss = None if self.step_loss is None else self._roster.over_all(self.step_loss)
        self._roster.make_whole()
        self._kept.follow(self._roster.members)

    def _follow_members(self) -> None:
        self._kept.follow(self._roster.members)
        self.history.members[:] = self._roster.members

    def _over_all(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return values of the members in training as values of all, with NaN for dropped ones."""
        if self._roster.chosen is None:
            return dict(values)
        return {name: self._roster.over_all(value) for name, value in values.items()}

    def keep_stopped_members(self) -> None:
        """Put back what stopped members keep, after a step or the updater has changed it."""
        self._kept.restore()

    def show_evaluation_parameters(self) -> None:
        """Let the network hold the parameters that are evaluated."""
        self.updater.show_evaluation_parameters()
        self.keep_stopped_members()

    def event(self, hook: str) -> Callable[..., None] | None:
        """Return a function that calls every callback's implementation of the hook, in order; None if there is none.

        It calls all of them even if some raise, and then raises CallbackError.
        """
        return self._events.caller(hook, self)

    def call(self, hook: str, **arguments: Any) -> None:
        """Call every callback's implementation of the hook."""
        event = self.event(hook)
        if event:
            event(**arguments)
