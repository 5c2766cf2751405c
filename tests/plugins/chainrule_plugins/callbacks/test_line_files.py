"""Test that no two callbacks write one file at a time."""

import os

import pytest
import torch

from chainrule import CallbackError, fit, hookimpl
from chainrule.callbacks import csv, history_file
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd

DATA = torch.zeros(4, 1), torch.zeros(4, 1)


def train(*callbacks):
    return fit(linear(1, 1).build(), mse(), sgd(), train=DATA, callbacks=callbacks)


@pytest.mark.parametrize("second", [history_file, csv])
def test_two_callbacks_on_one_path_are_refused(tmp_path, second):
    path, alias = tmp_path / "curves", tmp_path / "alias"
    alias.symlink_to(path)
    for other in (path, alias):
        with pytest.raises(CallbackError, match="the path must be written by one callback at a time, got"):
            train(history_file(path), second(other))
    train(second(path))  # free again, though the fits failed
    assert len(path.read_text().splitlines()) in (1, 2)


def test_a_fit_inside_of_a_fit_may_not_write_its_file(tmp_path):
    class FitsAgain:
        @hookimpl
        def chainrule_epoch_end(self):
            train(history_file(tmp_path / "curves"))

    with pytest.raises(CallbackError, match="one callback at a time"):
        train(history_file(tmp_path / "curves"), FitsAgain())


def test_a_device_takes_the_lines_of_several():
    train(history_file(os.devnull), csv(os.devnull))
