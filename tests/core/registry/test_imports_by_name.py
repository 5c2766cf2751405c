"""``from chainrule.optimizers import adam``, at run time and for type checkers."""

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

import chainrule
from chainrule.registry.kinds import KINDS

ROOT = Path(__file__).parents[3]
ENTRY_POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]


def _stub(kind):
    return ast.parse((ROOT / "core" / "chainrule" / f"{kind}.pyi").read_text(encoding="utf-8"))


def test_every_group_of_entry_points_is_a_kind():
    others = {"chainrule.api", "chainrule.commands", "chainrule.functions", "chainrule.hooks", "chainrule.out_of_scope"}
    assert set(ENTRY_POINTS) - others == {f"chainrule.{kind}" for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_stub_names_exactly_the_built_in_components(kind):
    imported = {
        alias.asname: f"{node.module}:{alias.name}"
        for node in _stub(kind).body
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert imported == ENTRY_POINTS[f"chainrule.{kind}"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_stub_exports_what_it_imports_and_admits_third_parties(kind):
    body = _stub(kind).body
    exported = [ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)]
    assert exported == [sorted(ENTRY_POINTS[f"chainrule.{kind}"])]
    assert [node.name for node in body if isinstance(node, ast.FunctionDef)] == ["__getattr__"]


@pytest.mark.parametrize("kind", KINDS)
def test_dir_lists_the_installed_names(kind):
    assert set(ENTRY_POINTS[f"chainrule.{kind}"]) <= set(dir(importlib.import_module(f"chainrule.{kind}")))


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_can_be_imported(kind):
    module = importlib.import_module(f"chainrule.{kind}")
    for name, address in ENTRY_POINTS[f"chainrule.{kind}"].items():
        loaded = getattr(module, name)
        assert f"{loaded.__module__}:{loaded.__qualname__}" == address


def test_a_star_import_gives_every_installed_name():
    names = {}
    exec("from chainrule.activations import *", names)  # noqa: S102
    assert set(ENTRY_POINTS["chainrule.activations"]) <= names.keys()


def test_an_unknown_name_keeps_its_hint_in_an_import():
    with pytest.raises(chainrule.UnknownComponentError, match=r'registered as "adm"\. Did you mean "adam"'):
        from chainrule.optimizers import adm  # noqa: F401


@pytest.mark.parametrize("name", ["__path__", "__wrapped__", "_repr_html_"])
def test_names_with_a_leading_underscore_raise_attribute_error(name):
    with pytest.raises(AttributeError, match=f"'chainrule.layers' has no attribute '{name}'"):
        getattr(importlib.import_module("chainrule.layers"), name)


def test_importing_a_kind_does_not_import_torch(packages):
    code = "import sys; " + "".join(f"import chainrule.{kind}; " for kind in KINDS)
    assert packages.python(code + "dir(chainrule.optimizers); print('torch' in sys.modules)") == "False\n"
