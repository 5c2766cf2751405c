"""Checks that packages contribute to the kit by the hook chainrule_checks."""

import json

import pytest

HOOK = """from chainrule import hookimpl

@hookimpl
def chainrule_checks():
    return {returned}
"""
CHECKS = """from chainrule.testing import CheckFailed, check

@check("optimizers", once=True, cause="a name that is too long.")
def has_a_short_name(subject):
    \"\"\"The name of a rule has at most four letters.\"\"\"
    if len(subject.name) > 4:
        raise CheckFailed(f"a name must have at most 4 letters, got {len(subject.name)}.")
"""
POINTS = "[chainrule.hooks]\nshort = short_hooks\n"


@pytest.fixture
def short(packages):
    packages.add(
        "short-names", POINTS, {"short_hooks.py": HOOK.format(returned='["short.checks"]'), "short/checks.py": CHECKS}
    )
    return packages


def test_a_contributed_check_runs_under_the_name_of_its_package(short):
    done = short.chainrule("check", "adam", "adamw", "-k", "has_a_short_name")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split("\t")[::2] == ["passed", "has_a_short_name (short)"]
    assert (
        "optimizers:adamw: has_a_short_name (short) failed: a name must have at most 4 letters, got 5. " in done.stdout
    )


def test_processes_that_share_the_checks_of_a_kind_run_it_too(short):
    done = short.chainrule("check", "optimizers", "-k", "has_a_short_name", "--json")
    rows = json.loads(done.stdout)
    assert {row["outcome"] for row in rows} == {"passed", "failed"}
    assert {(row["check"], row["origin"]) for row in rows} == {("has_a_short_name", "short")}


def test_it_is_no_part_of_a_run_without_the_package(short):
    done = short.chainrule("check", "adam", "-k", "has_a_short_name", CHAINRULE_DISABLE="dist:short-names")
    assert done.returncode == 1
    assert 'no check matches "has_a_short_name"' in done.stderr


@pytest.mark.parametrize(
    ("returned", "cause"),
    [
        ('["short.nothing"]', "No module named 'short.nothing'"),
        ("[1]", "chainrule_checks must return names of modules"),
    ],
)
def test_what_cannot_be_imported_is_named_and_the_other_checks_run(packages, returned, cause):
    packages.add("short-names", POINTS, {"short_hooks.py": HOOK.format(returned=returned), "short/__init__.py": ""})
    done = packages.chainrule("check", "adam", "-k", "search_ranges_are_allowed")
    assert (done.returncode, "adam: ok, 1 passed" in done.stdout) == (0, True)
    assert done.stderr.startswith("chainrule: hooks:short")
    assert cause in done.stderr
    assert cause in packages.chainrule("doctor", CHAINRULE_DISABLE="dist:chainrule").stdout
