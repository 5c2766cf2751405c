import dataclasses
import functools
import re

import pytest
import torch

from chainrule import CallbackError, ChainruleError, fit, hookimpl
from chainrule.layers import batch_norm, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))


class Recorder:
    def __init__(self, log, name):
        self.log, self.name = log, name

    @hookimpl
    def chainrule_fit_start(self, run):
        self.log.append((self.name, "start", run.epoch, run.step, run.epochs, run.steps_per_epoch))

    @hookimpl
    def chainrule_step_end(self, run):
        self.log.append((self.name, "step", run.epoch, run.step))

    @hookimpl
    def chainrule_epoch_end(self, run, epoch, metrics):
        assert epoch == run.epoch == run.history.epochs
        self.log.append((self.name, "epoch", epoch, sorted(metrics)))

    @hookimpl
    def chainrule_fit_end(self, run, error):
        self.log.append((self.name, "end", run.epoch, error))


def train(*callbacks, **settings):
    return fit(
        linear(3, 3).build(), mse(), sgd(), callbacks=callbacks, **{"train": (X, Y), "batch_size": 10, **settings}
    )


def test_events_reach_every_callback_in_the_order_given():
    log = []
    train(Recorder(log, "a"), Recorder(log, "b"), epochs=2)
    events = [
        ("start", 0, 0, 2, 2),
        *[("step", 1, 1), ("step", 1, 2), ("epoch", 1, ["train_loss"])],
        *[("step", 2, 3), ("step", 2, 4), ("epoch", 2, ["train_loss"])],
        ("end", 2, None),
    ]
    assert log == [(name, *event) for event in events for name in "ab"]


def test_no_epochs_start_and_end():
    log = []
    train(Recorder(log, "a"), epochs=0)
    assert [event[1] for event in log] == ["start", "end"]


def test_an_iterable_without_a_length_has_no_known_steps():
    log = []
    train(Recorder(log, "a"), train=((X, Y) for _ in range(3)))
    assert log[0][-1] is None


class Stopper:
    def __init__(self, at):
        self.at = at

    @hookimpl
    def chainrule_step_end(self, run):
        if run.step == self.at:
            run.stop()


@pytest.mark.parametrize(("at", "epochs"), [(1, 1), (2, 1), (3, 2)])
def test_stop_ends_the_fit_after_the_current_epoch(at, epochs):
    assert train(Stopper(at), epochs=5).epochs == epochs


class Faulty:
    @hookimpl
    def chainrule_epoch_end(self, epoch):
        if epoch == 2:
            raise KeyError("gone")


def test_a_callback_that_raises_is_named_and_the_others_are_told():
    log = []
    with pytest.raises(CallbackError) as caught:
        train(Faulty(), Recorder(log, "a"), epochs=5)
    assert str(caught.value) == (
        "faulty: chainrule_epoch_end raised KeyError: 'gone'. Mend the callback or leave it out."
    )
    assert isinstance(caught.value.__cause__, KeyError)
    assert log[-1] == ("a", "end", 2, caught.value)


EVENTS = ["fit_start", "step_end", "epoch_end", "fit_end"]


def failing(event, error, name="Faulty"):
    def fail(self):
        raise error

    fail.__name__ = hook = f"chainrule_{event}"
    return type(name, (), {hook: hookimpl(fail)})()


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_and_the_end_reach_those_after_a_callback_that_raises(event):
    log = []
    first, second = failing(event, OSError("no network")), failing(event, KeyError("gone"), "Other")
    with pytest.raises(CallbackError) as caught:
        train(Recorder(log, "a"), first, Recorder(log, "b"), second, Recorder(log, "c"), epochs=2)
    hook = f"chainrule_{event}"
    assert str(caught.value) == (
        f"faulty: {hook} raised OSError: no network; other: {hook} raised KeyError: 'gone'. "
        "Mend the callbacks or leave them out."
    )
    assert isinstance(caught.value.__cause__, OSError)
    assert [entry[0] for entry in log] == list("abc") * (len(log) // 3)
    assert [entry[1] for entry in log if entry[0] == "a"][-1] == "end"
    assert log[-1][-1] is (None if event == "fit_end" else caught.value)


@pytest.mark.parametrize("event", EVENTS)
def test_an_interrupt_of_a_callback_stays_one_and_the_others_are_told(event):
    log = []
    with pytest.raises(KeyboardInterrupt) as caught:
        train(failing(event, ValueError("odd")), failing(event, KeyboardInterrupt(), "Slow"), Recorder(log, "a"))
    assert log[-1][1] == "end"
    assert caught.value.__notes__ == [
        f"faulty: chainrule_{event} raised ValueError: odd; slow: chainrule_{event} raised KeyboardInterrupt."
    ]


class Interrupted:
    def __iter__(self):
        yield X, Y
        raise KeyboardInterrupt


def test_the_error_of_the_fit_is_raised_and_those_of_callbacks_at_its_end_are_its_notes():
    log, ends = [], (failing("fit_end", OSError("no network")), failing("fit_end", KeyError("gone"), "Other"))
    with pytest.raises(KeyboardInterrupt) as caught:
        train(*ends, Recorder(log, "a"), train=Interrupted())
    assert log[-1] == ("a", "end", 1, caught.value)
    (note,) = caught.value.__notes__
    assert note.startswith("CallbackError: faulty: chainrule_fit_end raised OSError: no network; other: chainrule_fit")


def test_a_rule_that_fails_in_evaluating_does_not_keep_callbacks_from_the_end():
    class Unevaluated(type(sgd())):
        def evaluation_parameter(self, parameter, state):
            raise ValueError("no mean yet")

    log = []
    for epochs in (0, 1):
        with pytest.raises(ValueError, match="no mean yet") as caught:
            fit(linear(3, 3).build(), mse(), Unevaluated(), train=(X, Y), epochs=epochs, callbacks=[Recorder(log, "a")])
        assert log[-1] == ("a", "end", epochs, caught.value)


def test_an_error_message_on_several_lines_becomes_one_and_one_that_names_the_callback_is_kept():
    with pytest.raises(CallbackError, match=r"^faulty: chainrule_epoch_end raised ValueError: two lines\. Mend the"):
        train(failing("epoch_end", ValueError("two\nlines.")))
    own = ChainruleError("faulty: the path must be a file, got a folder. Choose another.")
    with pytest.raises(CallbackError) as caught:
        train(failing("fit_start", own))
    assert str(caught.value) == str(own)
    with pytest.raises(
        CallbackError, match=r"^faulty: .* raised ChainruleError: linear: x must .*\. Mend the callback"
    ):
        train(failing("epoch_end", ChainruleError("linear: x must be a tensor, got 3. Pass one.")))


class Misspells:
    @hookimpl
    def chainrule_epoch_end(self, metrics):
        metrics["loss"]


def test_a_metric_that_there_is_not_is_answered_with_those_that_there_are():
    with pytest.raises(CallbackError, match=r"metrics: no curve is called 'loss'\. It has train_loss\."):
        train(Misspells())


def test_an_error_in_training_ends_the_fit_with_it():
    log = []
    with pytest.raises(ValueError, match="linear: x must have shape") as caught:
        train(Recorder(log, "a"), train=[(X[:, :2], Y)])
    assert log[-1] == ("a", "end", 1, caught.value)


class UnknownHook:
    @hookimpl
    def chainrule_epochend(self, run):
        pass


class UnknownArgument:
    @hookimpl
    def chainrule_epoch_end(self, nonsense):
        pass


class Yields:
    @hookimpl
    def chainrule_epoch_end(self, run):
        yield


class Waits:
    @hookimpl
    async def chainrule_epoch_end(self, run):
        pass


class Unmarked:
    def chainrule_epoch_end(self, run):
        pass


class UnmarkedOverride(Recorder):
    def chainrule_epoch_end(self, run, epoch, metrics):
        super().chainrule_epoch_end(run, epoch, metrics)


class UnmarkedPartial(Recorder):
    chainrule_epoch_end = functools.partialmethod(print)


class UnmarkedMisspelt(Recorder):
    def chainrule_fit_begin(self, run):
        pass


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (UnknownHook(), r"^unknown_hook: hooks must have the names .* unknown hook 'chainrule_epochend'"),
        (UnknownArgument(), r"^unknown_argument: hooks must have .* Argument\(s\) {'nonsense'}"),
        (Yields(), r"^yields: hooks must be plain functions, got chainrule_epoch_end with yield or async"),
        (Waits(), r"^waits: hooks must be plain functions, got chainrule_epoch_end with yield or async"),
        (Unmarked(), r"^unmarked: hooks must be marked with @chainrule.hookimpl, .* got chainrule_epoch_end without"),
        (UnmarkedOverride([], "a"), r"^unmarked_override: hooks must be marked .* got chainrule_epoch_end without it"),
        (UnmarkedPartial([], "a"), r"^unmarked_partial: hooks must be marked .* got chainrule_epoch_end without it"),
        (UnmarkedMisspelt([], "a"), r"^unmarked_misspelt: hooks must be marked .* got chainrule_fit_begin without it"),
        (object(), r"^object: .* implements no training hook. Mark its methods with @chainrule\."),
    ],
)
def test_a_callback_that_would_never_be_called_raises(callback, message):
    with pytest.raises(CallbackError, match=message) as caught:
        train(callback)
    assert "\n" not in str(caught.value)


class Defaults:
    @hookimpl
    def chainrule_epoch_end(self, run, epoch=0, metrics=None):
        pass


class TakesAny:
    @hookimpl
    def chainrule_epoch_end(self, run, **others):
        pass


class OnlyByName:
    @hookimpl
    def chainrule_epoch_end(self, run, *, epoch):
        pass


class NoSelf:
    @hookimpl
    def chainrule_epoch_end(run, metrics):  # noqa: N805 - the mistake
        pass


@pytest.mark.parametrize(
    ("callback", "got"),
    [
        (Defaults(), "(self, run, epoch=0, metrics=None)"),
        (TakesAny(), "(self, run, **others)"),
        (OnlyByName(), "(self, run, *, epoch)"),
        (NoSelf(), "(run, metrics)"),
    ],
    ids=["defaults", "any", "only_by_name", "no_self"],
)
def test_an_argument_that_would_not_get_the_hooks_value_raises(callback, got):
    words = re.escape(f"got {got}. Write def chainrule_epoch_end(self, run, epoch, metrics).")
    with pytest.raises(CallbackError, match=f": chainrule_epoch_end must take arguments of the hook, .* {words}$"):
        train(callback)


class TakesAnyUnused(Recorder):
    @hookimpl
    def chainrule_epoch_end(self, run, metrics, **_):
        self.log.append(sorted(metrics))


def test_the_rest_of_arguments_may_be_taken_by_a_name_that_is_not_used():
    log = []
    train(TakesAnyUnused(log, "a"), epochs=1)
    assert ["train_loss"] in log


def test_arguments_of_a_callbacks_own_keep_their_defaults():
    class Counts:
        @hookimpl
        def chainrule_epoch_end(self, epoch, seen=(), *, step=1):
            self.last = (epoch, seen, step)

        def epoch_end(self, *args, **kwargs):
            pass

    counts = Counts()
    train(counts, epochs=2)
    assert counts.last == (2, (), 1)


def test_a_callback_is_given_once():
    callback = Stopper(1)
    with pytest.raises(CallbackError, match=r"^stopper: a callback must be passed once"):
        train(callback, callback)


def test_callbacks_of_one_fit_do_not_reach_another():
    log = []
    train(Recorder(log, "a"))
    seen = len(log)
    train()
    assert len(log) == seen


@pytest.mark.parametrize(
    ("assigned", "words"),
    [
        ("stop", r"^assigning: run\.stop must not be assigned, got True\. Call run\.stop\(\)\.$"),
        ("epochs", r"^assigning: run\.epochs must not be assigned, got True\. It is there to be read\.$"),
        ("updater", r"^assigning: run\.updater must not be assigned, got True\. Use run\.updater\.set_lr\(…\)\.$"),
        ("network", r"^assigning: run\.network must not be assigned"),
    ],
)
def test_an_attribute_of_the_run_that_the_fit_would_not_read_is_not_assigned(assigned, words):
    class Assigning:
        @hookimpl
        def chainrule_step_end(self, run):
            setattr(run, assigned, True)

    with pytest.raises(CallbackError, match=words):
        train(Assigning(), epochs=1)


def test_callbacks_may_leave_notes_on_the_run_for_others():
    seen = []

    class Noting:
        @hookimpl
        def chainrule_step_end(self, run):
            run.note = run.step

    class Reading:
        @hookimpl
        def chainrule_step_end(self, run):
            seen.append(run.note)

    train(Noting(), Reading(), epochs=1)
    assert seen == [1, 2]


def test_two_callbacks_that_are_equal_are_two():
    seen = []

    @dataclasses.dataclass
    class Every:
        steps: int = 1

        @hookimpl
        def chainrule_step_end(self, run):
            seen.append(run.step)

    train(Every(), Every(), epochs=1)
    assert seen == [1, 1, 2, 2]


@pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])
def test_a_callback_may_predict_between_steps(compile, traced):
    class Predicts:
        @hookimpl
        def chainrule_step_end(self, run):
            run.network.eval()(X)

    histories = [
        fit(
            sequential(linear(3, 4), batch_norm(4), linear(4, 3)).build(seed=0),
            mse(),
            sgd(lr=0.1),
            train=(X, Y),
            epochs=2,
            batch_size=5,
            callbacks=callbacks,
            compile=compile,
        )
        for callbacks in ([Predicts()], [])
    ]
    assert histories[0] == histories[1]
