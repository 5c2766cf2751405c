import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from chainrule import CallbackError, ChainruleError, fit
from chainrule.callbacks import history_file
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from tests.interpreter import STRICT

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def read(path):
    text = path.read_text(encoding="utf-8")
    assert not text or text.endswith("\n")
    return [json.loads(line, parse_constant=no_constant) for line in text.splitlines()]


def train(path, *, epochs=3, lr=0.01, **settings):
    network = linear(3, 3).build(**settings)
    return fit(
        network, mse(), sgd(lr=lr), train=(X, Y), validation=(X, Y), epochs=epochs, callbacks=[history_file(path)]
    )


@pytest.mark.parametrize("settings", [{"seed": 0}, {"seeds": [0, 1]}], ids=str)
def test_it_holds_the_curves(tmp_path, settings):
    path = tmp_path / "runs" / "history.jsonl"
    for _ in range(2):  # the second fit starts the file anew
        history = train(str(path), **settings)
        curves = {name: curve.tolist() for name, curve in history.items()}
        assert read(path) == [{"epoch": e + 1, **{name: curves[name][e] for name in curves}} for e in range(3)]
    assert [file.name for file in path.parent.iterdir()] == ["history.jsonl"]


@pytest.mark.parametrize("settings", [{"seed": 0}, {"seeds": [0, 1]}], ids=str)
def test_a_run_that_diverges_leaves_valid_json(tmp_path, settings):
    path = tmp_path / "history.jsonl"
    train(path, epochs=4, lr=1e30, **settings)
    assert read(path)[-1]["train_loss"] in (None, [None, None])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's count of the bytes written")
def test_what_it_writes_grows_linearly_with_the_epochs(tmp_path):
    def written(epochs):
        def count():
            return int(Path("/proc/self/io").read_text().split("wchar:")[1].split()[0])

        before = count()
        train(tmp_path / "history.jsonl", epochs=epochs)
        return count() - before

    assert written(200) < 1.2 * (tmp_path / "history.jsonl").stat().st_size


TRAIN = """
import resource, sys, torch
from chainrule import CallbackError, fit
from chainrule.callbacks import history_file
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from tests.interpreter import STRICT
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
x = torch.ones(2, 3)
network = linear(3, 3).build(seeds=range(int(sys.argv[3])))
try:
    fit(network, mse(), sgd(), train=(x, x), epochs=100_000, callbacks=[history_file(sys.argv[1])])
except CallbackError as error:
    print(error)
"""


def test_a_killed_fit_leaves_whole_lines(tmp_path):
    path = tmp_path / "history.jsonl"
    child = subprocess.Popen([sys.executable, "-c", TRAIN, str(path), str(1 << 30), "1000"])
    while child.poll() is None and (not path.exists() or path.stat().st_size < 200_000):
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert [record["epoch"] for record in read(path)] == list(range(1, len(read(path)) + 1))


def test_a_full_disk_is_one_line_and_leaves_whole_lines(tmp_path):
    path = tmp_path / "history.jsonl"
    done = STRICT.run("-c", TRAIN, path, "10000", "3")
    assert done.stdout == (
        f"history_file: the path must be that of a file that can be written, got {path} (File too large). "
        "Choose another.\n"
    )
    assert 9_800 < path.stat().st_size < 10_000
    assert len(read(path)) > 1


def test_a_link_stays_one_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "elsewhere.jsonl", tmp_path / "history.jsonl"
    link.symlink_to(target)
    for _ in range(2):
        train(link)
        assert link.is_symlink()
        assert len(read(target)) == 3


def test_a_pipe_stays_one_and_its_reader_gets_the_lines(tmp_path):
    path = tmp_path / "history.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    train(path)
    assert path.is_fifo()
    assert [json.loads(line)["epoch"] for line in os.read(reader, 10_000).splitlines()] == [1, 2, 3]
    os.close(reader)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    train("~/runs/history.jsonl")
    assert len(read(tmp_path / "runs" / "history.jsonl")) == 3
    with pytest.raises(ChainruleError, match=r'^history_file: the path must begin .*, got "~nobody-here/history'):
        history_file("~nobody-here/history.jsonl")


def test_a_relative_path_is_that_of_the_folder_in_which_the_fit_began(tmp_path, monkeypatch):
    class Moves:
        def __iter__(self):
            monkeypatch.chdir("/")
            yield X, Y

    monkeypatch.chdir(tmp_path)
    fit(linear(3, 3).build(), mse(), sgd(), train=Moves(), callbacks=[history_file("history.jsonl")])
    assert len(read(tmp_path / "history.jsonl")) == 1


@pytest.mark.parametrize("path", [".", "file/below.jsonl", "/proc/none/here.jsonl", "with\0zero.jsonl"])
def test_a_path_that_cannot_be_written_is_one_line_before_training(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for train_data in ((X, Y), [(X[:, :2], Y)]):  # the second fails in its first step
        message = rf"^history_file: the path must be .*, got {path} \(.*\)\. Choose another\.$"
        with pytest.raises(CallbackError, match=message):
            fit(linear(3, 3).build(), mse(), sgd(), train=train_data, callbacks=[history_file(path)])
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_fit_that_fails_in_its_first_epoch_leaves_the_curves_of_an_earlier_one(tmp_path):
    path = tmp_path / "history.jsonl"
    train(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="linear: x must have shape"):
        fit(linear(3, 3).build(), mse(), sgd(), train=[(X[:, :2], Y)], callbacks=[history_file(path)])
    assert path.read_bytes() == before


def test_a_folder_that_is_gone_before_the_fit_is_one_line(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(CallbackError, match=r"^history_file: the path must be .*, got history\.jsonl \(No such file"):
        train("history.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is always full")
def test_a_full_device_that_cannot_be_cut_is_named_as_full():
    with pytest.raises(CallbackError, match=r"got /dev/full \(No space left on device\)\. Choose another\.$"):
        train("/dev/full")


@pytest.mark.parametrize("path", [None, 3, b"history.jsonl"])
def test_what_is_no_path_is_refused_when_given(path):
    with pytest.raises(ChainruleError, match=r"^history_file: the path must be text or a Path, got .* for example\.$"):
        history_file(path)
