"""``chainrule stubs``: stubs of everything installed, for type checkers and editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule import registry
from chainrule.cli.output import echo
from chainrule.cli.paths import expanded, write_whole
from chainrule.cli.stub_text import kind_stub
from chainrule.errors import ChainruleError
from chainrule.registry.component import Component
from chainrule.registry.kinds import KINDS
from chainrule.registry.source_files import source_file

HEADING = "# Written by `chainrule stubs`; run it again after installing or removing a plugin.\n"


def stubs(
    out: Annotated[
        Path, typer.Option(help="The folder to write the stubs to; for mypy, add it to mypy_path.", file_okay=False)
    ] = Path("typings"),
) -> None:
    """Write stubs of all installed components, so that type checkers and editors know their signatures.

    Example: chainrule stubs, with mypy_path = "typings" for mypy; pyright and VS Code search typings by default
    """
    out = expanded("stubs", out)
    package = out / "chainrule"
    untyped = sorted({found.distribution for found in registry.components() if _is_declared(found) and _untyped(found)})
    texts = {"__init__": _init_stub(), **{kind: _kind_stub(kind) for kind in KINDS}}
    try:
        if package.exists() and not _is_ours(package):
            raise ChainruleError(
                f"stubs: {package} exists and was not written by chainrule stubs. Choose another with --out."
            )
        package.resolve().mkdir(parents=True, exist_ok=True)
        write_whole({package / f"{name}.pyi": text for name, text in texts.items()})
    except (OSError, RuntimeError) as error:  # the latter from a link to itself
        reason = getattr(error, "strerror", None) or error
        raise ChainruleError(f"stubs: {package} must be writable, got {reason}. Choose another with --out.") from error
    echo(f'Wrote {package}. For mypy, set mypy_path = "{out}".')
    for distribution in untyped:
        echo(f"chainrule: {distribution} has no py.typed, so mypy treats its components as Any.", err=True)


def _init_stub() -> str:
    """Return the stub of chainrule itself, which type checkers need in addition to the stubs of its kinds."""
    from chainrule import _MODULES

    lines = [f"from chainrule.{module} import {name} as {name}" for module in _MODULES for name in _MODULES[module]]
    return "\n".join([HEADING, *lines, "", "__version__: str", ""])


def _kind_stub(kind: str) -> str:
    components = [component for component in registry.components(kind) if _is_declared(component)]
    addresses = {found.name: None if source_file(found) is None else found.entry_point for found in components}
    return kind_stub(addresses, heading=HEADING, untyped={found.name for found in components if _untyped(found)})


def _is_declared(component: Component) -> bool:
    return registry.state(component) == "declared"


def _untyped(component: Component) -> bool:
    """Return whether no folder from the component's file up to its top-level package contains py.typed."""
    file = source_file(component)
    depth = component.entry_point.partition(":")[0].count(".")
    return file is not None and not any((folder / "py.typed").is_file() for folder in list(file.parents)[: depth + 1])


def _is_ours(package: Path) -> bool:
    stub = package / "__init__.pyi"
    return stub.is_file() and stub.read_bytes().startswith(HEADING.partition(";")[0].encode())
