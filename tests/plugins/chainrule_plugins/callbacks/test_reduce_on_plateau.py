import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.testing import assert_close

from chainrule import HyperparameterError, param_groups
from chainrule.callbacks import lr_monitor, reduce_on_plateau
from chainrule.optimizers import adam, sgd
from tests.scripted_curves import scripted_fit

GENERATOR = torch.Generator().manual_seed(0)
TABLE = (torch.randint(1, 9, (60, 3), generator=GENERATOR) + 4 * torch.rand(60, 3, generator=GENERATOR)).tolist()


def rates_by_torch(values, lr, **settings):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    scheduler, rates = ReduceLROnPlateau(optimizer, eps=0, **settings), []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return torch.tensor(rates, dtype=torch.float64)


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "min", "patience": 0, "factor": 0.5},
        {"mode": "max", "patience": 2, "cooldown": 3},
        {"mode": "min", "patience": 1, "threshold": 0.3, "min_lr": 1e-3},
        {"mode": "max", "patience": 1, "threshold": 0.1, "factor": 0.9, "cooldown": 1},
    ],
    ids=str,
)
def test_the_rates_of_each_member_are_those_of_torch(settings):
    _, history = scripted_fit(TABLE, [reduce_on_plateau("train_score", **settings), lr_monitor()])
    expected = [rates_by_torch([row[i] for row in TABLE], 0.1, **settings) for i in range(3)]
    assert len(expected[0].unique()) > 2
    assert_close(history["lr"], torch.stack(expected, 1), rtol=1e-12, atol=0)


def test_a_single_network_and_each_group_have_rates_of_their_own():
    rules = param_groups({"*.bias": sgd(lr=0.1), "*": adam(lr=0.01)})
    plateau = reduce_on_plateau("train_score", mode="min", patience=0, min_lr=0.005)
    _, history = scripted_fit([3, 3, 2, 2, 2], [plateau, lr_monitor()], optimizer=rules)
    assert history["lr.*.bias"].tolist() == pytest.approx([0.1, 0.01, 0.01, 0.005, 0.005])
    assert history["lr.*"].tolist() == pytest.approx([0.01, 0.005, 0.005, 0.005, 0.005])


def test_a_rate_that_is_lower_than_the_least_stays():
    plateau = reduce_on_plateau("train_score", mode="min", patience=0, min_lr=1.0)
    assert scripted_fit([1, 1, 1], [plateau, lr_monitor()])[1]["lr"].tolist() == [0.1] * 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 1.0}, r"factor must be a number of at least 0 and below 1, got 1\.0"),
        ({"factor": "half"}, r"factor must be a number of at least 0 and below 1, got 'half'"),
        ({"patience": -1}, r"patience must be an integer of at least 0, got -1"),
        ({"min_lr": -1}, r"min_lr must be a number of at least 0, got -1"),
    ],
)
def test_a_wrong_setting_is_one_line(settings, message):
    with pytest.raises(HyperparameterError, match=f"^reduce_on_plateau: {message}"):
        reduce_on_plateau(**settings)
