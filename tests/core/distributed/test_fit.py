"""Fits on two processes, each compared with the fit of one."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from chainrule import distributed
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from tests.interpreter import STRICT

PROGRAM = Path(__file__).with_name("processes.py")


@pytest.fixture(scope="module")
def cases():
    """The cases, as functions for one process."""
    spec = importlib.util.spec_from_file_location("processes", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_several(folder, *names, size=2):
    """Return what cases return in each process, of those that have not ended before."""
    ended = STRICT.run(PROGRAM, folder, size, *names)
    assert ended.returncode == 0, ended.stderr
    return [torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return on_several(tmp_path_factory.mktemp("quick"), "members", "thaws", "rows", "errors")


def test_members_are_those_of_one_process_in_every_process(quick, cases):
    assert_alike([found["members"] for found in quick], cases.members(), tolerance=1e-12)


def test_what_callbacks_froze_is_so_in_every_process(quick, cases):
    assert quick[0]["thaws"]["frozen"].tolist() == [False, False, False, False, True, True]
    assert_alike([found["thaws"] for found in quick], cases.thaws(), tolerance=1e-12)


def test_rows_give_the_network_of_one_process_in_every_process(quick, cases):
    assert_alike([found["rows"] for found in quick], cases.rows(), tolerance=1e-10)


def assert_alike(found, expected, tolerance):
    assert len(found) == 2
    for each in found:
        assert_close(each, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize(
    ("case", "messages"),
    [
        (
            "batch norm",
            ["distributed.fit: the layers of one network must treat the rows of a batch one by one, got a "],
        ),
        ("dropout", ["distributed.fit: the layers of one network must draw no random numbers, got 0.random. Leave "]),
        (
            "checkpoint",
            ["distributed.fit: checkpoint must be left out for one network, which several processes train, got"],
        ),
        (
            "unlike",
            ["distributed.fit: every process must be called alike, got in process 1 batch_size 9 in place of 8"],
        ),
        (
            "frozen in one alone",
            ["distributed.fit: callbacks must freeze the same in every process, got [] and ['0.bias', '0.weight']."],
        ),
        ("unknown", ['fit: takes no argument "batch". Did you mean "batch_size"?']),
        (
            "a callback of members",
            [
                "distributed.fit: process 1 of 2 failed: raises: chainrule_epoch_end raised ValueError: the disk is",
                "raises: chainrule_epoch_end raised ValueError: the disk is full. Mend the callback or leave it out.",
            ],
        ),
    ],
)
def test_a_mistake_is_one_line_in_every_process(quick, case, messages):
    for rank, found in enumerate(quick):
        assert found["errors"][case].startswith(messages[min(rank, len(messages) - 1)])


def test_without_torchrun_it_is_the_fit_of_one_process():
    network = linear(1, 1).build(seed=0)
    history = distributed.fit(network, mse(), sgd(), train=(torch.ones(4, 1), torch.ones(4, 1)), epochs=2)
    assert history.epochs == 2
    assert history.updater.network is network


@pytest.mark.slow
def test_rules_per_parameter_wrappers_and_checkpoints_are_those_of_one_process(tmp_path, cases):
    for size in (2, 3):
        (tmp_path / f"{size}").mkdir()
        found = on_several(tmp_path / f"{size}", "wrapped", "resumed", size=size)
        for each in found:
            assert_close(each["wrapped"], cases.wrapped(), rtol=1e-10, atol=1e-10)  # a member alone is not batched
            assert_close(each["resumed"], cases.members(), rtol=1e-12, atol=1e-12)
        assert (tmp_path / f"{size}" / f"run.1-of-{size}.ckpt").exists()


@pytest.mark.slow
def test_a_process_judges_its_own_members(tmp_path, cases):
    """The members that two processes stop and drop are other ones, but each is as it would be without."""
    for found in on_several(tmp_path, "stops", "halves"):
        stopped, expected = found["stops"], cases.stops()
        assert_close(stopped["network"], expected["network"], rtol=1e-12, atol=1e-12)
        assert found["halves"]["stayed"].tolist() == sorted(found["halves"]["stayed"].tolist())
        curves, free = found["halves"]["curves"]["train_loss"], cases.members(epochs=4)["curves"]["train_loss"]
        assert curves.isnan().sum(0).tolist().count(0) == len(found["halves"]["stayed"]) == 3  # 2 of 3, and 1 of 2
        assert_close(curves[~curves.isnan()], free[~curves.isnan()], rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_one_network_ends_with_a_line_when_a_process_is_killed(tmp_path):
    (found,) = on_several(tmp_path, "dies")
    assert found["dies"].startswith("distributed.fit: every process must live until the end, got one that does not ans")


@pytest.mark.slow
@pytest.mark.parametrize("built", ["seeds=range(4)", "seed=0"])
def test_torchrun_ends_all_processes_when_one_is_killed(tmp_path, built):
    script = tmp_path / "script.py"
    script.write_text(f"""
import os, signal, torch
from chainrule import distributed, hookimpl
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd


class Dies:
    @hookimpl
    def chainrule_epoch_end(self, epoch):
        if epoch == 3 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)


x = torch.ones(8, 1)
distributed.fit(linear(1, 1).build({built}), mse(), sgd(), train=(x, x), epochs=10**9, callbacks=[Dies()])
""")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "Signal 9 (SIGKILL) received" in ended.stderr
