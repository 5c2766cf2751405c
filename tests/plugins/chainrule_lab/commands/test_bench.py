import pytest

from chainrule import ChainruleError, create
from chainrule.registry import names
from chainrule_lab.bench.protocol import DEFAULT_TASKS, QUICK_TASKS
from chainrule_lab.commands.bench import bench


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["lino"]}, r'^No optimizer is registered as "lino"\. Did you mean "lion"\?'),
        ({"tracks": "AX"}, r'^bench: --tracks must be letters of A, B and C, got "AX"\.'),
        ({"tracks": ""}, r'^bench: --tracks must be letters of A, B and C, got ""\.'),
        ({"workers": -1}, r"^bench: --workers must be at least 0, got -1\."),
        ({"tasks": ["cirle"]}, r'^No task is registered as "cirle"\. Did you mean "circle"\?'),
        ({"quick": True, "tasks": ["circle"]}, r"^bench: --quick has its own tasks and track, got --task"),
        ({"workers": 2, "dask": "tcp://x:1"}, r"^bench: --workers must be left out with --dask, got 2\."),
        ({"names": ["verify", "a", "b"]}, r"^bench: verify takes one STORE, got 2\."),
        ({"status": True, "export": "x.json"}, r"^bench: --export writes the outcomes of runs, got it with what runs"),
        ({"status": True}, r"^bench: no such store: .*results\.db\. Start the runs without --status, or"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, tmp_path):
    with pytest.raises(ChainruleError, match=message) as caught:
        bench(**{"output": tmp_path, **arguments})
    assert "\n" not in str(caught.value)


def test_the_default_tasks_are_for_development_and_half_of_all_are_held_out():
    held_out = {name: create("tasks", name).held_out for name in names("tasks")}
    assert not any(held_out[name] for name in {*DEFAULT_TASKS, *QUICK_TASKS})
    assert sum(held_out.values()) * 2 == len(held_out) == 10
