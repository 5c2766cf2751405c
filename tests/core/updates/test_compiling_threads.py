"""What is compiled from several threads is compiled one after another."""

import os
import signal
import threading
import warnings

import pytest

from chainrule.updates.fused_rule import first_use


def entered():
    """Return an event that a new thread sets as it compiles, one that lets it end, and the thread."""
    inside, leave = threading.Event(), threading.Event()

    def enter():
        with first_use("a rule"):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=enter)
    thread.start()
    return inside, leave, thread


def test_filters_of_warnings_are_as_before_once_two_threads_have_compiled():
    before = list(warnings.filters)
    inside, leave, thread = entered()
    assert inside.wait(30)
    other_inside, other_leave, other = entered()
    assert not other_inside.wait(0.1)
    leave.set()
    thread.join()
    assert other_inside.wait(30)
    other_leave.set()
    other.join()
    assert list(warnings.filters) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_compiles_though_a_thread_of_its_parent_was_compiling():
    inside, leave, thread = entered()
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # ends a child that waits
        with first_use("a rule"):
            os._exit(0)
    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
