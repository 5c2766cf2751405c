"""The stub of a kind's module; imports the standard library alone, since the build of chainrule runs this file too."""

from __future__ import annotations

from collections.abc import Collection, Mapping

IGNORED = "  # type: ignore[import-untyped, unused-ignore]"


def kind_stub(
    addresses: Mapping[str, str | None],
    *,
    heading: str = "",
    untyped: Collection[str] = (),
    admits_others: bool = False,
) -> str:
    """Return the stub of the module from which the components of one kind are imported.

    Args:
        addresses: each component's address by name, ``package.module:Class``; None if its source cannot be read.
        heading: the first lines of the stub.
        untyped: names whose package has no types; their imports are marked for type checkers.
        admits_others: whether the module may have other names, of any type.
    """
    lines = [line for name, address in addresses.items() for line in _import(name, address, name in untyped)]
    exported = ", ".join(f'"{name}"' for name in addresses)
    typing = ["from typing import Any", ""] if admits_others or None in addresses.values() else []
    others = ["", "def __getattr__(name: str) -> Any: ..."] if admits_others else []
    return "\n".join([heading, *typing, *lines, "", f"__all__ = [{exported}]", *others, ""])


def _import(name: str, address: str | None, untyped: bool) -> list[str]:
    if address is None:
        return [f"{name}: Any"]
    module, _, attribute = (part.strip() for part in address.partition("[")[0].partition(":"))
    ignored = IGNORED if untyped else ""
    first, *rest = attribute.split(".")
    if not rest:
        return [f"from {module} import {first} as {name}{ignored}"]
    return [f"from {module} import {first} as _{name}{ignored}", f"{name} = _{name}.{'.'.join(rest)}"]
