"""Summaries that are read from source files without importing them."""

import importlib.abc
import importlib.util
import sys

import pytest

from chainrule import registry
from chainrule.errors import UnknownComponentError
from chainrule.registry import source_files
from chainrule.registry.component import Component

CASES = {
    "a class": ('class Rule:\n    """First line.\n\n    Second.\n    """\n', "First line."),
    "a function": ('def Rule(x,\n         y):\n    """First line."""\n', "First line."),
    "no docstring, but the next class has one": ('class Rule:\n    x = 1\n\nclass Other:\n    """Wrong."""\n', ""),
    "a docstring in other quotes": ("class Rule:\n    'First line.'\n", "First line."),
    "a name that is only a beginning": (
        'class Rules:\n    """Wrong."""\nclass Rule:\n    """First line."""\n',
        "First line.",
    ),
    "escaped quotes": ('class Rule:\n    """Say \\""" x."""\n', 'Say """ x.'),
    "an import": ("from .other import Thing as Rule\n", "Other's line."),
    "an absolute import": ("from reading_package.other import Thing as Rule\n", "Other's line."),
    "a raw docstring": ('class Rule:\n    r"""First \\s line."""\n', "First \\s line."),
    "a backslash": ('class Rule:\n    """First \\s line."""\n', "First \\s line."),
    "a condition": ('if True:\n    class Rule:\n        """First line."""\n', "First line."),
    "an attempt": (
        'try:\n    import nowhere\nexcept ImportError:\n    def Rule():\n        """First line."""\n',
        "First line.",
    ),
    "an attempted import": (
        "try:\n    from .other import Thing as Rule\nexcept ImportError:\n    pass\n",
        "Other's line.",
    ),
    "more than a parser takes": ("x = " + "-" * 10_000 + "1\n", ""),
    "more than Python's stack takes": ("x = " + "a." * 10_000 + "a\n", ""),
    "a syntax error": ("class Rule(:\n", ""),
    "nothing": ("", ""),
}


@pytest.fixture(autouse=True)
def forgotten():
    """Forget where packages of earlier tests were."""
    source_files._top_level.cache_clear()


class Finder(importlib.abc.MetaPathFinder):
    """What a build tool puts in place of a path when it installs a project so that it can be edited."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def find_spec(self, fullname, path, target=None):
        if fullname != self.name:
            return None
        file = self.folder / "__init__.py"
        return importlib.util.spec_from_file_location(fullname, file, submodule_search_locations=[str(self.folder)])


@pytest.mark.parametrize("module", ["hooked_package", "hooked_package.rule"])
def test_a_package_behind_an_import_hook_is_read_too(tmp_path, monkeypatch, module):
    for name in ("__init__", "rule"):
        (tmp_path / f"{name}.py").write_text(
            '\ufeff"""Rules."""\n\n\nclass Rule:\n    "First line."\n', encoding="utf-8"
        )
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder("hooked_package", tmp_path)])
    rule = Component(kind="optimizers", name="rule", entry_point=f"{module}:Rule")
    assert source_files.summary(rule) == "First line."
    assert "hooked_package" not in sys.modules


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("module", ["reading_package", "reading_package.rule"])
def test_the_summary_is_the_first_line_of_the_docstring(tmp_path, monkeypatch, module, text, expected):
    package = tmp_path / "reading_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "other.py").write_text('class Thing:\n    """Other\'s line."""\n')
    (package / ("__init__.py" if module == "reading_package" else "rule.py")).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    component = Component(kind="optimizers", name="rule", entry_point=f"{module}:Rule")
    assert source_files.summary(component) == expected


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [("Outer.Rule", "Inner."), ("Outer.Other", ""), ("Outer", "Outer."), ("Again.Rule", "Inner.")],
)
def test_an_attribute_of_a_class_has_a_summary(tmp_path, monkeypatch, attribute, expected):
    text = 'class Outer:\n    """Outer."""\n\n    class Rule:\n        """Inner."""\n'
    (tmp_path / "holding_rules.py").write_text(text)
    (tmp_path / "again_rules.py").write_text("from holding_rules import Outer as Again\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = "again_rules" if "Again" in attribute else "holding_rules"
    component = Component(kind="optimizers", name="rule", entry_point=f"{module}:{attribute}")
    assert source_files.summary(component) == expected


def test_a_source_is_decoded_as_it_declares(tmp_path, monkeypatch):
    text = '# -*- coding: latin-1 -*-\nclass Rule:\n    """By Zoë."""\n'
    (tmp_path / "old_rules.py").write_text(text, encoding="latin-1")
    monkeypatch.syspath_prepend(tmp_path)
    assert source_files.summary(Component(kind="optimizers", name="rule", entry_point="old_rules:Rule")) == "By Zoë."


def test_a_finder_that_fails_leaves_a_summary_empty(monkeypatch):
    class Failing(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname, path, target=None):
            raise KeyError(fullname)

    monkeypatch.setattr(sys, "meta_path", [Failing(), *sys.meta_path])
    assert source_files.summary(Component(kind="optimizers", name="rule", entry_point="odd_rules:Rule")) == ""


@pytest.mark.parametrize(
    "address", ["", ":Rule", "no such:Rule", "nowhere_at_all:Rule", "nowhere_at_all.x:Rule", "sys:Rule"]
)
def test_what_has_no_source_file_has_no_summary(address):
    component = Component(kind="optimizers", name="rule", entry_point=address)
    assert source_files.source_file(component) is None
    assert source_files.summary(component) == ""


def test_a_circle_of_imports_ends(tmp_path, monkeypatch):
    (tmp_path / "circle_a.py").write_text("from circle_b import Rule\n")
    (tmp_path / "circle_b.py").write_text("from circle_a import Rule\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert source_files.summary(Component(kind="optimizers", name="rule", entry_point="circle_a:Rule")) == ""


def test_too_long_a_name_for_a_file_is_no_component():
    with pytest.raises(UnknownComponentError, match=r"No optimizer is registered as"):
        registry.get("optimizers", "a" * 300)
