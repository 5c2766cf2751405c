"""Discovery: reading the catalogue from the metadata of installed packages, without importing them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata

from chainrule.errors import BrokenComponentError, ChainruleError, one_line
from chainrule.registry.component import Component, canonical_distribution
from chainrule.registry.contract import API, API_GROUP
from chainrule.registry.distributions import distributions, first_named, is_set_aside, name_of, version_of
from chainrule.registry.kinds import COMMANDS, FUNCTIONS, HOOKS, KINDS, OUT_OF_SCOPE

GROUPS = {f"chainrule.{kind}": kind for kind in (*KINDS, COMMANDS, FUNCTIONS, HOOKS, OUT_OF_SCOPE)}
"""The kind of the entry points in each group: of components, and of all else that a package may declare."""


@dataclass
class Declarations:
    """The records that installed packages declare, and the errors in reading them."""

    components: list[Component] = field(default_factory=list)
    problems: list[ChainruleError] = field(default_factory=list)


def read_declarations() -> Declarations:
    """Read every entry point of chainrule's groups, each distribution once.

    Of two distributions with the same name, the first on ``sys.path`` takes precedence, as for imports. A distribution
    whose metadata cannot be read is skipped and recorded as a problem, so that it does not affect the others.
    """
    found = Declarations()
    seen: set[str] = set()
    everything = distributions()
    for distribution in everything:
        try:
            # Parsing the whole metadata of every distribution would take most of a command's time.
            text = distribution.read_text("entry_points.txt") or ""
            if "[chainrule." not in text:
                continue
            if text.startswith("\ufeff"):  # with which Python does not recognize the first group
                raise ValueError("entry_points.txt begins with a byte order mark")
            name = canonical_distribution(name_of(distribution))
            if name in seen:
                continue
            # Without components itself, an earlier one of the same name may hide this one.
            first = first_named(name, everything) if name else None
            if not name or (first is None and is_set_aside(distribution)):
                reason = "its installation was interrupted" if name else "it has no Name"
                found.problems.append(_unreadable(distribution, reason))
                continue
            seen.add(name)
            found.components += _components_of(first or distribution)  # in a folder of another name
        except BrokenComponentError as problem:
            found.problems.append(problem)
        except Exception as error:  # noqa: BLE001  # a faulty distribution must not hide the others
            found.problems.append(_unreadable(distribution, one_line(error), error))
    return found


def _components_of(distribution: metadata.Distribution) -> list[Component]:
    name, version, api = name_of(distribution), version_of(distribution) or "unknown", stated_contract(distribution)
    return [
        Component(
            kind=GROUPS[entry_point.group],
            name=entry_point.name,
            entry_point=entry_point.value,
            distribution=name,
            version=version,
            api=api,
        )
        for entry_point in distribution.entry_points
        if entry_point.group in GROUPS
    ]


def stated_contract(distribution: metadata.Distribution) -> int | None:
    """Return the number of the contract that a distribution is written for, or None if it states none.

    Raises:
        BrokenComponentError: if it states more than one contract, or one that is not an integer.
    """
    stated = [point.name for point in distribution.entry_points if point.group == API_GROUP]
    if not stated:
        return None
    if len(stated) > 1 or not stated[0].isdecimal():
        raise BrokenComponentError(
            f"{name_of(distribution)}: the group {API_GROUP} must hold one contract, such as 1, "
            f"got {', '.join(stated)}. "
            f'Write {API} = "chainrule:API" there.'
        )
    return int(stated[0])


def _unreadable(
    distribution: metadata.Distribution, reason: str, error: Exception | None = None
) -> BrokenComponentError:
    location = getattr(distribution, "_path", None) or distribution.locate_file("")
    problem = BrokenComponentError(
        f"The metadata of a distribution in {location} cannot be read ({reason}). Reinstall it."
    )
    problem.__cause__ = error
    return problem
