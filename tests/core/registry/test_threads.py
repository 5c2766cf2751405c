"""The registry from several threads, from hooks that use it themselves, and after a fork."""

import os

import pytest

TOGETHER = """
import threading, time
import chainrule
from chainrule import registry
from chainrule.registry import catalogue

class Rule:
    pass

read, built = catalogue.read_declarations, []

def slowly():
    built.append(threading.current_thread())
    time.sleep(0.2)  # all threads have started by then
    return read()

catalogue.read_declarations = slowly

def together(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_the_first_use_from_several_threads_builds_one_catalogue(liger):
    printed = liger.python(
        f"{TOGETHER}"
        "found = []\n"
        "together(\n"
        "    lambda: chainrule.register('optimizers', 'one', Rule),\n"
        "    lambda: chainrule.register('optimizers', 'other', Rule),\n"
        "    lambda: found.append(chainrule.get('optimizers', 'liger')),\n"
        "    lambda: found.append(chainrule.get('optimizers', 'liger')),\n"
        ")\n"
        "names = registry.names('optimizers')\n"
        "print(len(built), {'one', 'other', 'liger', 'adam'} <= set(names), found[0] is found[1])"
    )
    assert printed == "1 True True\n"


def test_a_registration_leaves_alone_what_another_thread_is_reading(liger):
    printed = liger.python(
        "import chainrule\n"
        "from chainrule.registry import lookup\n"
        "reading = iter(lookup._catalogue().records.items())\n"
        "next(reading)\n"
        "chainrule.register('optimizers', 'mine', object)\n"
        "print('optimizers:mine' in dict(reading))"
    )
    assert printed == "False\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_another_thread_builds_the_catalogue_has_a_whole_one(liger):
    done = liger.run(
        "-c",
        f"{TOGETHER}"
        "import os, signal\n"
        "thread = threading.Thread(target=registry.names, args=['optimizers'])\n"
        "thread.start()\n"
        "while not built:\n"
        "    time.sleep(0.01)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(10)\n"
        "    os._exit(0 if 'liger' in registry.names('optimizers') else 1)\n"
        "print(os.waitpid(child, 0)[1], len(built))\n",
    )
    assert done.stdout == "0 1\n", done.stderr


HOOKS = """
import chainrule

from chainrule import registry

print('imported')
chainrule.register('optimizers', 'mine', chainrule.get('optimizers', 'liger'))

@chainrule.hookimpl
def chainrule_components():
    assert 'mine' in registry.names('optimizers')
    address = {'kind': 'optimizers', 'entry_point': 'liger_package:Liger'}
    return [chainrule.Component(name=name, **address) for name in ('new', 'liger')]
"""


def test_a_hook_may_use_the_registry_while_it_is_built(liger):
    liger.add("bridge", "[chainrule.hooks]\nbridge = bridge_hooks\n", {"bridge_hooks.py": HOOKS})
    printed = liger.python(
        "from chainrule import registry\n"
        "print(registry.problems())\n"
        "print([(found.full_name, registry.state(found)) for found in registry.components('optimizers')\n"
        "       if found.name in ('liger', 'mine', 'new')])\n"
        "from chainrule.optimizers import mine, new\n"
        "print(mine is new)"
    )
    assert printed == (
        "[]\n[('bridge:liger', 'ambiguous'), ('chainrule-liger:liger', 'ambiguous'), "
        "('session:mine', 'declared'), ('bridge:new', 'declared')]\nTrue\n"
    )
