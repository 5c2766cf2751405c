import csv as table
import math

import pytest
import torch

from chainrule import CallbackError, ChainruleError
from chainrule.callbacks import csv
from tests.scripted_curves import scripted_fit


def read(path):
    with path.open(newline="") as file:
        return list(table.DictReader(file))


def test_it_has_a_row_for_each_epoch_of_a_single_network(tmp_path):
    path = tmp_path / "runs" / "history.csv"
    for _ in range(2):  # the second fit starts the file anew
        _, history = scripted_fit([3, math.inf, math.nan], [csv(path)])
        rows = read(path)
        assert list(rows[0]) == ["epoch", "train_loss", "train_score"]
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
        for name, curve in history.items():
            numbers = torch.tensor([float(row[name]) for row in rows], dtype=torch.float64)
            torch.testing.assert_close(numbers, curve, rtol=0, atol=0, equal_nan=True)


def test_it_has_a_row_for_each_epoch_and_member_of_an_ensemble(tmp_path):
    path = tmp_path / "history.csv"
    _, history = scripted_fit([[1, 2], [3, 4]], [csv(str(path))])
    rows = read(path)
    assert list(rows[0]) == ["epoch", "member", "train_loss", "train_score"]
    assert [(row["epoch"], row["member"]) for row in rows] == [("1", "0"), ("1", "1"), ("2", "0"), ("2", "1")]
    assert [float(row["train_loss"]) for row in rows] == history["train_loss"].flatten().tolist()


def test_a_path_that_cannot_be_written_is_one_line_before_training(tmp_path):
    with pytest.raises(CallbackError, match=r"^csv: the path must be that of a file that can be written, got "):
        scripted_fit([1], [csv(tmp_path)])
    with pytest.raises(ChainruleError, match=r"^csv: the path must be text or a Path, got ''\."):
        csv("")
    with pytest.raises(ChainruleError, match=r'^csv: the path must be text or a Path, got 3\. Pass "history\.csv"'):
        csv(3)
