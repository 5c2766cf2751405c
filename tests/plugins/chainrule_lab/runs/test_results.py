import json
import math

import torch

from chainrule import History
from chainrule.layers import linear
from chainrule.optimizers import sgd
from chainrule_lab.runs.results import history_csv, results_of
from chainrule_lab.runs.stopwatch import Stopwatch
from chainrule_lab.strict_json import to_json

NAN = math.nan


def ended(curves, **seeds):
    network = linear(2, 1).build(**seeds)
    history = History(sgd().attach(network))
    for values in zip(*curves.values(), strict=True):
        history.append(dict(zip(curves, map(torch.tensor, values), strict=True)))
    return network, history


def results(network, history, **found):
    given = {"settings": {}, "epochs": 3, "seconds": 1.0, "packages": set(), "digests": {}}
    return results_of(network, history, {"loss": torch.tensor(math.inf)}, **given | found)


def test_the_best_epoch_is_that_of_the_least_finite_validation_loss():
    curves = {"train_loss": [3.0, 2.0, 1.0], "validation_loss": [NAN, 0.1, 0.3]}
    found = results(*ended(curves))
    assert found["best"] == {"least": "validation_loss", "epoch": 2, "train_loss": 2.0, "validation_loss": 0.1}
    assert found["final"] == {"train_loss": 1.0, "validation_loss": 0.3}
    assert not found["diverged"]


def test_values_that_are_not_finite_are_null():
    found = results(*ended({"train_loss": [[1.0, NAN], [1.0, NAN], [math.inf, NAN]]}, seeds=[0, 1]))
    assert found["diverged"] == [True, True]
    assert found["final"] == {"train_loss": [None, None]}
    assert found["best"]["epoch"] == [1, None]
    assert found["test"] == {"loss": None}
    assert "NaN" not in to_json(found)


def test_a_dropped_member_has_not_diverged():
    network, history = ended({"train_loss": [[1.0, 2.0], [0.5, NAN], [0.4, NAN]]}, seeds=[0, 1])
    history.members = [0]
    found = results(network, history)
    assert (found["dropped"], found["diverged"]) == ([1], [False, False])
    assert found["best"]["train_loss"][1] == 2.0


def test_a_float32_has_no_more_digits_than_it_needs():
    network, history = ended({"train_loss": [0.1, 0.2]})
    assert history_csv(network, history) == "epoch,train_loss\n1,0.1\n2,0.2\n"


def test_seconds_go_on_where_a_run_was_saved():
    saved, resumed = Stopwatch(), Stopwatch()
    saved.load_state_dict({"seconds": 1000.0})
    resumed.load_state_dict(saved.state_dict())
    assert resumed.seconds > saved.state_dict()["seconds"] - 100 >= 900


def test_versions_of_the_packages_are_kept():
    assert set(results(*ended({"train_loss": [1.0]}), packages={"pluggy"})["versions"]) == {
        "python", "chainrule", "numpy", "pluggy", "torch",
    }  # fmt: skip


def test_a_text_with_brackets_stays_as_it_is_and_a_list_of_numbers_is_one_line():
    text = 'a "list" [ 1,   2 ] \\'
    written = to_json({text: [1, 2], "name": text, "texts": [text, text]})
    assert json.loads(written) == {text: [1, 2], "name": text, "texts": [text, text]}
    assert "[1, 2]" in written.splitlines()[1]
