"""Wrong callbacks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from chainrule.base.hookspecs import hookimpl

from . import collect

MUTANTS, wrong = collect("callbacks")


@wrong("callback_is_documented")
class Undocumented:
    @hookimpl
    def chainrule_step_end(self) -> None: ...


@wrong("callback_implements_a_training_hook")
class Unmarked:
    """Do nothing, unmarked."""

    def chainrule_step_end(self) -> None: ...


@wrong("callback_implements_a_training_hook")
class OneUnmarked:
    """Do nothing, once unmarked."""

    @hookimpl
    def chainrule_step_end(self) -> None: ...

    def chainrule_epoch_end(self) -> None: ...


@wrong("callback_implements_a_training_hook")
class Misspelt:
    """Do nothing at the end of a stop."""

    @hookimpl
    def chainrule_stop_end(self) -> None: ...

    @hookimpl
    def chainrule_step_end(self) -> None: ...


@wrong("callback_implements_a_training_hook")
class UnknownArgument:
    """Ask for what the hook does not have."""

    @hookimpl
    def chainrule_epoch_end(self, losses: Any) -> None: ...


@wrong("callback_leaves_training_alone")
class ShrinksWeights:
    """Change the weights."""

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        run.network.flat.data.mul_(0.999)


@wrong("callback_leaves_training_alone")
class DrawsNumbers:
    """Draw from torch's global generator."""

    @hookimpl
    def chainrule_epoch_end(self) -> None:
        torch.rand(1)


@wrong("callback_leaves_training_alone")
class RecordsTwice:
    """Change the history."""

    @hookimpl
    def chainrule_epoch_end(self, run: Any, metrics: dict[str, Any]) -> None:
        run.history.append(metrics)


@wrong("callback_leaves_training_alone")
class ChangesNothingThoughDeclared:
    """Declare a change and make none."""

    changes_training = True

    @hookimpl
    def chainrule_epoch_end(self) -> None: ...


@wrong("callback_can_be_used_again")
class PatienceNeverRestored:
    """Stop after two epochs without a reset."""

    def __init__(self) -> None:
        self.left = 4

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        self.left -= 1
        if self.left <= 0:
            run.stop()


@wrong("callback_can_be_used_again")
class PatienceOnTheClass:
    """Stop early by a count that all instances share."""

    left: ClassVar[list[int]] = [2]

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        self.left[0] -= 1
        if self.left[0] == 0:
            run.stop()


@wrong("callback_can_be_used_again")
class RefusesASecondFit:
    """Raise in a second fit."""

    started = False

    @hookimpl
    def chainrule_fit_start(self) -> None:
        if self.started:
            raise RuntimeError("this is fit number 2")
        self.started = True


@wrong("callback_goes_on_when_a_run_is_resumed")
class MeansWithoutState:
    """Record the mean loss of an epoch's steps, of those since a resume alone."""

    @hookimpl
    def chainrule_fit_start(self) -> None:
        self.losses: list[Any] = []

    @hookimpl
    def chainrule_step_end(self, run: Any) -> None:
        self.losses.append(run.loss)

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        run.record("mean", torch.stack(self.losses).mean(0))
        self.losses = []


@wrong("callback_goes_on_when_a_run_is_resumed")
class StateThatIsLost(MeansWithoutState):
    """Record the mean loss of an epoch's steps, and save a sum without the rest."""

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses[:-1]}

    def load_state_dict(self, saved: Any) -> None:
        self.losses = saved["losses"]


@wrong("callback_goes_on_when_a_run_is_resumed")
class StateThatNoFileHolds(MeansWithoutState):
    """Save itself as its state."""

    def state_dict(self) -> dict[str, Any]:
        return {"self": self}

    def load_state_dict(self, saved: Any) -> None:
        vars(self).update(vars(saved["self"]))


@wrong("callback_follows_dropped_members")
class LosesTrackOfMembers:
    """Set the rates of the first rows, whichever members have them."""

    changes_training = True

    @hookimpl
    def chainrule_fit_start(self, run: Any) -> None:
        self.rates = torch.arange(1, run.network.members + 1) / 10.0

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        if run.network.is_ensemble:
            run.updater.set_lr(self.rates[: len(run.members)])
        else:
            run.updater.set_lr(0.1)


@wrong("callback_follows_dropped_members")
class KeepsRows:
    """Keep the sum of the losses of each row."""

    @hookimpl
    def chainrule_fit_start(self) -> None:
        self.sum: Any = 0

    @hookimpl
    def chainrule_step_end(self, run: Any) -> None:
        self.sum = self.sum + run.step_loss

    def state_dict(self) -> dict[str, Any]:
        return {"sum": self.sum}

    def load_state_dict(self, saved: Any) -> None:
        self.sum = saved["sum"]


@wrong("callback_is_silent_off_a_terminal")
class Prints:
    """Print every epoch."""

    @hookimpl
    def chainrule_epoch_end(self, epoch: int) -> None:
        print("epoch", epoch)


@wrong("callback_lets_errors_through")
class ReadsTheHistoryAtTheEnd:
    """Take for granted that there is a curve."""

    @hookimpl
    def chainrule_fit_end(self, run: Any) -> None:
        self.last = run.history["train_loss"][-1]


@wrong("callback_leaves_training_alone")
class RuinsTheWeightsAsDeclared:
    """Declare a change and make every weight NaN."""

    changes_training = True

    @hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        run.network.flat.data.fill_(torch.nan)


RUNS: list[Any] = []


@wrong("callback_lets_go_of_the_run")
class KeepsEveryRun:
    """Keep the run in a list of the module."""

    @hookimpl
    def chainrule_step_end(self, run: Any) -> None:
        RUNS.append(run)


@wrong("callback_lets_go_of_the_run")
class KeepsTheRun:
    """Keep the run in an attribute."""

    @hookimpl
    def chainrule_fit_start(self, run: Any) -> None:
        self.run = run
