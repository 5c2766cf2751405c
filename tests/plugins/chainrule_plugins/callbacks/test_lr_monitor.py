import pytest

from chainrule.callbacks import csv, lr_monitor
from chainrule.optimizers import adam, lookahead
from tests.scripted_curves import scripted_fit


def test_it_records_the_rate_of_each_epochs_last_step_after_the_schedule():
    rule = lookahead(inner=adam(lr=[0.1, 0.2], schedule=lambda t: 1 / t))
    _, history = scripted_fit([[0, 0]] * 3, [lr_monitor()], optimizer=rule)  # three steps an epoch
    expected = [[0.1 / t, 0.2 / t] for t in (3, 6, 9)]
    for row, rates in zip(history["lr"].tolist(), expected, strict=True):
        assert row == pytest.approx(rates)


def test_callbacks_after_it_get_the_rate(tmp_path):
    scripted_fit([0, 0], [lr_monitor(), csv(tmp_path / "history.csv")])
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header == "epoch,train_loss,train_score,lr"
    assert [row.split(",")[-1] for row in rows] == ["0.1", "0.1"]
