"""The names of the package chainrule itself."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import chainrule


def _imported_for_type_checkers():
    tree = ast.parse(Path(chainrule.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_type_checkers_and_python_see_the_same_names():
    assert _imported_for_type_checkers() == {name: f"chainrule.{module}" for name, module in chainrule._PUBLIC.items()}


def test_no_public_name_is_that_of_a_submodule():
    submodules = {module.name for module in pkgutil.iter_modules(chainrule.__path__)}
    assert not submodules & set(chainrule.__all__)


@pytest.mark.parametrize("name", sorted(chainrule._PUBLIC))
def test_every_public_name_can_be_used(name):
    module = importlib.import_module(f"chainrule.{chainrule._PUBLIC[name]}")
    assert getattr(chainrule, name) is getattr(module, name)
    assert name in dir(chainrule)


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'optimiser'"):
        chainrule.optimiser  # noqa: B018


def test_a_component_asked_of_the_package_is_found_where_it_is_imported_from():
    with pytest.raises(AttributeError, match=r"no attribute 'Adam'\. Write from chainrule\.optimizers import adam$"):
        chainrule.Adam  # noqa: B018


def test_modules_need_no_import_of_their_own(packages):
    assert packages.python("import chainrule; print(chainrule.layers.linear.__name__)") == "Linear\n"


def test_the_version_is_that_of_the_installed_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", chainrule.__version__)


def test_importing_chainrule_does_not_import_torch_or_pluggy(packages):
    printed = packages.python("import sys, chainrule; print('torch' in sys.modules, 'pluggy' in sys.modules)")
    assert printed == "False False\n"


def test_the_errors_and_the_registry_do_not_import_torch(packages):
    code = "import sys; from chainrule import ChainruleError, Component, create, hookimpl, register; "
    assert packages.python(code + "print('torch' in sys.modules)") == "False\n"
