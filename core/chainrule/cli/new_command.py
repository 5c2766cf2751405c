"""``chainrule new``: a package for a new component, ready to install."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.completion import complete_license, complete_singular_kind
from chainrule.cli.output import echo
from chainrule.cli.paths import expanded
from chainrule.errors import ChainruleError
from chainrule.registry.kinds import KINDS, kind_named, singular


def new(
    kind: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(map(singular, KINDS))}.", autocompletion=complete_singular_kind),
    ],
    name: Annotated[str, typer.Argument(help="The name to register it under, such as my_rule.")],
    directory: Annotated[
        Path | None,
        typer.Option(help="The folder to create; chainrule-NAME here by default.", show_default=False),
    ] = None,
    license_name: Annotated[
        str, typer.Option("--license", help="One of mit, bsd-3-clause, none.", autocompletion=complete_license)
    ] = "mit",
) -> None:
    """Write a package with a working component, its tests and its entry point.

    Example: chainrule new optimizer my_rule
    """
    from chainrule.cli.scaffold import LICENSES, check_name, package_files, package_name, write_package

    kind = kind_named(kind)
    if kind not in KINDS:
        raise ChainruleError(f"new: the kind must be one of {', '.join(map(singular, KINDS))}, got {kind}. Choose one.")
    license_name = license_name.lower()
    if license_name not in LICENSES:
        raise ChainruleError(f'new: --license must be one of {", ".join(LICENSES)}, got "{license_name}". Choose one.')
    check_name(kind, name)
    target = expanded("new", directory or Path(package_name(name)))
    texts = package_files(kind, name, license_name)
    write_package(texts, target)
    echo(f"Wrote {target}:")
    for path in sorted(texts):
        echo(f"  {path}")
    folder = f'"{target}"' if " " in str(target) else target
    echo(f'\nNext:\n  pip install -e "{target}[test]"\n  chainrule check {kind}:{name}\n  pytest {folder}')
