"""The built-in components are written as a third party would write them."""

import ast
import re
from pathlib import Path

import pytest

from chainrule import get
from chainrule.layers import linear
from chainrule.registry.kinds import KINDS
from tests.built_ins import BUILT_IN

ROOT = Path(__file__).parents[3] / "plugins"
FILES = [*(ROOT / "chainrule_plugins").rglob("*.py"), *(ROOT / "chainrule_lab" / "tasks").rglob("*.py")]
PUBLIC = {"chainrule", "chainrule.ops", *(f"chainrule.{kind}" for kind in KINDS)}
RULES = [record.name for record in BUILT_IN if record.kind == "optimizers"]
SUBSCRIPTS = str.maketrans("₁₂ₗᵣ", "12LR")
KEPT = {"start": "θ₀"}
"""Entries of state that never change, with what the formula calls them."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_it_imports_only_what_is_public(file):
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert {name for name in imported if str(name).partition(".")[0] == "chainrule"} <= PUBLIC


@pytest.mark.parametrize("name", RULES)
def test_what_a_rule_keeps_is_named_by_the_symbols_of_its_formula(name):
    kind = get("optimizers", name)
    formula = re.search(r"Update:(.*?)Variant:", kind.__doc__, re.DOTALL)[1].translate(SUBSCRIPTS)
    for rule in kind.examples():
        updater = rule.attach(linear(2, 2, bias=1 in kind.ranks).build())
        for state in updater.state_dict()["state"].values():
            for key in (key for key in state if not key.startswith("inner.")):  # those are in the inner rule's formula
                symbol = KEPT.get(key, rf"(?<![a-z]){re.sub('[0-9]', '[0-9ᵢ]', key)} ←")
                assert re.search(symbol, formula), f"{key} is not updated in {formula}"
