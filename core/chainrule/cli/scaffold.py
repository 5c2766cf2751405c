"""The files of a new package, made from templates and written all or none."""

from __future__ import annotations

import ast
import builtins
import datetime
import keyword
import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from chainrule import registry
from chainrule.errors import ChainruleError
from chainrule.registry.component import NAME_RULE, canonical_distribution, is_valid_name
from chainrule.registry.contract import API
from chainrule.registry.distributions import installed_version
from chainrule.registry.kinds import singular

LICENSES = {"mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "none": ""}


def package_name(name: str) -> str:
    """Return the name of a component's package on an index: ``chainrule-my-rule`` for ``my_rule``."""
    return canonical_distribution(f"chainrule-{name}").rstrip("-")  # names of distributions may not end in a hyphen


def _module_name(name: str) -> str:
    """Return the name of a component's import package, which build tools derive from the distribution's name."""
    return package_name(name).replace("-", "_")


def check_name(kind: str, name: str) -> None:
    """Raise ChainruleError if a new component of a kind cannot have this name."""
    if not is_valid_name(name):
        raise ChainruleError(f'new: the name must match {NAME_RULE}, got "{name}". Choose another.')
    if name.startswith("test"):
        raise ChainruleError(
            f'new: the name must not begin with test, got "{name}". Choose another, since pytest takes it for a test.'
        )
    taken = [component for component in registry.components(kind) if component.name == name]
    if taken:
        raise ChainruleError(
            f'new: "{name}" is already registered among the {kind}, by {taken[0].distribution}. Choose another name.'
        )
    if installed_version(package_name(name)) is not None or find_spec(_module_name(name)) is not None:
        raise ChainruleError(
            f'new: the package of "{name}", {package_name(name)}, is already installed. Choose another name.'
        )


def package_files(kind: str, name: str, license_name: str) -> dict[str, str]:
    """Return the text of every file of a new package, by its path inside the package.

    Raises:
        ChainruleError: if the component or its class would shadow a name that its code uses.
    """
    module, class_name = _module_name(name), "".join(part.capitalize() for part in name.split("_"))
    package, spdx, one = package_name(name), LICENSES[license_name], singular(kind)
    words = {
        "kind": one,
        "kinds": kind,
        "name": name,
        "Class": class_name,
        "module": module,
        "package": package,
        "api": str(API),
        "requirement": _requirement(),
        "year": str(datetime.datetime.now(tz=datetime.UTC).year),
        "license_lines": f'license = "{spdx}"\nlicense-files = ["LICENSE"]\n' if spdx else "",
    }
    words["usage"] = _text(f"{one}/usage", words).rstrip()
    nameless = words | {"name": "_", "Class": "_"}
    used = {file: _used_names(_text(f"{one}/{file}", nameless)) for file in ("usage", "module.py", "test.py")}
    unusable = used["module.py"] | used["test.py"] | set(dir(builtins))
    if name in used["usage"] or class_name in unusable or keyword.iskeyword(class_name):
        raise ChainruleError(
            f'new: the name and its class must not shadow names that its code uses, got "{name}" and {class_name}. '
            "Choose another name."
        )
    texts = {
        "pyproject.toml": _text("package/pyproject.toml", words),
        "README.md": _text("package/README.md", words),
        ".gitignore": _text("package/gitignore", words),
        ".github/workflows/test.yml": _text("package/test.yml", words),
        f"src/{module}/__init__.py": _text(f"{one}/module.py", words),
        f"src/{module}/py.typed": "",
        f"tests/test_{name}.py": _text(f"{one}/test.py", words),
    }
    return texts | ({"LICENSE": _text(f"license/{license_name}", words)} if spdx else {})


def write_package(texts: Mapping[str, str], target: Path) -> None:
    """Write every file under the target folder, or none if there is an error.

    Raises:
        ChainruleError: if the target is not a new or empty folder in an existing one, or is not writable.
    """
    try:
        target = target.resolve()  # so that a link to an empty folder stays one
        _check_target(target)
        _write(texts, target)
    except (OSError, RuntimeError) as error:  # the latter from a link to itself
        reason = getattr(error, "strerror", None) or error
        raise ChainruleError(
            f"new: {target} must be writable, got {reason}. Choose another with --directory."
        ) from error


def _check_target(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir()) or target.samefile(Path.cwd())):
        raise ChainruleError(
            f"new: the target must be a new folder, or an empty one that is not the current one, got {target}. "
            "Choose another with --directory."
        )
    if not target.parent.is_dir():
        raise ChainruleError(f"new: the target must be in an existing folder, got {target}. Create {target.parent}.")


def _write(texts: Mapping[str, str], target: Path) -> None:
    there = target.exists()  # then it is filled, since it may be a mount point, or in a folder that is not writable
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target if there else target.parent))
    try:
        package = beside / target.name  # not by mkdtemp, whose folders are private
        for path, text in texts.items():
            file = package / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        if there:
            for entry in list(package.iterdir()):
                entry.rename(target / entry.name)
        else:
            package.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _text(template: str, words: Mapping[str, str]) -> str:
    folder = files("chainrule.cli").joinpath("templates")
    return Template(folder.joinpath(f"{template}.in").read_text(encoding="utf-8")).substitute(words)


def _requirement() -> str:
    import chainrule

    version = chainrule.__version__
    return "chainrule" if "unknown" in version else f"chainrule>={version.partition('+')[0]}"


def _used_names(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    imported = (alias for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names)
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {each.asname or each.name for each in imported}
