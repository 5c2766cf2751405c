"""Files of modules, which another process imports where it does not find the module itself."""

import zipfile
from importlib import import_module

from chainrule.testing.module_file import files_of


def test_a_module_in_an_archive_has_no_file(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as archive:
        archive.writestr("zipped_rules/__init__.py", "")
        archive.writestr("zipped_rules/plain.py", "")
    monkeypatch.syspath_prepend(tmp_path / "rules.zip")
    assert import_module("zipped_rules.plain").__file__.endswith(".py")
    assert files_of("zipped_rules.plain") == []


def test_a_module_in_a_folder_has_one_with_those_of_its_packages(tmp_path, monkeypatch):
    (tmp_path / "kept_rules").mkdir()
    for name in ("__init__", "plain"):
        (tmp_path / "kept_rules" / f"{name}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    import_module("kept_rules.plain")
    assert [name for name, _ in files_of("kept_rules.plain")] == ["kept_rules", "kept_rules.plain"]
