"""The processes in which ``chainrule doctor`` loads things: getting ready and loading have limits of their own."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import chainrule
from chainrule import registry
from chainrule.cli.doctor import examination, loading
from chainrule.cli.main import app
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import Component


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """Write a module that new processes find before any other of its name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(tmp_path)  # a spawned process takes over this path after its start
    return lambda name, source: (tmp_path / f"{name}.py").write_text(source)


def _loaded(limit):
    adam = registry.resolve("adam")
    return [(component.key, outcome.problem) for component, outcome in loading.load_each([adam], limit)]


def test_a_process_that_starts_slowly_takes_no_time_from_a_component(beside):
    beside("sitecustomize", "import time\ntime.sleep(2.5)\n")
    assert _loaded(limit=2) == [("optimizers:adam", "")]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import time\ntime.sleep(1000)\n", "its import did not end within 0.5 seconds"),
        (
            "import faulthandler, time\nfaulthandler.cancel_dump_traceback_later()\ntime.sleep(1000)\n",
            "its import did not end within 0.5 seconds",
        ),
        ("import os\nos._exit(4)\n", "its import ended the process with exit status 4"),
        ("raise ImportError('no CUDA')\n", "ImportError: no CUDA"),
    ],
)
def test_torch_that_cannot_be_imported_is_told_once_and_nothing_else_tried(beside, monkeypatch, source, problem):
    monkeypatch.setattr(loading, "NEEDED_LIMIT", 0.5 if "sleep" in source else loading.NEEDED_LIMIT)
    beside("torch", source)
    assert _loaded(limit=0.1) == [("modules:torch", problem)]


def test_a_core_that_cannot_be_imported_is_told_by_its_name(beside):
    beside("torch", "")
    ((key, problem),) = _loaded(limit=60)
    assert key == "modules:chainrule.training"
    assert problem.startswith("ImportError: cannot import name")


def test_a_traceback_begins_in_a_package_whose_name_begins_with_chainrule():
    file = f"{Path(chainrule.__file__).parent}_liger.py"  # site-packages/chainrule_liger.py
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("1 / 0", file, "exec"), {})  # noqa: S102
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # from that file on
    assert f'File "{file}", line 1' in loading._traceback(error)


@pytest.mark.parametrize("limit", ["nan", "inf"])
def test_the_limit_is_a_number_of_seconds(limit):
    done = CliRunner().invoke(app, ["doctor", "--limit", limit])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"chainrule: doctor: --limit must be a number of at least 0.1, got {limit}. Pass one.\n"


def test_what_fails_by_another_component_is_a_note_with_its_fix(beside):
    said = 'optimizers: "adam" must be registered once, got two. Write chainrule:adam.'
    beside("needs_adam", f"from chainrule import AmbiguousComponentError\nraise AmbiguousComponentError({said!r})\n")
    component = Component(
        kind="tasks", name="mine", entry_point="needs_adam:Task", distribution="needs-adam", version="1.0"
    )
    outcome = loading._outcome(catalogue := Catalogue(), component)
    finding = examination._loading_finding(component, outcome, catalogue)
    assert (finding.level, finding.traceback) == ("note", "")
    assert finding.message == (
        f"tasks:mine (needs_adam:Task) of needs-adam 1.0 cannot be loaded: AmbiguousComponentError: {said}"
    )
