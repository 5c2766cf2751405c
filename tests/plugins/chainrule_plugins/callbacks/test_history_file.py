import json
from pathlib import Path

import pytest
import torch

from chainrule import fit
from chainrule.callbacks import history_file
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)


@pytest.mark.parametrize("settings", [{"seed": 0}, {"seeds": [0, 1]}], ids=str)
def test_it_holds_the_curves(tmp_path, settings):
    path = tmp_path / "runs" / "history.json"
    network = linear(3, 3).build(**settings)
    history = fit(network, mse(), sgd(), train=(X, Y), validation=(X, Y), epochs=3, callbacks=[history_file(str(path))])
    assert read(path) == {name: curve.tolist() for name, curve in history.items()}
    assert [file.name for file in path.parent.iterdir()] == ["history.json"]


@pytest.mark.parametrize("settings", [{"seed": 0}, {"seeds": [0, 1]}], ids=str)
def test_a_run_that_diverges_leaves_valid_json(tmp_path, settings):
    path = tmp_path / "history.json"
    fit(linear(3, 3).build(**settings), mse(), sgd(lr=1e30), train=(X, Y), epochs=4, callbacks=[history_file(path)])
    assert read(path)["train_loss"][-1] in (None, [None, None])


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    path = tmp_path / "history.json"
    seen, write_text = [], Path.write_text

    def write_and_look(self, *arguments, **settings):
        assert self != path
        seen.append(len(read(path)["train_loss"]) if path.exists() else 0)
        return write_text(self, *arguments, **settings)

    monkeypatch.setattr(Path, "write_text", write_and_look)
    fit(linear(3, 3).build(), mse(), sgd(), train=(X, Y), epochs=3, callbacks=[history_file(path)])
    assert seen == [0, 1, 2]
