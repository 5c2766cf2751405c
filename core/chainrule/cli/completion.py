"""Completing kinds and component names in a shell, from metadata alone."""

from __future__ import annotations

from chainrule import registry
from chainrule.component import KINDS, singular


def complete_kind(incomplete: str) -> list[str]:
    """Return the kinds that begin with what was typed."""
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def complete_singular_kind(incomplete: str) -> list[str]:
    """Return the kinds in the singular that begin with what was typed."""
    return [singular(kind) for kind in KINDS if singular(kind).startswith(incomplete)]


def complete_license(incomplete: str) -> list[str]:
    """Return the licenses that begin with what was typed."""
    from chainrule.cli.scaffold import LICENSES

    return [name for name in LICENSES if name.startswith(incomplete)]


def complete_name(incomplete: str) -> list[str]:
    """Return the names that begin with what was typed; after a colon, those with their kind in front."""
    offered = set()
    for component in registry.components():
        state = registry.state(component)
        if state in ("declared", "ambiguous"):
            unique = component.key if state == "declared" else f"{component.kind}:{component.full_name}"
            offered.add(unique if ":" in incomplete else component.name)
    return sorted(name for name in offered if name.startswith(incomplete))
