"""The head of the file: what it is, where it is from, and what it imports."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from chainrule import __version__, registry
from chainrule.registry.component import OWN_DISTRIBUTION
from chainrule.registry.distributions import distributions, fields_of, first_named, version_of
from chainrule_torch.export.gathering import OWN
from chainrule_torch.export.module_source import Imported
from chainrule_torch.export.torch_class import Setting


def head(title: str, settings: list[Setting], kinds: list[type], command: str) -> str:
    """Return the file's docstring, with an example, the credits and the licence."""
    needed = [f"{each.key}=…" for each in settings if each.default is None]
    arguments = ", ".join(["model.parameters()", f"lr={settings[0].default}", *needed])
    distinct = list(dict.fromkeys(kinds))
    rules = [f"{kind.__module__}.{kind.__name__}{_release(kind)}" for kind in distinct]
    lines = [
        f'"""{title} as a `torch.optim.Optimizer`, in one file that needs torch alone.',
        f"    optimizer = {title}({arguments})",
        f"Written by `{command}` of chainrule {__version__}.",
        *(f"{'Rule' if i == 0 else 'Inside'}: {text}." for i, text in enumerate(rules)),
    ]
    return (
        f"{lines[0]}\n\n{lines[1]}\n\n"
        + "\n".join([*lines[2:], f"Licence: {_licence(distinct)}."])
        + '\n"""\n\nfrom __future__ import annotations'
    )


def _release(kind: type) -> str:
    """Return from which release of another distribution a rule is."""
    name = _distribution_of(kind)
    found = first_named(name, distributions()) if name not in ("", OWN_DISTRIBUTION) else None
    return "" if found is None else f" of {name} {version_of(found)}"


def _licence(kinds: list[type]) -> str:
    """Return the licences of the rules and of chainrule."""
    said = []
    for name in dict.fromkeys(_distribution_of(kind) for kind in kinds):
        if name != OWN_DISTRIBUTION:
            found = first_named(name, distributions()) if name else None
            fields = {} if found is None else dict(fields_of(found))
            licence = fields.get("License-Expression") or fields.get("License", "").partition("\n")[0]
            said.append(f"{licence or 'not stated'} for {name or 'the rule'}; ")
    return "".join([*said, "MIT, © The chainrule authors", ", for the rest" * bool(said)])


def _distribution_of(kind: type) -> str:
    """Return the name of the distribution that a registered rule is from, or an empty string."""
    root = kind.__module__.partition(".")[0]
    if root in OWN:
        return OWN_DISTRIBUTION
    names = [
        each.distribution
        for each in registry.components("optimizers")
        if each.entry_point.partition(":")[0].partition(".")[0] == root
    ]
    return names[0] if names else ""


def imports(imported: Iterable[Imported]) -> str:
    """Return import statements, in the order in which ruff has them."""
    blocks: dict[bool, tuple[set[str], dict[str, set[str]]]] = {False: (set(), {}), True: (set(), {})}
    for one in imported:
        plain, named = blocks[one.module.partition(".")[0] not in sys.stdlib_module_names]
        if one.name is None:
            plain.add(
                one.module
                if one.bound in (one.module, one.module.partition(".")[0])
                else f"{one.module} as {one.bound}"
            )
        else:
            named.setdefault(one.module, set()).add(one.name if one.name == one.bound else f"{one.name} as {one.bound}")
    texts = []
    for plain, named in blocks.values():
        lines = [f"import {module}" for module in sorted(plain)]
        lines += [
            f"from {module} import {', '.join(sorted(names, key=_sorted))}" for module, names in sorted(named.items())
        ]
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def _sorted(name: str) -> tuple[int, str]:
    """Return the place of a name in an import: constants, classes, functions."""
    if re.fullmatch(r"[A-Z][A-Z0-9_]+", name):
        return 0, name
    return (1 if name[0].isupper() else 2), name
