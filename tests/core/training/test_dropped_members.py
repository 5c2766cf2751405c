"""Members that a callback drops, which leave the computation."""

import copy

import pytest
import torch
from torch.testing import assert_close

from chainrule import CallbackError, fit, hookimpl, param_groups
from chainrule.activations import tanh
from chainrule.base.member_rows import rows_of
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, lookahead, muon, sgd, sgld
from chainrule.schedules import exponential
from chainrule.training.steps.snapshot import Watch

X, Y = torch.randn(2, 4, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
RATES = torch.tensor([0.1, 0.01, 0.03, 0.003])
KEPT = [1, 3]


class Drops:
    """Drop members after epochs, by number of the epoch, and remember the network as it was then."""

    def __init__(self, plan=None):
        self.plan = {2: [2], 3: [0]} if plan is None else plan
        self.states, self.members = {}, {}

    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        self.members[epoch] = run.members
        for member in self.plan.get(epoch, []):
            row = run.members.index(member)
            self.states[member] = {name: value[row] for name, value in run.network.state_dict().items()}
        run.drop(self.plan.get(epoch, []))


def train(*callbacks, rule=None, seeds=(0, 1, 2, 3), epochs=5, dtype=torch.float64, per_member=False, **settings):
    layers = [linear(3, 8), batch_norm(8), tanh(), dropout(0.2), linear(8, 3)]
    network = sequential(*layers).build(seeds=seeds, dtype=dtype)
    x, y = (tensor.to(dtype) if per_member else tensor[0].to(dtype) for tensor in (X, Y))
    settings = {"train": (x, y), "validation": (x, y), "batch_size": 8, "epochs": epochs, **settings}
    history = fit(network, mse(), rule or adam(lr=0.1), callbacks=callbacks, per_member=per_member, **settings)
    return network, history


RULES = {
    "rates": adam(lr=RATES),
    "schedule": sgd(lr=0.1, momentum=0.9, schedule=lambda t: RATES * 0.9**t),
    "schedule of numbers": adam(lr=0.1, schedule=exponential(gamma=1 - RATES)),
    "wrappers": lookahead(inner=ema(inner=adam(lr=RATES, betas=(1 - RATES, 0.99)), decay=0.9), k=2),
}
RULES_TO_RECORD = {
    "groups": param_groups({"matrices": muon(lr=RATES), "*": adam()}),
    "noise": sgld(lr=1e-3, temperature=RATES),
}


def expect_the_others_as_without(rule, **settings):
    drops = Drops()
    network, history = train(drops, rule=rule, **settings)
    free, expected = train(rule=rule, **settings)
    assert drops.members == {1: [0, 1, 2, 3], 2: [0, 1, 2, 3], 3: [0, 1, 3], 4: KEPT, 5: KEPT}
    for name, values in free.state_dict().items():
        assert torch.equal(network.state_dict()[name][KEPT], values[KEPT])
    for name, state in expected.updater.state_dict()["state"].items():
        for entry, values in state.items():
            assert torch.equal(history.updater.state_dict()["state"][name][entry][KEPT], values[KEPT])
    for name, curve in expected.items():
        assert torch.equal(history[name][:, KEPT], curve[:, KEPT])
        assert torch.equal(history[name][:2], curve[:2])
        assert torch.equal(history[name][2, 0], curve[2, 0])
        assert history[name][2:, 2].isnan().all()
        assert history[name][3:, 0].isnan().all()
    assert history.members == KEPT


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_the_others_go_on_to_the_bit(rule):
    expect_the_others_as_without(rule)


def test_the_others_go_on_to_the_bit_in_float32():
    expect_the_others_as_without(RULES["wrappers"], dtype=torch.float32)


@pytest.mark.slow  # rules are recorded anew for each number of members
@pytest.mark.parametrize("rule", RULES_TO_RECORD.values(), ids=list(RULES_TO_RECORD))
def test_rules_that_are_not_elementwise_go_on_to_the_bit(rule):
    expect_the_others_as_without(rule)
    expect_the_others_as_without(rule, dtype=torch.float32, per_member=True)


def batches(*, per_member):
    x, y = (X, Y) if per_member else (X[0], Y[0])
    return [(x[..., i : i + 8, :], y[..., i : i + 8, :]) for i in (0, 8, 16)]


@pytest.mark.parametrize(("per_member", "is_iterable"), [(True, False), (True, True), (False, True)])
def test_each_member_keeps_its_data(per_member, is_iterable):
    data = {"train": batches(per_member=per_member), "validation": batches(per_member=per_member)}
    expect_the_others_as_without(adam(), per_member=per_member, evaluate_train=False, **(data if is_iterable else {}))


@pytest.mark.parametrize("rule", [adam(lr=0.1), ema(inner=sgd(lr=0.1), decay=0.9)], ids=["adam", "ema"])
def test_the_network_has_all_members_again_at_the_end(rule):
    drops = Drops({2: [3, 0], 4: [2]})
    network, history = train(drops, rule=rule)
    assert network.seeds == [0, 1, 2, 3]
    for member, state in drops.states.items():
        for name, value in network.state_dict().items():
            assert torch.equal(value[member], state[name])
    x, y = X[0, :8], Y[0, :8]
    before, loss = network.state_dict(), mse(members=True)
    loss(network.train()(x), y)
    network.backward(loss.backward())
    history.updater.step()
    assert all(
        (value != before[name]).any(-1).all() for name, value in network.state_dict().items() if "weight" in name
    )


def test_the_run_has_the_rows_of_those_that_stay():
    seen = {}

    class Sees:
        @hookimpl
        def chainrule_fit_start(self, run):
            seen[0] = run.members, run.network.members

        @hookimpl
        def chainrule_step_end(self, run):
            x, _ = run.batch
            seen[run.epoch] = run.members, run.network.members, len(run.loss), len(x), len(run.updater.rates["*"])

        @hookimpl
        def chainrule_epoch_end(self, run, epoch, metrics):
            run.record("norm", torch.ones(len(run.members)))
            run.record("number", 1.0)
            run.record("whole", torch.arange(4.0))
            assert all(len(value) == 4 for value in metrics.values())

        @hookimpl
        def chainrule_fit_end(self, run):
            seen["end"] = run.members, run.network.members, run.loss.isnan().tolist(), run.dropped_members

    _, history = train(Drops(), Sees(), rule=adam(lr=RATES))
    assert seen == {
        0: ([0, 1, 2, 3], 4),
        **dict.fromkeys((1, 2), ([0, 1, 2, 3], 4, 4, 4, 4)),
        3: ([0, 1, 3], 3, 3, 3, 3),
        **dict.fromkeys((4, 5), (KEPT, 2, 2, 2, 2)),
        "end": ([0, 1, 2, 3], 4, [True, False, True, False], [2, 0]),
    }
    for name in ("norm", "number"):
        assert history[name].isnan().sum(0).tolist() == [2, 0, 3, 0]
    assert history["whole"].tolist() == [[0.0, 1.0, 2.0, 3.0]] * 5


def test_the_loss_at_the_end_is_that_of_those_that_stayed():
    class Sees:
        @hookimpl
        def chainrule_fit_end(self, run):
            self.loss = run.loss

    sees = Sees()
    train(Drops({4: [2], 5: [0]}), sees)
    assert sees.loss.isnan().tolist() == [True, False, True, False]


def test_a_rate_that_is_set_after_a_drop_is_that_of_each_members_row():
    class Sets:
        @hookimpl
        def chainrule_epoch_end(self, run, epoch):
            if epoch == 4:
                run.updater.set_lr(torch.tensor([0.2, 0.4]))

    _, history = train(Drops(), Sets(), rule=adam(lr=RATES))
    assert_close(history.updater.rates["*"], torch.tensor([0.1, 0.2, 0.03, 0.4]), check_dtype=False)


def test_a_parameter_that_is_unfrozen_after_a_drop_is_new_to_those_that_left():
    class Unfreezes:
        @hookimpl
        def chainrule_epoch_end(self, run, epoch):
            if epoch == 3:
                run.network.unfreeze("weight")

    def states(*callbacks):
        network = linear(3, 3).build(seeds=range(4), dtype=torch.float64).freeze("weight")
        history = fit(network, mse(), adam(), train=(X[0], Y[0]), epochs=5, callbacks=[Unfreezes(), *callbacks])
        return history.updater.state_dict()["state"]

    state, free = states(Drops()), states()
    for name, entries in state.items():
        for entry, values in entries.items():
            assert torch.equal(values[KEPT], free[name][entry][KEPT])
            assert (values[[0, 2]] == 0).all() == (name == "weight")


def test_members_may_be_stopped_and_dropped():
    class Stops:
        @hookimpl
        def chainrule_epoch_end(self, run, epoch):
            if epoch == 1:
                run.stop([0, 1])
                self.state = run.network.state_dict()

    stops = Stops()
    network, _ = train(stops, Drops())
    free, _ = train()
    for name, value in network.state_dict().items():
        assert torch.equal(value[[0, 1]], stops.state[name][[0, 1]])
        assert torch.equal(value[3], free.state_dict()[name][3])


def test_the_fit_ends_when_those_that_stay_have_stopped():
    class Stops:
        @hookimpl
        def chainrule_epoch_end(self, run):
            run.stop([3])

    assert train(Stops(), Drops({2: [0, 1, 2]}))[1].epochs == 2


def test_a_fit_that_fails_leaves_all_members():
    class Fails:
        @hookimpl
        def chainrule_epoch_end(self, epoch):
            if epoch == 4:
                raise ValueError("no")

    network = linear(3, 3).build(seeds=range(4), dtype=torch.float64)
    drops = Drops()
    with pytest.raises(CallbackError, match="no") as failure:
        fit(network, mse(), adam(), train=(X[0], Y[0]), epochs=5, callbacks=[drops, Fails()])
    assert not hasattr(failure.value, "__notes__")
    assert network.members == 4
    assert torch.equal(network.state_dict()["weight"][2], drops.states[2]["weight"])


def test_a_history_tells_of_those_that_stayed():
    history = train(Drops())[1]
    assert copy.copy(history).members == KEPT
    assert f"train_loss {history['train_loss'][-1, KEPT].mean():.4g}" in repr(history)


def test_what_a_callback_does_to_the_lists_changes_no_run():
    class Clears:
        @hookimpl
        def chainrule_epoch_end(self, run):
            run.members.clear()
            run.dropped_members.clear()

    assert train(Drops(), Clears())[1].members == KEPT


def test_two_callbacks_may_drop_a_member_in_one_epoch():
    assert train(Drops(), Drops())[1].members == KEPT


class DropsAt:
    def __init__(self, members, event):
        self.members, self.event = members, event

    @hookimpl
    def chainrule_step_end(self, run):
        if self.event == "step":
            run.drop(self.members)

    @hookimpl
    def chainrule_epoch_end(self, run, epoch):
        if self.event == epoch:
            run.drop(self.members)


@pytest.mark.parametrize(
    ("members", "event", "message"),
    [
        ([4], 1, r"run\.drop: members must be below 4, got 4\. Count them from 0\."),
        ([-1], 1, r"run\.drop: members must be 0 to 3, got -1\. Count them from 0\."),
        (True, 1, r"run\.drop: members must be .*, got True\. Pass \[0\], for example\."),
        ([1.0], 1, r"run\.drop: members must be .*, got \[1\.0\]\. Pass \[0\], for example\."),
        (torch.arange(4) > 2, 1, r"run\.drop: members must be .*, got \[False, False, False, True\]\. Pass \[0\], for"),
        (2, 1, r"run\.drop: members must be a list of their numbers, got 2\. Pass \[2\]\."),
        (torch.tensor(2), 1, r"run\.drop: members must be a list of their numbers, got 2\. Pass \[2\]\."),
        ([0, 2], 4, r"run\.drop: members must be in training, got 0, which was dropped\. Choose from run\.members\."),
        (
            [0, 1, 2, 3, 3],
            1,
            r"run\.drop: a member or more must stay in training, got all of \[0, 1, 2, 3\]\. End the ",
        ),
        ([1, 3], 3, r"run\.drop: a member or more must stay in training, got all of \[0, 1, 3\]\. End the fit with"),
        (
            [1],
            "step",
            r"run\.drop: members must be dropped at an epoch's end, got a call in another event\. Call it in",
        ),
    ],
)
def test_what_cannot_be_dropped_is_one_line(members, event, message):
    with pytest.raises(CallbackError, match=message):
        train(Drops(), DropsAt(members, event))


def test_a_single_network_has_no_members_to_drop():
    with pytest.raises(CallbackError, match=r"run\.drop: a member or more must stay in training, got all of \[0\]"):
        train(DropsAt([0], 1), seeds=None)


def test_a_dropped_member_cannot_be_stopped():
    class Stops:
        @hookimpl
        def chainrule_epoch_end(self, run, epoch):
            if epoch == 4:
                run.stop([2])

    with pytest.raises(CallbackError, match=r"run\.stop: members must be in training, got 2, which was dropped"):
        train(Drops(), Stops())


class Killed(BaseException):
    pass


class Kills:
    """End a fit at a step."""

    def __init__(self, step):
        self.step = step

    @hookimpl
    def chainrule_step_end(self, run):
        if run.step == self.step:
            raise Killed


@pytest.mark.parametrize(("step", "every"), [pytest.param(8, "epoch", marks=pytest.mark.slow), (11, 2)])
def test_a_run_goes_on_with_those_that_stayed(tmp_path, step, every):
    rule = ema(inner=adam(lr=RATES, schedule=lambda t: RATES * 0.9**t), decay=0.9)
    settings = {"rule": rule, "per_member": True, "evaluate_train": False}
    with pytest.raises(Killed):
        train(Drops(), Kills(step), checkpoint=tmp_path / "run.ckpt", every=every, **settings)
    network, history = train(Drops(), checkpoint=tmp_path / "run.ckpt", every=every, **settings)
    whole, expected = train(Drops(), **settings)
    assert history.members == KEPT
    assert_close(network.state_dict(), whole.state_dict(), rtol=0, atol=0)
    assert_close(dict(history), dict(expected), rtol=0, atol=0, equal_nan=True)
    saved, free = history.updater.state_dict(), expected.updater.state_dict()
    assert_close(saved["state"], free["state"], rtol=0, atol=0)
    assert torch.equal(saved["trained"], free["trained"])
    again, longer = train(Drops(), epochs=7, checkpoint=tmp_path / "run.ckpt", every=every, **settings)
    assert longer.members == KEPT
    assert_close(again.state_dict(), train(Drops(), epochs=7, **settings)[0].state_dict(), rtol=0, atol=0)


@pytest.mark.slow  # it compiles
def test_a_compiled_fit_drops_members_too():
    drops = Drops({1: [0, 2]})
    network, history = train(drops, rule=adam(lr=RATES), epochs=3, compile=True)
    free, expected = train(rule=adam(lr=RATES), epochs=3, compile=True)
    for name, values in free.state_dict().items():
        assert_close(network.state_dict()[name][KEPT], values[KEPT], rtol=1e-12, atol=1e-12)
    for member, state in drops.states.items():
        assert all(torch.equal(value[member], state[name]) for name, value in network.state_dict().items())
    assert_close(history["train_loss"][:, KEPT], expected["train_loss"][:, KEPT], rtol=1e-12, atol=0)


def test_a_recorded_step_is_out_of_date_when_members_have_left():
    network = linear(3, 3).build(seeds=range(4))
    updater = adam().attach(network)
    watch = Watch(network.modules(), updater)
    assert not watch.sees_changes()
    network.bind_members([0, 2], rows_of(network.member_tensors(), [0, 2]))
    assert watch.sees_changes()


def test_a_copy_of_an_updater_steps_with_those_that_stay():
    class Copies:
        @hookimpl
        def chainrule_epoch_end(self, run, epoch):
            if epoch == 4:
                self.updater = copy.deepcopy(run.updater)

    copies = Copies()
    train(Drops(), copies, rule=sgd(lr=0.1, schedule=lambda t: RATES * 0.9**t))
    assert len(copies.updater.rates["*"]) == 2
