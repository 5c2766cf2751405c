"""A sweep that a file describes."""

import pickle
from pathlib import Path

import pytest
import torch

from chainrule import ChainruleError
from chainrule_lab.sweep.sweep_file import SweepFile

EXAMPLES = Path(__file__).parents[4] / "examples" / "sweeps"

RUN = """
task = "circle"
batch_size = 50
network = [{ name = "linear", in_features = 2, out_features = 4 }, "relu",
           { name = "linear", in_features = 4, out_features = 2 }]
loss = "cross_entropy"
freeze = ["0.bias"]
dtype = "float64"

[optimizer]
name = "adam"

[search]
"""


@pytest.fixture
def read(tmp_path):
    def call(table, **values):
        (tmp_path / "mine.toml").write_text(RUN + table)
        return SweepFile.read(tmp_path / "mine.toml", values)

    return call


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_describe_sweeps(path):
    sweep = SweepFile.read(path, {})
    assert len(sweep.settings) > 50
    assert sweep.make({name: one for name, one in sweep.settings[-1].items() if name != "seed"}).module


@pytest.mark.parametrize(
    "search", ['"optimizer.lr" = [0.1, 0.2]', "optimizer.lr = [0.1, 0.2]", "[search.optimizer]\nlr = [0.1, 0.2]"]
)
def test_keys_are_dotted_or_nested(read, search):
    assert read(search).settings == [{"optimizer.lr": 0.1, "seed": 0}, {"optimizer.lr": 0.2, "seed": 0}]


def test_spaces_are_tables(read):
    sweep = read(
        '"optimizer.lr" = { log_uniform = [0.01, 1], points = 3 }\n"optimizer.eps" = { uniform = [0, 1], points = 3 }\n'
        "seed = { range = [3, 5] }\nbatch_size = { range = [10, 30, 10] }"
    )
    columns = {name: sorted({row[name] for row in sweep.settings}) for name in sweep.settings[0]}
    assert columns == {
        "optimizer.lr": [0.01, pytest.approx(0.1), 1],
        "optimizer.eps": [0, 0.5, 1],
        "seed": [3, 4],
        "batch_size": [10, 20],
    }


def test_options_and_values_take_the_place_of_the_files(read):
    sweep = read(
        '"optimizer.lr" = [0.1]\n[sweep]\nmembers = 5',
        **{"search.optimizer.lr": {"uniform": [0, 1]}, "sweep.method": "sobol", "sweep.trials": 4, "epochs": 7},
    )
    assert (len(sweep.settings), sweep.members) == (4, 5)
    assert sweep.make({}).fit["epochs"] == 7


@pytest.mark.parametrize(
    ("search", "key", "value", "rates"),
    [
        ("optimizer.lr = { uniform = [1, 2], points = 2 }", "optimizer.lr.points", 3, [1, 1.5, 2]),
        ('"optimizer.lr" = { uniform = [1, 2], points = 2 }', "optimizer.lr.uniform.1", 4, [1, 4]),
        ("optimizer.lr = [1, 2]", "optimizer.lr.range", [5, 7], [5, 6]),
        ("seed = [0]", "optimizer.lr.range", [5, 7], [5, 6]),
    ],
)
def test_a_dotted_key_leads_into_a_table_of_the_search(read, search, key, value, rates):
    found = read(search, **{f"search.{key}": value}).settings
    assert [one["optimizer.lr"] for one in found] == rates
    assert found[0].keys() == {"optimizer.lr", "seed"}


def test_a_setting_whose_name_is_somewhat_like_a_space_is_searched_over(read):
    assert (
        read('optimizer = { name = "scion", norm = ["sign", "spectral"] }').settings[1]["optimizer.norm"] == "spectral"
    )
    assert "data.low" in read("data = { low = [1, 2], high = 3 }").settings[0]


def test_a_value_takes_the_place_of_one_that_does_not_fit(read):
    assert read('"optimizer.lr" = [0.1]\n[data]\nsed = 1', data={"seed": 1}).make({})


def test_a_trial_is_the_run_with_its_values(read):
    make = pickle.loads(pickle.dumps(read("epochs = [3]").make))  # noqa: S301
    trial = make({"optimizer.lr": 0.3, "network.1": "tanh", "network.0.out_features": 4})
    assert trial.optimizer.lr == 0.3
    assert type(trial.module.modules[1]).__name__ == "Tanh"
    network = trial.built([5, 6])
    assert (network.seeds, network.dtype, sorted(network.frozen)) == ([5, 6], torch.float64, ["0.bias"])
    assert trial.train[0].dtype == torch.float64


def test_trials_share_data_unless_they_search_over_it(read):
    make = read("seed = [0]").make
    assert make({"optimizer.lr": 0.1}).train is make({"optimizer.lr": 0.2}).train
    assert not torch.equal(make({"data.seed": 0}).train[0], make({"data.seed": 1}).train[0])


@pytest.mark.parametrize(
    ("search", "values", "words"),
    [
        ("", {}, "the sweep needs something to search over, got none"),
        ("lr = [1]\n[sweep]\nmetod = 3", {}, 'sweep takes no "metod". Did you mean "method"?'),
        ("lr = { log_uniform = 3 }", {}, "search.lr must be bounds, got log_uniform = 3"),
        ("lr = { log_uniform = [1, 0.1] }", {}, "search.lr: log_uniform: high must be a number above 1.0, got 0.1"),
        (
            "lr = { uniform = [0, 1], point = 3 }",
            {},
            'search.lr: uniform: takes no argument "point". Did you mean "points"?',
        ),
        ('seed = { range = "a" }', {}, "search.seed must be bounds, got range = 'a'"),
        ("seed = { range = 3, points = 2 }", {}, 'search.seed: range: takes no argument "points". Leave it out.'),
        ("lr = { log_unifrom = [1, 2] }", {}, 'search.lr takes no "log_unifrom". Did you mean "log_uniform"?'),
        ("a.seed = { rang = 2 }", {}, 'search.a.seed takes no "rang". Did you mean "range"?'),
        (
            "lr = { points = 3 }",
            {},
            r"search.lr must have uniform, log_uniform or range, got {'points': 3}. Write { lo",
        ),
        (
            "lr = { low = 0.1, high = 1, log = true }",
            {},
            "search.lr must have uniform, log_uniform or range, got {'low",
        ),
        ("lr = []", {}, "lr must have at least one value"),
        ("lr = [1]", {"seeds": [1, 2]}, r"seeds must be left out of a sweep, got \[1, 2\]"),
        ("members = [2, 3]", {}, r"members must be left out of the search, got \[2, 3\]. Each trial is one member"),
        ("lr = {}", {}, r'search.lr must have values, got none. Write "lr" ='),
        ('"optimizer.lr" = [1]\noptimizer.lr = [2]', {}, "search.optimizer.lr must stand once, got it twice."),
        ("lr = [1]", {"search": 3}, 'takes no "search"'),
        ("lr = [1]\n[sweep]\nmembers = 0", {}, "sweep.members must be an integer of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(read, search, values, words):
    with pytest.raises(ChainruleError, match=f"mine.toml: .*{words}") as caught:
        read(search, **values)
    assert "\n" not in str(caught.value)
