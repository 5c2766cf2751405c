import io
import re

import pytest
import torch
from rich.console import Console

from chainrule import CallbackError, ChainruleError, fit
from chainrule.callbacks import progress
from chainrule.layers import linear
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule.optimizers import sgd

X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(20) % 2


def output(*, terminal, train=(X, Y), width=200, **settings):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    network = linear(3, 2).build(**settings)
    callbacks = [progress(console)]
    fit(network, cross_entropy(), sgd(), train=train, epochs=3, metrics={"accuracy": accuracy()}, callbacks=callbacks)
    return written(console)


def written(console):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def test_it_is_silent_where_the_output_is_not_a_terminal():
    assert output(terminal=False) == ""


def test_it_writes_to_a_console_alone():
    with pytest.raises(ChainruleError, match=r"^progress: console must be one of rich's, got \[\]\. Leave it out\.$"):
        progress(console=[])


@pytest.mark.parametrize("settings", [{"seed": 0}, {"seeds": [0, 1]}], ids=str)
def test_it_shows_epochs_curves_and_speed_on_a_terminal(settings):
    last = output(terminal=True, **settings).replace("\r", "\n").strip().splitlines()[-1]
    assert re.search(r"3/3 .* train_loss 0\.\d+ +train_accuracy 0\.\d+ .*\d steps/s", last)


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_cuts_the_values_off_and_nothing_else(width):
    last = output(terminal=True, width=width).replace("\r", "\n").strip().splitlines()[-1]
    assert len(last) <= width
    assert re.match(r"epoch 3/3 \S+ \d+:\d\d:\d\d train_loss", last)


def test_it_goes_on_from_the_epochs_of_a_resumed_run(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    for epochs in (2, 3):
        network = linear(3, 2).build(seed=0)
        fit(network, cross_entropy(), sgd(), train=(X, Y), epochs=epochs, callbacks=[progress(console)],
            checkpoint=tmp_path / "run.ckpt")  # fmt: skip
    assert "3/3" in written(console).replace("\r", "\n").strip().splitlines()[-1]


def test_it_stops_where_training_fails():
    with pytest.raises(ValueError, match="linear: x must have shape"):
        output(terminal=True, train=(X[:, :2], Y))
    assert "3/3" in output(terminal=True)


def test_it_reports_the_terminals_own_failure_by_its_name():
    console = Console(file=io.StringIO(), force_terminal=True)
    console.file.close()
    with pytest.raises(CallbackError, match=r"^progress: "):
        fit(linear(3, 2).build(), cross_entropy(), sgd(), train=(X, Y), callbacks=[progress(console)])
