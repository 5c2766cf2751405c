"""``chainrule train``."""

import csv
import json
import os
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from chainrule import ChainruleError, hookimpl
from chainrule.cli.main import app
from chainrule_lab.commands.train import _best as best_of
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.run_folder import FILES, RunFolder
from chainrule_lab.runs.running import train
from chainrule_lab.runs.toml_file import setting, title

DATA = """
import torch
from chainrule import Splits


def points(seed, rows=60):
    x = torch.rand(rows, 2, generator=torch.Generator().manual_seed(seed))
    pair = x, x.sum(1, keepdim=True)
    return Splits(pair, pair, pair)
"""

RUN = """
seeds = [0, 1, 2]
network = [{ name = "linear", in_features = 2, out_features = 8 }, { name = "batch_norm", num_features = 8 }, "tanh",
           { name = "dropout", p = 0.2 }, { name = "linear", in_features = 8, out_features = 1 }]
loss = "mse"
metrics = ["mae"]
epochs = 4
batch_size = 16

[data]
function = "points.py:points"
seed = 3

[optimizer]
name = "lookahead"
inner = { name = "adam", lr = [0.01, 0.1, 1.0] }
"""


MASKED = """
from chainrule import Loss


class Masked(Loss):
    def forward(self, prediction, target):
        difference = (prediction - target).nan_to_num()
        self.save_for_backward(difference)
        return difference.square()

    def gradient(self):
        return 2 * self.saved_tensors()[0]
"""


def chainrule_train(*options):
    return CliRunner().invoke(app, ["train", *map(str, options)])


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Return a folder with a run that has ended, and what the command printed."""
    folder = tmp_path_factory.mktemp("ended")
    (folder / "points.py").write_text(DATA)
    (folder / "first.toml").write_text(RUN)
    done = chainrule_train(folder / "first.toml", "--output", folder / "runs" / "first", "--json")
    assert done.exit_code == 0, done.output
    return folder, done.stdout


@pytest.fixture
def work(tmp_path, monkeypatch, ended):
    """Return a copy of that folder, in which figures cost nothing."""
    monkeypatch.setattr("chainrule_lab.runs.running.render", lambda figure, kind: kind.encode())
    shutil.copytree(ended[0], tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_a_run_leaves_results_curves_figures_state_and_its_whole_description(ended):
    folder = ended[0] / "runs" / "first"
    assert {file.name for file in folder.iterdir()} == set(FILES)
    results = json.loads((folder / "results.json").read_text())
    assert json.loads(ended[1]) == results
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["member"]) for row in rows[:4]] == [("1", "0"), ("1", "1"), ("1", "2"), ("2", "0")]
    assert [float(row["validation_mae"]) for row in rows[-3:]] == results["final"]["validation_mae"]
    assert results["best"]["epoch"][0] == 1 + min(range(4), key=lambda epoch: float(rows[3 * epoch]["validation_loss"]))
    assert results["parameters"] == 2 * 8 + 8 + 8 + 8 + 8 + 1
    state = torch.load(folder / "state.pt", weights_only=True)
    assert state["0.weight"].shape == (3, 8, 2)
    assert tomllib.loads((folder / "run.toml").read_text())["optimizer"]["inner"]["betas"] == [0.9, 0.999]
    assert RunDescription.read(folder / "run.toml") == RunDescription.read(ended[0] / "first.toml")


class Stop:
    def __init__(self, at):
        self.at = at

    @hookimpl
    def chainrule_epoch_end(self, epoch):
        if epoch == self.at:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on_to_the_bit(work):
    run = RunDescription.read(work / "first.toml")
    folder = RunFolder(work / "stopped")
    with pytest.raises(KeyboardInterrupt), folder.taken_for(run):
        train(run, folder, "stopped", [Stop(at=3)])
    assert {file.name for file in folder.path.iterdir()} == {"run.toml", "run.ckpt"}
    assert chainrule_train("first.toml", "--output", "stopped").exit_code == 0
    for name in ("history.csv", "state.pt"):
        assert (work / "stopped" / name).read_bytes() == (work / "runs" / "first" / name).read_bytes(), name


def test_a_run_that_was_stopped_twice_goes_on_from_its_own_description(work):
    """The second time it had more epochs to go."""
    folder = RunFolder(work / "stopped")
    for epochs, stop in ((4, Stop(at=3)), (6, Stop(at=5))):
        run = RunDescription.read(work / "first.toml", {"epochs": epochs})
        with pytest.raises(KeyboardInterrupt), folder.taken_for(run):
            train(run, folder, "stopped", [stop])
    assert chainrule_train("stopped/run.toml", "--output", "stopped").exit_code == 0
    assert tomllib.loads((work / "stopped" / "run.toml").read_text())["epochs"] == 6


def test_settings_may_change_until_something_is_trained(work):
    assert chainrule_train("first.toml", "--output", "new", "--set", "network.0.in_features=3").exit_code == 1
    assert (work / "new" / "run.toml").exists()
    assert chainrule_train("first.toml", "--output", "new").exit_code == 0


def test_a_run_begins_anew_from_the_description_that_it_left(work):
    assert chainrule_train("first.toml", "--output", "new").exit_code == 0
    for file in (work / "new").iterdir():
        if file.name != "run.toml":
            file.unlink()
    assert chainrule_train("new/run.toml", "--output", "new").exit_code == 0
    assert (work / "new" / "results.json").exists()


def test_a_run_does_not_write_over_the_file_that_describes_it(work):
    text = f"# notes\n{RUN}"
    (work / "run.toml").write_text(text)
    done = chainrule_train("run.toml", "--output", ".")
    assert done.stderr.startswith("chainrule: train: the output must not replace what is read, got run.toml. Choose")
    assert (work / "run.toml").read_text() == text
    assert chainrule_train("runs/first/run.toml", "--output", "runs/first").exit_code == 0


def test_two_processes_do_not_train_in_one_folder(work):
    run = RunDescription.read(work / "first.toml")
    with RunFolder(work / "runs" / "first").taken_for(run):
        done = chainrule_train("first.toml")
    assert done.stderr.startswith("chainrule: train: runs/first must be free, got one in which another process trains.")
    assert chainrule_train("first.toml").exit_code == 0


def test_a_run_that_has_ended_says_so_and_trains_no_more(work):
    before = {file: file.stat().st_mtime_ns for file in (work / "runs" / "first").iterdir()}
    done = chainrule_train("first.toml")
    assert done.stdout == (
        "first.toml has run to its end in runs/first. To run it again, delete that, or choose another --output.\n"
    )
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_more_epochs_go_on_from_the_end(work):
    assert chainrule_train("first.toml", "--set", "epochs=6").exit_code == 0
    assert chainrule_train("first.toml", "--set", "epochs=6", "--output", "at_once").exit_code == 0
    files = [work / one / "history.csv" for one in ("runs/first", "at_once")]
    assert files[0].read_text() == files[1].read_text()


def test_a_run_that_cannot_get_more_epochs_stays_as_it_was(work):
    folder = work / "runs" / "first"
    (folder / "run.ckpt").write_bytes(b"damaged")
    before = {file: file.read_bytes() for file in folder.iterdir()}
    done = chainrule_train("first.toml", "--set", "epochs=6")
    assert done.exit_code == 1
    assert "run.ckpt" in done.stderr
    assert "Delete it" in done.stderr
    assert {file: file.read_bytes() for file in folder.iterdir()} == before
    assert "has run to its end" in chainrule_train("first.toml").stdout
    (folder / "run.ckpt").unlink()
    assert chainrule_train("first.toml", "--set", "epochs=6").exit_code == 0
    assert chainrule_train("first.toml", "--set", "epochs=6", "--output", "at_once").exit_code == 0
    for name in ("history.csv", "state.pt"):
        assert (folder / name).read_bytes() == (work / "at_once" / name).read_bytes(), name
    assert tomllib.loads((folder / "run.toml").read_text())["epochs"] == 6


def test_a_run_without_checkpoint_and_results_is_trained_anew(work):
    folder = work / "runs" / "first"
    history = (folder / "history.csv").read_bytes()
    for name in ("run.ckpt", "results.json"):
        (folder / name).unlink()
    assert chainrule_train("first.toml", "--set", "optimizer.k=3").exit_code == 1
    assert chainrule_train("first.toml").exit_code == 0
    assert (folder / "history.csv").read_bytes() == history
    assert (folder / "results.json").exists()


def test_other_settings_in_the_same_folder_are_named(work):
    done = chainrule_train("first.toml", "--set", "optimizer.k=3", "--set", "network.2=relu")
    assert done.exit_code == 1
    assert done.stderr == (
        'chainrule: train: runs/first must be of the same run, got another: network.2 "relu" in place of "tanh"; '
        "optimizer.k 3 in place of 5. Choose another with --output.\n"
    )


RULE = """
from chainrule import Optimizer


class Rule(Optimizer):
    lr: float = 0.1

    def update(self, parameter, grad, state, step):
        return 1 * grad
"""


@pytest.mark.parametrize(
    ("part", "file", "text", "option"),
    [
        ("data", "points.py", DATA.replace("x.sum", "2.5 * x.sum"), "--json"),
        ("optimizer", "rule.py", RULE.replace("1 *", "2.5 *"), "--set=epochs=6"),
    ],
)
def test_a_run_that_has_ended_is_of_the_data_and_the_code_that_it_had(work, part, file, text, option):
    (work / "rule.py").write_text(RULE)
    given = ["first.toml", "--output", "own", "--set", "optimizer=rule.py:Rule"]
    first, second = chainrule_train(*given, "--json"), chainrule_train(*given, "--json")
    assert first.stdout == second.stdout
    (work / file).write_text(text)
    for name in [name for name, one in sys.modules.items() if str(work) in str(getattr(one, "__file__", ""))]:
        del sys.modules[name]
    done = chainrule_train(*given, option)
    assert done.stderr == (
        f"chainrule: train: own must be of the same run, got a change in {part} since it ended. Choose another with "
        "--output.\n"
    )


def test_a_missing_package_of_the_extra_says_what_to_install(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    done = chainrule_train("first.toml", "--output", "new")
    assert done.stderr == 'chainrule: train needs tomli-w, which is not installed: pip install "chainrule[lab]".\n'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none.toml"], "chainrule: none.toml: the file must be one that can be read, got No such file or directory."),
        ([os.devnull], f"chainrule: {os.devnull}: the file must be one that can be read, got a device. Name another."),
        (["first.toml", "--set", "optimizer"], "chainrule: --set: a setting must be KEY=VALUE, got 'optimizer'."),
        (["first.toml", "--set", "a b=1"], "chainrule: first.toml: a key must be names with dots, got 'a b'."),
        (["first.toml", "--set", "epochs=many"], "chainrule: first.toml: epochs must be an integer of at least 1, got"),
        (
            ["broken.toml"],
            "chainrule: broken.toml: the file must be TOML, got this at line 2, column 8: Invalid value",
        ),
        (
            ["twice.toml"],
            "chainrule: twice.toml: the file must be TOML, got this at line 2, column 6: Cannot declare (",
        ),
        (
            ["python.toml"],
            "chainrule: python.toml: the file must be TOML, got this at line 2, column 11: Invalid value. "
            "TOML writes true and false.",
        ),
        (["marked.toml"], "chainrule: marked.toml: epochs must be an integer of at least 1, got 0."),
        (["first.toml", "--output", "points.py"], "chainrule: train: the output must be a folder, got the file"),
        (["first.toml", "--output", "a" * 300], "chainrule: train: the output must be a folder, got aaa"),
    ],
)
def test_what_is_wrong_is_one_line(work, options, message):
    (work / "broken.toml").write_text("epochs = 1\nseed = \n")
    (work / "python.toml").write_text("epochs = 1\ncompile = True\n")
    (work / "twice.toml").write_text("[data]\n[data]\n")
    (work / "marked.toml").write_text('task = "circle"\noptimizer = "adam"\nepochs = 0\n', encoding="utf-8-sig")
    done = chainrule_train(*options)
    assert done.exit_code == 1
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.fixture
def run_of_two(tmp_path):
    """Return a function from values to a run on a file of two inputs, and its folder."""
    (tmp_path / "two.csv").write_text("a,b,kind,rate\n" + "1,2,0,1\n3,1,1,2\n1,2,0,1\n3,1,1,nan\n" * 5)
    (tmp_path / "own.py").write_text(MASKED)
    columns = torch.tensor([[1, 2, 0], [3, 1, 1]] * 10).numpy()
    np.savez(tmp_path / "two.npz", a=columns[:, 0], b=columns[:, 1], kind=columns[:, 2:])
    given = {
        "network": {"name": "linear", "in_features": 2, "out_features": 2},
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "epochs": 1,
        "data": {"file": "two.csv", "x": ["a", "b"], "y": "kind"},
    }

    def of(values):
        return RunDescription.of(given, where="RUN.toml", folder=tmp_path, values=values), RunFolder(tmp_path)

    return of


def test_a_callback_that_fails_is_told_with_the_file(work):
    callback = 'callbacks = [{ name = "best", monitor = "validation_mea", mode = "min" }]'
    done = chainrule_train("first.toml", "--output", "new", "--set", callback)
    assert done.stderr.startswith("chainrule: first.toml: best: monitor must be one of train_loss, ")


@pytest.mark.parametrize(
    ("values", "rule", "remedy"),
    [
        ({"data.y": ["kind"]}, "cross_entropy: target must be class", 'Write data.y = "kind" for classes.'),
        (
            {"data.file": "two.npz", "data.y": "kind"},
            "cross_entropy: target must be class",
            "Save kind with shape (N,) for",
        ),
        (
            {"loss": "mse"},
            "mse: target must have the",
            'Write data.y = ["kind"] for numbers, or loss = "cross_entropy"',
        ),
        ({"loss": "mse", "data.y": ["kind"]}, "mse: target must have the", "Change data.y, the loss, or what the"),
        (
            {"network.in_features": 3},
            "linear: x must have shape (N, …, 3)",
            "Change data.x, or what the network takes.",
        ),
        ({"network.out_features": 1}, "cross_entropy: predictions must have at", "Give the network an output for"),
        (
            {"metrics": ["mae"]},
            "mae: target must have the prediction's",
            "Reshape or convert it; nothing is broadcast.",
        ),
    ],
)
def test_what_does_not_fit_together_is_mended_in_the_file(run_of_two, values, rule, remedy):
    run, folder = run_of_two(values)
    with pytest.raises(ChainruleError) as caught:
        train(run, folder, "")
    assert str(caught.value).startswith(f"RUN.toml: {rule}")
    assert f". {remedy}" in str(caught.value)


def test_a_target_may_be_nan_where_the_loss_leaves_it_out(run_of_two):
    run, folder = run_of_two({"loss": "mse", "data.y": ["rate"], "network.out_features": 1})
    with pytest.raises(ChainruleError, match=r"^RUN.toml: data.y must be finite, got nan in rate, row 4 of two.csv"):
        train(run, folder, "")
    own = {"loss": "own.py:Masked", "data.y": ["rate"], "network.out_features": 1}
    assert train(*run_of_two(own), "")["epochs"] == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=true", True),
        ("a= False", False),
        ("a=Truth", "Truth"),
        ("a=.01", 0.01),
        ("a=1.", 1.0),
        ("a=(0.9, (True, 'b'))", [0.9, [True, "b"]]),
        ("a=[accuracy, f1 ]", ["accuracy", "f1"]),
        ("a=[top-k, f1]", ["top-k", "f1"]),
        ("a=[0.*,]", ["0.*"]),
        ("a=[none, 1e-3]", ["none", 0.001]),
        ("a=[top k, f1]", "[top k, f1]"),
        ("a=[(1, 2), f1]", "[(1, 2), f1]"),
        ("a=None", "None"),
        ("a={1}", "{1}"),
        ("a={[1]: 2}", "{[1]: 2}"),
        ("a=1,000", "1,000"),
        ("a='\\d'", "\\d"),
    ],
)
def test_a_setting_is_toml_or_else_python_or_else_text(text, value):
    assert setting(text) == ("a", value)


def test_the_best_member_is_named_with_what_is_its_own():
    results = {"best": {"least": "train_loss", "train_loss": [2.0, 1.0], "epoch": [1, 3]}, "seeds": [5, 5]}
    assert best_of({**results, "settings": {}}) == "Least train_loss: 1, at epoch 3 of member 1."
    assert best_of({**results, "settings": {"lr": [0.1, 0.2]}}).endswith(" of member 1 (lr 0.2).")


def test_a_title_is_text_though_a_name_need_not_be():
    assert title(Path(os.fsdecode(b"runs/r\xff.toml"))) == "r\N{REPLACEMENT CHARACTER}"
