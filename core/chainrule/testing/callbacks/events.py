"""Checks on callbacks; examples run in an empty folder, so their paths should be relative."""

from __future__ import annotations

import contextlib
import gc
import io
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import torch

from chainrule.base.hookspecs import TrainingHooks, hookimpl
from chainrule.errors import label
from chainrule.network import Network
from chainrule.testing.check import check
from chainrule.testing.compare import expect, expect_close, expect_different
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.optimizers.trials import expect_same
from chainrule.testing.small_fit import small_fit
from chainrule.testing.subject import Subject
from chainrule.training import History

SEEDS = (None, [0, 1, 2])
"""A single network and an ensemble."""


@contextlib.contextmanager
def _aside() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Run the block in an empty folder and yield its captured stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        yield out, err


@check("callbacks", once=True, cause="a class without a docstring of its own.")
def callback_is_documented(subject: Subject) -> None:
    """The docstring begins with a sentence, which `chainrule list` shows."""
    expect_sections(subject.component, ())


@check("callbacks", once=True, cause="a method without @chainrule.hookimpl, or a misspelt hook name or argument.")
def callback_implements_a_training_hook(subject: Subject) -> None:
    """At least one method is marked with hookimpl; all marked methods are training hooks, and all named so are marked.

    A misspelt or unmarked hook would never be called.
    """
    for callback in subject.make_examples():
        with _aside():
            marked = [name for name in dir(type(callback)) if hasattr(getattr(type(callback), name), "chainrule_impl")]
            known = [name for name in vars(TrainingHooks) if name.startswith("chainrule_")]
            unknown = sorted(set(marked) - set(known))
            expect(bool(marked), f"a callback needs a method marked with hookimpl, one of {known}.")
            expect(not unknown, f"methods marked with hookimpl must be among {known}, got {unknown}.")
            small_fit([callback], epochs=1)


@check(
    "callbacks", once=True, cause="a change to run.network or its gradients, or a draw from torch's global generator."
)
def callback_leaves_training_alone(subject: Subject) -> None:
    """A fit with the callback gives the same weights and curves, bit for bit, as a fit without it.

    A callback observes a run, and may end it early. One that declares changes_training = True must change the weights.
    """
    for index in range(len(subject.make_examples())):
        for seeds in SEEDS:
            with _aside():
                callback = subject.make_examples()[index]
                torch.manual_seed(1)
                network, history = small_fit([callback], seeds=seeds)
                drawn = torch.rand(())
                expected = small_fit(seeds=seeds, epochs=history.epochs)
            if getattr(callback, "changes_training", False):
                expect_different(
                    "the weights after a fit with the callback", network.flat.data, expected[0].flat.data,
                    "a callback with changes_training = True must change the weights, got equal ones.",
                )  # fmt: skip
                continue
            expect(history.epochs > 0, "a fit with the callback must take at least one epoch, got 0.")
            _expect_alike("with the callback, as without it,", (network, history), expected)
            torch.manual_seed(1)
            expect_close("torch's next random number after a fit", drawn, torch.rand(()))


@check("callbacks", once=True, cause="state that one fit leaves on the callback or its class and the next fit reads.")
def callback_can_be_used_again(subject: Subject) -> None:
    """A second fit with the same callback behaves like the first, even after a failed fit.

    One callback may serve several fits in turn.
    """
    for index in range(len(subject.make_examples())):
        with _aside():
            expected = small_fit([subject.make_examples()[index]])
            used = subject.make_examples()[index]
            small_fit([used])
            second = small_fit([used])
            with contextlib.suppress(OSError):
                small_fit([used], broken=True)
            third = small_fit([used], seeds=[0, 1]), small_fit([subject.make_examples()[index]], seeds=[0, 1])
        _expect_alike("in a second fit, as in the first,", second, expected)
        _expect_alike("in a fit after a failed one, as in a first fit,", *third)


class _Killed(BaseException):
    """Ends a fit, and is no error that a callback may have handled."""


class _Kill:
    """End a fit within its second epoch."""

    @hookimpl
    def chainrule_step_end(self, run: Any) -> None:
        """Raise after step 5 of 9."""
        if run.step == 5:
            raise _Killed


@check("callbacks", once=True, cause="something remembered from step to step that state_dict leaves out.")
def callback_goes_on_when_a_run_is_resumed(subject: Subject) -> None:
    """A fit that was killed and goes on from a checkpoint gives the same weights and curves, bit for bit.

    A callback that remembers something has `state_dict` and `load_state_dict`.
    """
    for index in range(len(subject.make_examples())):
        for seeds, every in ((None, 2), ([0, 1, 2], 2), (None, "epoch")):
            with _aside():
                expected = small_fit([subject.make_examples()[index]], seeds=seeds)
            with _aside():
                settings: dict[str, Any] = {"seeds": seeds, "checkpoint": "run.ckpt", "every": every}
                with contextlib.suppress(_Killed):
                    small_fit([subject.make_examples()[index], _Kill()], **settings)
                resumed = small_fit([subject.make_examples()[index]], **settings)
            _expect_alike("of a resumed fit, as of one in a piece,", resumed, expected)


@check("callbacks", once=True, cause="print, or a console whose is_terminal is not checked.")
def callback_is_silent_off_a_terminal(subject: Subject) -> None:
    """Nothing is written to stdout or stderr unless they are terminals, so that logs and pipes stay clean."""
    with _aside() as (out, err):
        for callback in subject.make_examples():
            small_fit([callback])
    for name, stream in (("standard output", out), ("standard error", err)):
        expect(not stream.getvalue(), f"{name} must stay empty, got {stream.getvalue()[:80]!r}.")


@check("callbacks", once=True, cause="a chainrule_fit_end that assumes the fit succeeded.")
def callback_lets_errors_through(subject: Subject) -> None:
    """An error in the middle of a fit is raised as it is, and the callback adds none of its own at the fit's end."""
    for callback in subject.make_examples():
        got: object = "no error"
        with _aside():
            try:
                small_fit([callback], broken=True)
            except Exception as error:  # noqa: BLE001 - a callback may raise anything
                got = error
        expect(isinstance(got, OSError), f"{label(callback)} must let the fit's OSError propagate, got {got!r}.")
        notes = " ".join(getattr(got, "__notes__", ()))
        expect(not notes, f"{label(callback)} must raise nothing at the end of a fit that failed, got {notes}")


def _expect_alike(what: str, got: tuple[Network, History], expected: tuple[Network, History]) -> None:
    """Raise CheckFailed unless members that no fit drops have the same weights and curves in both."""
    curves: tuple[Any, Any] = got[1], expected[1]
    epochs = [history.epochs for history in curves]
    expect(epochs[0] == epochs[1], f"the number of epochs {what} must be {epochs[1]}, got {epochs[0]}.")
    both = [member for member in got[1].members if member in expected[1].members]
    (state, kept), (expected_state, expected_curves) = (_of_members(both, *fit) for fit in (got, expected))
    expect_same(what, state, expected_state)
    for name, curve in expected_curves.items():
        expect_close(f"the curve {name} {what}", kept[name], curve)


def _of_members(members: list[int], network: Network, history: History) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the curves of these members, all there are of a single network."""
    state, curves = network.state_dict(), dict(history)
    if network.is_ensemble:
        state = {name: value[members] for name, value in state.items()}
        curves = {name: curve[:, members] for name, curve in curves.items()}
    return state, curves


class _Drop:
    """Drop the second member of an ensemble after the first epoch."""

    @hookimpl
    def chainrule_epoch_end(self, run: Any, epoch: int) -> None:
        """Drop it."""
        if epoch == 1:
            run.drop([1])


@check("callbacks", once=True, cause="a value for each member that is kept by its row; run.members has their numbers.")
def callback_follows_dropped_members(subject: Subject) -> None:
    """A fit from which another callback drops a member gives the others the same weights and curves, bit for bit.

    Metrics have a value for every member, NaN for dropped ones; network, updater, losses and batches have the rows of
    `run.members` alone.
    """
    for index in range(len(subject.make_examples())):
        fits = []
        for others in ([_Drop()], []):
            with _aside():
                fits.append(small_fit([*others, subject.make_examples()[index]], seeds=[0, 1, 2]))
        _expect_alike("of members that stay when one is dropped", *fits)


class _Witness:
    """Keep a weak reference to the run."""

    @hookimpl
    def chainrule_fit_start(self, run: Any) -> None:
        """Refer to the run."""
        self.run = weakref.ref(run)


@check("callbacks", once=True, cause="run kept in an attribute or a global; keep the numbers that are needed instead.")
def callback_lets_go_of_the_run(subject: Subject) -> None:
    """No callback holds the run after a fit, so that its network, optimizer and data can be freed."""
    for callback in subject.make_examples():
        with _aside():
            witness = _Witness()
            small_fit([callback, witness], epochs=1)
            if witness.run() is not None:
                gc.collect()  # it may be in a cycle
            expect(witness.run() is None, f"the run must be freed after the fit, got one that {callback!r} holds.")
