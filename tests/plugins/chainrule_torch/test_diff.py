"""``chainrule diff``."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chainrule.cli.main import app

PLANTED = Path(__file__).with_name("planted.py")


def diff(*arguments):
    """Return the exit status and what is printed, or the message of an error."""
    done = CliRunner().invoke(app, ["diff", *map(str, arguments)])
    return done.exit_code, done.stdout or done.stderr.removeprefix("chainrule: ").rstrip("\n")


def test_equal_trajectories_end_with_0():
    status, printed = diff("optimizers:rmsprop", "--against", "torch", "--set", "momentum=0.9", "--steps", 20)
    assert status == 0
    assert "theirs      torch RMSprop(lr=0.001, alpha=0.9, momentum=0.9, " in printed
    assert "not theirs  eps_inside=False\n" in printed
    assert re.search(r"^Equal over 20 steps: they differ by at most \de-1\d of the value\.$", printed, re.MULTILINE)


def test_a_difference_ends_with_1_and_shows_its_first_step_and_what_closes_it():
    status, printed = diff("adam", "--against", f"{PLANTED}:ForgetsTheSquaresAtTheSeventh", "--steps", 12)
    assert status == 1
    assert re.search(r"^   6  .*e-1\d$", printed, re.MULTILINE) or re.search(
        r"^   6  0.00e\+00$", printed, re.MULTILINE
    )
    assert re.search(r"^   7  .*  first$", printed, re.MULTILINE)
    assert re.search(r"^They part at step 7: (weight|bias)\[.*\] is .*, theirs .*\.$", printed, re.MULTILINE)
    assert re.search(r"^None of \d+ variants of ours closes the gap\.$", printed, re.MULTILINE)
    status, printed = diff("adam", "--against", f"{PLANTED}:EpsInside", "--steps", 12)
    assert status == 1
    assert re.search(r"^Closes the gap to .*: ours with eps inside the root: √\(v \+ eps\)\.$", printed, re.MULTILINE)


def test_json_holds_the_same():
    status, printed = diff("sgd", "--against", "sgd", "--set", "momentum=0.9", "--their", "nesterov=true", "--json")
    record = json.loads(printed)
    assert (status, record["equal"], record["first_step"]) == (1, False, 1)
    assert len(record["differences"]) == 50
    assert list(record["closing_variants"]) == ["nesterov=True"]
    status, printed = diff("sgd", "--against", "torch", "--json")
    assert status == 0
    assert json.loads(printed)["equal"] is True


@pytest.mark.parametrize(
    "other", ["torch:NAdam", "torch:nadam", "torch.optim.NAdam", "torch.optim:NAdam", "Torch::NAdam"]
)
def test_another_optimizer_of_a_library_is_named_behind_it(other):
    status, printed = diff("nadam", "--against", other, "--steps", 2)
    assert status == 0
    assert "theirs      torch NAdam(lr=" in printed


def test_what_another_library_says_is_one_line_of_one_sentence(tmp_path):
    file = tmp_path / "rule.py"
    file.write_text(
        "import torch\n\n\nclass Rule(torch.optim.Optimizer):\n    def __init__(self, params, lr):\n"
        "        raise TypeError('no model:\\nit needs one.')\n",
        encoding="utf-8",
    )
    status, told = diff("adam", "--against", f"{file}:Rule")
    assert status == 1
    assert told == "diff: Rule must take its settings, got TypeError: no model: it needs one. Change them by --their."


def test_settings_reach_an_optimizer_that_passes_them_on_to_its_parent(tmp_path):
    file = tmp_path / "passing.py"
    file.write_text(
        "import torch\n\n\nclass Passing(torch.optim.Adam):\n    def __init__(self, params, **kwargs):\n"
        "        super().__init__(params, eps=1e-6, **kwargs)\n",
        encoding="utf-8",
    )
    status, printed = diff("adam", "--against", f"{file}:Passing", "--set", "lr=0.01", "--set", "eps=1e-6")
    assert status == 0
    assert "Passing(lr=0.01, betas=(0.9, 0.999))\nnot theirs  eps=1e-06\n" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["relu", "--against", "torch"], "diff: the component must be an optimizer, got activations:relu. Name one."),
        (["adam", "--against", "activations:relu"], "diff: --against must name an optimizer, got activations:relu."),
        (["yogi", "--against", "torch"], 'diff: torch has no optimizer "yogi". Write torch:NAME for another.'),
        (["adam", "--against", "torch", "--set", "lr"], "diff: --set must be NAME=VALUE, got lr. Write --set lr=0.1."),
        (["adam", "--against", "torch", "--set", "lr=-1"], "adam: lr must be at least 0, got -1"),
        (["adam", "--against", "torch", "--their", "beta=2"], "diff: Adam must take its settings, got "),
        (
            ["adam", "--against", "torch:Nadm"],
            'diff: torch has no optimizer "Nadm". Did you mean "nadam"? Write torch:',
        ),
        (
            ["adam", "--against", "torch", "--tolerance", "nan"],
            "diff: --tolerance must be a number of at least 0, got nan",
        ),
        (
            ["adam", "--against", "torch:LBFGS"],
            "diff: torch LBFGS(lr=0.001) must step parameters of shape (4, 3) and (3,) ",
        ),
        (["adam", "--against", ""], '--against: a value must not be empty, got "".'),
        (["adam", "--against", "nothing.py:Rule"], "diff: no such file: nothing.py."),
        (["adam", "--against", "torch.py:Rule"], "diff: no such file: torch.py."),
        (["adam", "--against", "adom"], 'No component is registered as "adom"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_compared_is_one_line(arguments, message):
    status, told = diff(*arguments)
    assert status == 1
    assert told.startswith(message)
    assert "\n" not in told


def test_an_unknown_library_is_answered_with_those_there_are():
    _, told = diff("adam", "--against", "jax")
    assert "Libraries that --against takes: torch, optax, pytorch_optimizer" in told
