import sys

import pytest
import torch

from chainrule import CallbackError, ChainruleError, fit, hookimpl
from chainrule.callbacks import tensorboard
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from tests.scripted_curves import scripted_fit


def curves(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_it_holds_the_curves_of_a_single_network(tmp_path):
    _, history = scripted_fit([3.0, 1.0, 2.0], [tensorboard(tmp_path / "run")])
    found = curves(tmp_path / "run")
    assert found.keys() == history.keys()
    assert found["train_score"] == [(1, 3.0), (2, 1.0), (3, 2.0)]
    assert [value for _, value in found["train_loss"]] == history["train_loss"].to(torch.float32).tolist()


def test_each_member_is_a_run(tmp_path):
    scripted_fit([[3.0, 1.0], [2.0, 4.0]], [tensorboard(str(tmp_path))])
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["member_0", "member_1"]
    assert curves(tmp_path / "member_1")["train_score"] == [(1, 1.0), (2, 4.0)]


def test_a_resumed_run_draws_an_epoch_once(tmp_path):
    class Interrupt:
        @hookimpl
        def chainrule_epoch_end(self, epoch):
            if epoch == 3:
                raise KeyboardInterrupt

    def train(*callbacks):
        x = torch.ones(4, 2)
        fit(linear(2, 2).build(), mse(), sgd(), train=(x, x), epochs=4, checkpoint=tmp_path / "run.ckpt",
            callbacks=[tensorboard(tmp_path / "run"), *callbacks])  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        train(Interrupt())
    train()
    assert [step for step, _ in curves(tmp_path / "run")["train_loss"]] == [1, 2, 3, 4]


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if "tensorboard" in name.split(".")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(CallbackError, match=r'^tensorboard: its package .* pip install "chainrule\[tensorboard\]"\.$'):
        scripted_fit([1.0], [tensorboard(tmp_path)])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CallbackError, match=r"^tensorboard: log_dir must be a folder .*, got .*file \(.*\)\. Ch"):
        scripted_fit([1.0], [tensorboard(tmp_path / "file")])
    with pytest.raises(ChainruleError, match=r'^tensorboard: log_dir must be text or a Path, got \'\'\. Pass "runs"\.'):
        tensorboard("")
    with pytest.raises(ChainruleError, match=r'^tensorboard: log_dir must be text or a Path, got 3\. Pass "runs"\.'):
        tensorboard(3)
