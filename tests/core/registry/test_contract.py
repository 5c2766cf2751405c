"""Packages state in their metadata which contract they are written for; another one is refused before any import."""

import pytest

import chainrule
from chainrule.registry.component import OWN_DISTRIBUTION

RULES = {"late_rules.py": "1 / 0\n"}
POINTS = "[chainrule.api]\n{}\n[chainrule.optimizers]\nlate = late_rules:Late\n"


def test_the_built_ins_are_written_for_this_contract():
    stated = {component.api for component in chainrule.components() if component.distribution == OWN_DISTRIBUTION}
    assert stated == {chainrule.API}


def test_a_package_for_another_contract_is_refused_in_one_line_and_not_imported(packages):
    packages.add("late", POINTS.format(f"{chainrule.API + 1} = chainrule:API"), RULES)
    assert packages.error("registry.get('optimizers', 'late')") == (
        "BrokenComponentError optimizers:late (late_rules:Late) of late 1.0 cannot be loaded: it is written for "
        f"contract {chainrule.API + 1}, but this chainrule has contract {chainrule.API}. "
        "Install another version of late or of chainrule.\n"
    )


def test_what_a_hook_contributes_is_written_for_its_packages_contract(packages):
    hook = (
        "from chainrule import Component, hookimpl\n"
        "@hookimpl\n"
        "def chainrule_components():\n"
        "    return [Component(kind='optimizers', name='late', entry_point='late_rules:Late')]\n"
    )
    packages.add(
        "late", "[chainrule.hooks]\nlate = late_hooks\n[chainrule.api]\n1 = chainrule:API\n", {"late_hooks.py": hook}
    )
    assert packages.python("from chainrule import registry; print(registry.resolve('late').api)") == "1\n"


@pytest.mark.parametrize("stated", ["one = chainrule:API", "1 = chainrule:API\n2 = chainrule:API"])
def test_a_statement_that_is_not_one_number_is_told_with_the_form_to_write(packages, stated):
    packages.add("late", POINTS.format(stated), RULES)
    told = packages.error("registry.get('optimizers', 'late')")
    names = ", ".join(line.partition(" ")[0] for line in stated.splitlines())
    assert (
        f'late: the group chainrule.api must hold one contract, such as 1, got {names}. Write 1 = "chainrule:API"'
        in told
    )


def test_a_package_that_states_none_is_used(packages):
    packages.add("late", "[chainrule.optimizers]\nlate = late_rules:Late\n", {"late_rules.py": "class Late: pass\n"})
    assert (
        packages.python("from chainrule import registry; print(registry.get('optimizers', 'late').__name__)")
        == "Late\n"
    )
