import pytest

from chainrule_lab.paper.claims import answer, early_loss, epochs_to_gain, generalization_gap
from chainrule_lab.paper.experiment import Outcome
from chainrule_lab.paper.experiment_settings import SETTINGS

EPOCHS = 50
JITTER = [-0.0002, 0.0, 0.0001, 0.0002, -0.0001]
"""By seed, so that differences have a spread; the first setting's is turned round to be no mere shift."""


def outcome(name, *, speed=0.9, floor=0.1, gap=0.02, validation=0.95, test=0.95, epochs=EPOCHS, noise=1.0):
    """Return a made-up run: training loss falls from 0.7 to floor by the factor speed an epoch."""
    setting = next(setting for setting in SETTINGS if setting.name == name)
    sign = -1 if name in ("sgd", "adam") else 1
    spread = [sign * noise * value for value in JITTER]
    train = [[floor + j + (0.6 - j) * speed**epoch for epoch in range(1, epochs + 1)] for j in spread]
    return Outcome(
        setting,
        {"train_loss": [0.7] * len(spread)},
        {
            "train_loss": train,
            "validation_loss": train,
            "validation_accuracy": [[validation + j] * epochs for j in spread],
        },
        {
            "loss": [curve[-1] + gap + j for curve, j in zip(train, spread, strict=True)],
            "accuracy": [test + j for j in spread],
        },
    )


def paper(**changes):
    """Return outcomes on which all four claims hold, with changes to some of them."""
    as_claimed = {
        "mse": {"validation": 0.93},
        "sgd": {"speed": 0.95, "floor": 0.2, "gap": 0.03, "test": 0.95},
        "xavier": {"speed": 0.93, "floor": 0.2},
        "adam": {"speed": 0.6, "gap": 0.05, "test": 0.93},
        "adagrad": {"speed": 0.6, "gap": 0.01, "test": 0.97},
        "adagrad_faster": {"speed": 0.6, "gap": 0.01, "test": 0.97},
        "rmsprop": {"speed": 0.6, "gap": 0.05, "test": 0.93},
        "adadelta": {"speed": 0.95, "floor": 0.2, "gap": 0.01, "test": 0.97},
    }
    return {name: outcome(name, **(arguments | changes.get(name, {}))) for name, arguments in as_claimed.items()}


def verdicts(**changes):
    return {claim.letter: claim.verdict for claim in answer(paper(**changes))}


def test_all_claims_hold_on_runs_made_as_the_paper_says():
    assert verdicts() == dict.fromkeys("abcd", "yes")


@pytest.mark.parametrize(
    ("letter", "verdict", "changes"),
    [
        ("a", "no", {"mse": {"validation": 0.97}}),
        ("a", "undecided", {"mse": {"validation": 0.95}}),
        ("b", "no", {"xavier": {"speed": 0.97, "floor": 0.2}}),
        ("b", "no", {"xavier": {"validation": 0.97}}),
        ("b", "undecided", {"xavier": {"speed": 0.95, "floor": 0.2}}),
        ("b", "undecided", {"xavier": {"validation": 0.955}}),
        ("b", "undecided", {"xavier": {"epochs": 39}, "sgd": {"epochs": 39}}),
        ("c", "no", {"sgd": {"speed": 0.4, "floor": 0.05}}),
        ("c", "no", {"adadelta": {"floor": 0.05}}),
        ("c", "undecided", {"adam": {"floor": 0.2, "speed": 0.95}, "rmsprop": {"floor": 0.2, "speed": 0.95}}),
        ("d", "no", {"adam": {"gap": 0.0}}),
        ("d", "no", {"adagrad": {"test": 0.7}}),
        ("d", "undecided", {"sgd": {"gap": 0.05, "noise": 40}}),
    ],
)
def test_each_claim_can_be_refuted_or_left_open(letter, verdict, changes):
    assert verdicts(**changes)[letter] == verdict


def test_claim_b_says_why_it_cannot_be_asked_of_a_short_run():
    claim = answer(paper(xavier={"epochs": 39}, sgd={"epochs": 39}), 2)[0]
    assert claim.grounds == "The claim is about epochs 20 to 40; this run has 39."
    assert not answer(paper(xavier={"epochs": 40}, sgd={"epochs": 40}), 2)[0].reason


def test_adagrad_at_the_other_learning_rate_stays_out_of_the_answer():
    claims = {claim.letter: claim for claim in answer(paper(adagrad_faster={"test": 0.7, "gap": 0.9}))}
    assert claims["d"].verdict == "yes"
    assert "no" in [part.verdict for part in claims["d"].beside]


def test_a_figure_asks_its_own_claims_of_its_own_settings():
    outcomes = paper()
    assert [claim.letter for claim in answer({name: outcomes[name] for name in ("mse", "sgd")}, 1)] == ["a"]
    assert [claim.letter for claim in answer({name: outcomes[name] for name in ("xavier", "sgd")}, 2)] == ["b"]
    del outcomes["mse"], outcomes["xavier"]
    assert [claim.letter for claim in answer(outcomes, 3)] == ["c", "d"]


def made_of(start, curve, test=0.0):
    return Outcome(
        SETTINGS[0], {"train_loss": [start]}, {"train_loss": [curve], "validation_loss": [curve]}, {"loss": [test]}
    )


@pytest.mark.parametrize(
    ("curve", "epochs"),
    [([0.5, 0.1, 0.02, 0.0], 2.0), ([0.11, 0.0], 2.0), ([0.0, 0.0], 1.0), ([1.0, 1.0, 1.0], 3.0), ([0.9, 1.1], 2.0)],
)
def test_epochs_to_gain_counts_to_nine_tenths_of_the_fall_from_before_training(curve, epochs):
    assert epochs_to_gain(made_of(1.0, curve)) == [epochs]


def test_early_loss_is_the_mean_of_epochs_20_to_40_with_both_ends():
    curve = [float(20 <= epoch <= 40) for epoch in range(1, 101)]
    assert early_loss(made_of(0.0, curve)) == [1.0]
    assert early_loss(made_of(0.0, [float(epoch) for epoch in range(1, 101)])) == [30.0]


def test_the_gap_is_test_loss_less_final_training_loss():
    assert generalization_gap(made_of(1.0, [0.5, 0.25], test=0.75)) == [0.5]
