"""Names that a package leaves out on purpose are answered with its reason."""

import pytest

REASON = "It needs second derivatives. Use liger."
POINTS = "[chainrule.out_of_scope]\noptimizers = scope_package:NAMES\n"
ANSWER = f'No optimizer is registered as "newton". {REASON}'


@pytest.fixture
def scope(liger):
    """Liger's package, and another that says why there is no newton."""
    liger.add("chainrule-scope", POINTS, {"scope_package.py": f"NAMES = {{'newton': {REASON!r}}}\n"})
    return liger


@pytest.mark.parametrize(
    "code",
    [
        "chainrule.get('optimizers', 'newton')",
        "chainrule.create('optimizer', 'newton', lr=0.1)",
        "__import__('chainrule.optimizers', fromlist=['newton']).newton",
        "registry.resolve('optimizers:newton')",
    ],
)
def test_every_way_to_the_name_gives_the_reason(scope, code):
    assert scope.error(code) == f"UnknownComponentError {ANSWER}\n"


def test_a_name_without_its_kind_in_other_letters_or_of_a_distribution_gives_it_too(scope):
    for name in ("newton", "Newton", "New-ton", "new_ton", "chainrule-scope:newton"):
        found = scope.error(f"registry.resolve('{name}')")
        assert found == f'UnknownComponentError No component is registered as "{name}". {REASON}\n'


@pytest.mark.parametrize("command", ["show", "check"])
def test_a_command_prints_the_reason_as_its_one_line(scope, command):
    done = scope.chainrule(command, "optimizers:newton")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"chainrule: {ANSWER}\n")


def test_other_kinds_and_other_names_are_answered_as_ever(scope):
    assert scope.error("chainrule.get('layers', 'newton')").startswith(
        'UnknownComponentError No layer is registered as "newton". Installed: chainrule list layers.'
    )
    assert 'Did you mean "liger"?' in scope.error("chainrule.get('optimizers', 'ligre')")


def test_reasons_are_read_only_for_an_unknown_name_and_without_torch(scope):
    printed = scope.python(
        "import sys, chainrule\n"
        "chainrule.get('optimizers', 'liger'), chainrule.components()\n"
        "before = 'scope_package' in sys.modules\n"
        "try:\n    chainrule.get('optimizers', 'newton')\n"
        "except ImportError:\n    print(before, 'scope_package' in sys.modules, 'torch' in sys.modules)"
    )
    assert printed == "False True False\n"


def test_a_package_that_has_the_component_is_found(scope):
    points = "[chainrule.optimizers]\nnewton = newton_package:Newton\n"
    scope.add("chainrule-newton", points, {"newton_package.py": "class Newton: pass\n"})
    assert "newton_package.Newton" in scope.python("import chainrule; print(chainrule.get('optimizers', 'newton'))")


def test_a_disabled_package_gives_no_reasons(scope):
    code = "chainrule.get('optimizers', 'newton')"
    assert "second derivatives" not in scope.error(code, CHAINRULE_DISABLE="dist:chainrule-scope")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("NAMES = ['newton']", "it must be a dict of reasons, as text, by name, got ['newton']"),
        ("NAMES = {'newton': None}", "it must be a dict of reasons, as text, by name, got {'newton': None}"),
        ("NAMES = 'newton'", "it must be a dict of reasons, as text, by name, got 'newton'"),
    ],
)
def test_a_broken_table_is_named_beside_the_usual_hints(liger, source, cause):
    liger.add("chainrule-scope", POINTS, {"scope_package.py": f"{source}\n"})
    message = liger.error("chainrule.get('optimizers', 'ligre')")
    assert 'Did you mean "liger"?' in message
    assert f"Also: out_of_scope:optimizers (scope_package:NAMES) of chainrule-scope 1.0 cannot be loaded: {cause}." in (
        message
    )
