"""`Catalogue`: every declared component as a record held by pluggy, without importing plugins."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import pluggy

from chainrule.base.hookspecs import PROJECT, CatalogueHooks, unmarked_hooks
from chainrule.errors import (
    AmbiguousComponentError,
    BlockedComponentError,
    BrokenComponentError,
    ChainruleError,
    UnknownComponentError,
    one_line,
)
from chainrule.registry.component import (
    NAME_RULE,
    OWN_DISTRIBUTION,
    SESSION,
    Component,
    canonical_distribution,
    is_valid_name,
)
from chainrule.registry.discovery import read_declarations
from chainrule.registry.hints import unknown_component
from chainrule.registry.kinds import COMMANDS, HOOKS, KINDS, OUT_OF_SCOPE, kind_or_none, letters_of
from chainrule.registry.loading import broken, load_record

DISABLE = "CHAINRULE_DISABLE"


class _Manager(pluggy.PluginManager):
    """A plugin manager that does not search records for hooks, since they have none."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return None if isinstance(plugin, Component) else super().parse_hookimpl_opts(plugin, name)


class Catalogue:
    """Every declared component, as a record that pluggy holds under its key, such as ``optimizers:lion``.

    Attributes:
        manager: the plugin manager, with the records that are usable by their bare name.
        records: every record, by key, including those that are invalid, blocked or ambiguous; replaced, never changed,
            since other threads may be reading it.
        hooks: the modules that may contribute records.
        check_modules: the modules with checks of the conformance kit that those contribute and nothing has imported.
        out_of_scope: the tables of names that a package leaves out of a kind, each with the reason.
        session: the objects that were registered in this process, by key.
        problems: the errors in reading and loading declarations, with chained causes.

    Args:
        contributed: records in addition to those declared. None is asked of the modules in ``chainrule.hooks`` before
            `ask_hooks`, so that no plugin is imported.
    """

    def __init__(self, contributed: Iterable[Component] = ()) -> None:
        self.manager = _Manager(PROJECT)
        self.manager.add_hookspecs(CatalogueHooks)
        self.records: dict[str, list[Component]] = {}
        self.session: dict[str, Any] = {}
        self.check_modules: list[Component] = []
        self._blocked_distributions: set[str] = set()
        self._block(os.environ.get(DISABLE, ""))
        declarations = read_declarations()
        self.problems: list[ChainruleError] = declarations.problems
        self.hooks = [component for component in declarations.components if component.kind == HOOKS]
        self.out_of_scope = [component for component in declarations.components if component.kind == OUT_OF_SCOPE]
        declared = [component for component in declarations.components if component.kind not in (HOOKS, OUT_OF_SCOPE)]
        self._add([*declared, *contributed])

    def ask_hooks(self) -> None:
        """Add the records that the modules in ``chainrule.hooks`` contribute."""
        self._add(self.contributed(self.hooks))

    def import_check_modules(self) -> None:
        """Import the modules whose checks join the conformance kit, and add to `problems`."""
        modules, self.check_modules = self.check_modules, []
        for module in modules:
            try:
                self.load(module)
            except BrokenComponentError as error:
                self.problems.append(error)

    def _add(self, components: Iterable[Component]) -> None:
        records = {key: list(known) for key, known in self.records.items()}
        for component in components:
            records.setdefault(component.key, []).append(component)
        self.records = records
        for component in (each for known in records.values() for each in known):
            usable, held = self.state(component) == "declared", self.manager.has_plugin(component.key)
            if usable and not held:
                self.manager.register(component, name=component.key)
            elif held and not usable and self.manager.get_plugin(component.key) is component:
                self.manager.unregister(name=component.key)

    def state(self, component: Component) -> str:
        """Return ``declared``, or why the bare name is unusable: ``invalid``, ``blocked`` or ``ambiguous``."""
        if not is_valid_name(component.name):
            return "invalid"
        if self.is_blocked(component):
            return "blocked"
        rivals = [other for other in self.records.get(component.key, ()) if not self.is_blocked(other)]
        return "ambiguous" if len(rivals) > 1 else "declared"

    def is_blocked(self, component: Component) -> bool:
        """Return whether CHAINRULE_DISABLE names the component or its distribution."""
        return (
            self.manager.is_blocked(component.key)
            or canonical_distribution(component.distribution) in self._blocked_distributions
        )

    def named(self, kind: str, name: str) -> list[Component]:
        """Return every record of a kind that matches ``NAME`` or ``DISTRIBUTION:NAME``."""
        distribution, _, bare = name.partition(":")
        found = self.records.get(f"{kind}:{bare}", [])
        wanted = canonical_distribution(distribution)
        of_distribution = [each for each in found if canonical_distribution(each.distribution) == wanted]
        return of_distribution or self.records.get(f"{kind}:{name}", [])

    def find(self, kind: str, name: str) -> Component:
        """Return the one usable record of a kind that matches ``NAME`` or ``DISTRIBUTION:NAME``."""
        held = self.manager.get_plugin(f"{kind}:{name}")
        if isinstance(held, Component):
            return held
        named = self.named(kind, name)
        if not named:
            raise self.unknown(kind, name)
        first = named[0]
        if not is_valid_name(first.name):
            raise UnknownComponentError(
                f"{first.distribution}: the name of an entry point in chainrule.{kind} must match {NAME_RULE}, "
                f'got "{first.name}". Rename it in the metadata of {first.distribution}.'
            )
        usable = [component for component in named if not self.is_blocked(component)]
        if not usable:
            raise BlockedComponentError(
                f'{kind}: "{name}" of {first.distribution} is disabled by {DISABLE}="{os.environ.get(DISABLE, "")}". '
                "Remove its entry from that variable."
            )
        if len(usable) > 1:
            raise _collision(usable)
        return usable[0]

    def unknown(self, kind: str | None, name: str) -> UnknownComponentError:
        """Return the error for an unknown name of a kind, or of any, with the reasons of packages that leave it out."""
        bare, reasons, problems = letters_of(name.rpartition(":")[2]), [], list(self.problems)
        for table in self.out_of_scope:
            if self.is_blocked(table) or kind not in (None, kind_or_none(table.name)):
                continue
            try:
                by_name = self.load(table)
            except BrokenComponentError as problem:
                problems.append(problem)
            else:
                reasons += [reason for known, reason in by_name.items() if letters_of(known) == bare]
        return unknown_component(kind, name, self.records, problems, reasons)

    def load(self, component: Component) -> Any:
        """Return the object of a record: the one registered in this process, or else imported.

        Raises:
            BrokenComponentError: if it cannot be imported, or is not what its kind asks for.
        """
        if component.distribution == SESSION and component.key in self.session:
            return self.session[component.key]
        return load_record(component)

    def add_to_session(self, component: Component, obj: Any) -> None:
        """Register an object of this process, in place of an earlier one with the same name and definition."""
        if self.manager.is_blocked(component.key):
            raise BlockedComponentError(
                f'register: "{component.key}" is disabled by {DISABLE}="{os.environ.get(DISABLE, "")}". '
                "Remove its entry from that variable or choose another name."
            )
        for earlier in self.records.get(component.key, ()):
            if earlier != component and not self.is_blocked(earlier):
                raise AmbiguousComponentError(
                    f'register: "{component.key}" is already registered for {earlier.entry_point} '
                    f"({earlier.distribution}). Choose another name."
                )
        self.session[component.key] = obj
        others = [other for other in self.records.get(component.key, ()) if other != component]
        self.records = {**self.records, component.key: [*others, component]}
        if self.manager.has_plugin(component.key):
            self.manager.unregister(name=component.key)
        self.manager.register(component, name=component.key)

    def _block(self, disabled: str) -> None:
        for entry in filter(None, (part.strip() for part in disabled.split(","))):
            kind, _, name = entry.partition(":")
            known = kind if kind in (HOOKS, OUT_OF_SCOPE) else kind_or_none(kind)
            if kind == "dist" and name:
                self._blocked_distributions.add(canonical_distribution(name))
            elif name and ":" not in name and known is not None:
                self.manager.set_blocked(f"{known}:{name}")
            else:
                raise ChainruleError(
                    f'{DISABLE}: every entry must be KIND:NAME or dist:DISTRIBUTION, got "{entry}". '
                    "Write, for example, optimizers:lion,dist:some-package."
                )

    def contributed(self, modules: Iterable[Component]) -> list[Component]:
        """Return the records that modules in ``chainrule.hooks`` contribute; add to `check_modules` and `problems`."""
        contributed: list[Component] = []
        for module in modules:
            if self.is_blocked(module):
                continue
            name = f"{HOOKS}:{module.full_name}"
            try:
                # Hooks run whenever names are listed, and shell completion reads stdout.
                with redirect_stdout(sys.stderr):
                    plugin = self.load(module)
                    self.manager.register(plugin, name=name)
                    self.manager.check_pending()
                    self._expect_hooks(plugin)
                    contributed += self._components_from(plugin, module)
                    self.check_modules += self._check_modules_from(plugin, module)
            except BrokenComponentError as error:
                self.problems.append(error)
            except Exception as error:  # noqa: BLE001  # added to problems, so that the other modules still load
                self.problems.append(broken(module, one_line(error), error))
                if self.manager.has_plugin(name):
                    self.manager.unregister(name=name)
        return contributed

    def _expect_hooks(self, plugin: Any) -> None:
        """Raise TypeError unless a registered plugin has hooks, each of them marked."""
        if unmarked := unmarked_hooks(plugin, CatalogueHooks):
            raise TypeError(f"its hooks must be marked with @chainrule.hookimpl, got {', '.join(unmarked)} without it")
        if not self.manager.get_hookcallers(plugin):
            hooks = " or ".join(vars(self.manager.hook))
            raise TypeError(f"it must be a module that implements {hooks}, got {plugin!r}")

    def _components_from(self, plugin: Any, module: Component) -> list[Component]:
        """Call one module's hook and return its records, with their distribution filled in."""
        contributed: list[Component] = []
        for records in self._returned("chainrule_components", plugin):
            for record in records:
                if not isinstance(record, Component) or record.kind not in KINDS:
                    raise TypeError(f"chainrule_components must return Components of a known kind, got {record!r}")
                contributed.append(
                    replace(record, distribution=module.distribution, version=module.version, api=module.api)
                )
        return contributed

    def _check_modules_from(self, plugin: Any, module: Component) -> list[Component]:
        """Call one module's hook and return the modules that it names, as records."""
        contributed: list[Component] = []
        for names in self._returned("chainrule_checks", plugin):
            for name in [names] if isinstance(names, str) else names:
                if not isinstance(name, str):
                    raise TypeError(f"chainrule_checks must return names of modules, got {name!r}")
                contributed.append(replace(module, name=name, entry_point=name))
        return contributed

    def _returned(self, hook: str, plugin: Any) -> list[Any]:
        """Return what one plugin returns from a hook, in a list, which is empty if it has none."""
        others = [other for other in self.manager.get_plugins() if other is not plugin]
        return list(self.manager.subset_hook_caller(hook, others)())


def _collision(components: list[Component]) -> AmbiguousComponentError:
    kind, name = components[0].kind, components[0].name
    owners = ", ".join(f"{component.distribution} ({component.entry_point})" for component in components)
    if len({canonical_distribution(component.distribution) for component in components}) == 1:
        return AmbiguousComponentError(
            f'{kind}: "{name}" must be registered once, got {owners}. '
            f"Rename or delete one in the metadata of {components[0].distribution}."
        )
    use = "chainrule {1}" if kind == COMMANDS else 'chainrule.get("{0}", "{1}")'
    choices = " or ".join(use.format(kind, other.full_name) for other in components)
    foreign = next(
        (other.distribution for other in components if other.distribution != OWN_DISTRIBUTION), OWN_DISTRIBUTION
    )
    return AmbiguousComponentError(
        f'{kind}: "{name}" must be registered once, got {owners}. Write {choices}, or set {DISABLE}=dist:{foreign}.'
    )
