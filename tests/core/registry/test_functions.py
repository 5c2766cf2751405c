"""Functions that plugins add to chainrule itself."""

import pytest

HALVED = {"chainrule_halve.py": "print('imported')\ndef halved(number): return number / 2\n"}
POINTS = "[chainrule.functions]\nhalved = chainrule_halve:halved\n"


def error_of(packages, code):
    return packages.python(f"try:\n    {code}\nexcept Exception as error:\n    print(type(error).__name__, error)")


def test_a_function_is_imported_when_it_is_used(packages):
    packages.add("chainrule-halve", POINTS, HALVED)
    assert packages.python("import chainrule; print('first'); print(chainrule.halved(3))") == "first\nimported\n1.5\n"
    assert packages.python("from chainrule import halved; print(halved(3))") == "imported\n1.5\n"


def test_a_name_that_chainrule_has_stays_its_own(packages):
    points = "[chainrule.functions]\ncreate = chainrule_halve:halved\nregistry = chainrule_halve:halved\n"
    packages.add("chainrule-halve", points, HALVED)
    code = "import chainrule; from chainrule import create, registry; print(create.__module__, registry.__name__)"
    assert packages.python(code) == "chainrule.registry.lookup chainrule.registry\n"


@pytest.mark.parametrize("code", ["import chainrule; chainrule.halved", "from chainrule import halved"])
def test_a_broken_function_is_told_in_one_line(packages, code):
    packages.add("chainrule-halve", POINTS, {"chainrule_halve.py": "1 / 0\n"})
    assert error_of(packages, code) == (
        "BrokenComponentError functions:halved (chainrule_halve:halved) of chainrule-halve 1.0 cannot be loaded: "
        "ZeroDivisionError: division by zero. Fix or reinstall chainrule-halve.\n"
    )


def test_two_functions_of_one_name_are_told_apart(packages):
    packages.add("chainrule-halve", POINTS, HALVED)
    packages.add("other-halve", "[chainrule.functions]\nhalved = other_halve:halved\n", {})
    told = error_of(packages, "import chainrule; chainrule.halved")
    assert told.startswith('AmbiguousComponentError functions: "halved" must be registered once, got chainrule-halve')
    assert 'chainrule.get("functions", "other-halve:halved")' in told


def test_what_nothing_adds_is_an_attribute_error(packages):
    packages.add("chainrule-halve", POINTS, HALVED)
    assert error_of(packages, "import chainrule; chainrule.halve") == (
        "AttributeError module 'chainrule' has no attribute 'halve'\n"
    )
