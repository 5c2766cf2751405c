"""Many components are checked by several processes, with the results that one process gives."""

import dataclasses
import multiprocessing
import sys

import pytest

from chainrule.cli import parallel_checks
from chainrule.cli.component_file import subject_named
from chainrule.cli.parallel_checks import Plan, results_of
from chainrule.errors import ChainruleError
from chainrule.testing import CHECKS, checks_of, run_all

RULES = """
import multiprocessing, os, signal
from chainrule import Initializer
print("printed at import")


class Twos(Initializer):
    '''Fill with 2.'''

    def __call__(self, tensor, *, fan_in, fan_out, generator):
        print("printed by a component")
        tensor.fill_(2.0)

    def std(self, fan_in, fan_out):
        return 0.0

    def mean(self, fan_in, fan_out):
        return 2.0


class OfTheProcess(Twos):
    '''Fill with another number in another process.'''

    def __call__(self, tensor, *, fan_in, fan_out, generator):
        assert multiprocessing.parent_process() is not None
        tensor.fill_(os.getpid() % 1009)


class Ends(Twos):
    '''End the process.'''

    def __call__(self, tensor, *, fan_in, fan_out, generator):
        if multiprocessing.parent_process() is not None:
            os._exit(7)


class Interrupted(Twos):
    '''Interrupt the process, as a terminal does.'''

    def __call__(self, tensor, *, fan_in, fan_out, generator):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.fixture(autouse=True)
def two_processes(monkeypatch):
    monkeypatch.setattr(parallel_checks, "MANY", 2)
    monkeypatch.setattr(parallel_checks, "_processors", lambda: 2)


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "rules.py"
    file.write_text(RULES, encoding="utf-8")
    return file


def plans(*addresses):
    found = [(address, subject_named(address, owner="check")) for address in addresses]
    return [Plan(address, subject, checks_of(subject.kind)[:6]) for address, subject in found]


def told(results):
    return [dataclasses.replace(result, seconds=0.0, error=None) for result in results]


def test_results_are_those_of_one_process_in_order_from_others_that_print_nothing_among_them(rules, capfd):
    made = plans("initializers:zeros", f"initializers:{rules}:Twos", "initializers:ones", "metrics:mae")
    elsewhere = plans(f"initializers:{rules}:OfTheProcess")
    expected = [told(run_all(plan.subject, plan.checks)) for plan in made]
    capfd.readouterr()
    *found, of_others = [told(results) for results in results_of(made + elsewhere)]
    assert found == expected
    assert [len(results) for results in found] == [6, 6, 6, 6]
    assert "passed" in {result.outcome for result in of_others}
    printed = capfd.readouterr()
    assert "printed by a component" in printed.err
    assert printed.out == ""
    assert multiprocessing.active_children() == []


def test_few_are_checked_in_this_process(rules, monkeypatch):
    monkeypatch.setattr(parallel_checks, "MANY", 3)
    made = plans(f"initializers:{rules}:OfTheProcess", f"initializers:{rules}:Twos")
    assert "failed" in {result.outcome for results in results_of(made) for result in results}


def test_where_processes_can_share_no_locks_one_checks_all(rules, monkeypatch):
    def without_shared_memory(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(parallel_checks, "ProcessPoolExecutor", without_shared_memory)
    made = plans(f"initializers:{rules}:Twos", "initializers:ones")
    assert [told(found) for found in results_of(made)] == [told(run_all(plan.subject, plan.checks)) for plan in made]


@pytest.mark.parametrize("kind", ["Ends", "Interrupted"])
def test_the_end_of_a_process_is_one_line(rules, kind):
    made = plans(f"initializers:{rules}:{kind}", f"initializers:{rules}:Twos")
    with pytest.raises(ChainruleError) as caught:
        _ = [list(results) for results in results_of(made)]
    assert multiprocessing.active_children() == []  # the pool is closed as the error is raised
    assert str(caught.value) == (
        f"check: initializers:{kind.lower()}, or one near it, ended the process that checked it. "
        f"Check them one by one, such as chainrule check initializers:{rules}:{kind}."
    )


def test_a_process_takes_no_namesake_of_another_kind_or_package(monkeypatch):
    (own, *_) = checks_of("initializers")

    def of_house(example):
        pass

    of_house.__module__ = "house.checks"
    namesakes = [dataclasses.replace(own, kinds=("schedules",)), dataclasses.replace(own, function=of_house)]
    monkeypatch.setattr(sys.modules["chainrule.testing.check"], "CHECKS", [*CHECKS, *namesakes])
    (result,) = parallel_checks._results("initializers:zeros", [(own.origin, own.name)])
    assert (result.origin, result.check) == ("chainrule", own.name)
