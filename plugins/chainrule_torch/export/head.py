"""The head of the file: what it is, where it is from, and what it imports."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution

from chainrule import __version__
from chainrule.registry.distributions import licence_of, name_of, owner_of, version_of
from chainrule_torch.export.gathering import OWN
from chainrule_torch.export.module_source import Imported
from chainrule_torch.export.torch_class import Setting


def head(title: str, settings: list[Setting], kinds: list[type], command: str) -> str:
    """Return the file's docstring, with an example, the credits and the licence."""
    needed = [f"{each.key}=…" for each in settings if each.default is None]
    arguments = ", ".join(["model.parameters()", f"lr={settings[0].default}", *needed])
    owners = {kind: None if _is_own(kind) else owner_of(kind.__module__) for kind in kinds}
    rules = [f"{kind.__module__}.{kind.__name__}{_release(owner)}" for kind, owner in owners.items()]
    lines = [
        f'"""{title} as a `torch.optim.Optimizer`, in one file that needs torch alone.',
        f"    optimizer = {title}({arguments})",
        f"Written by `{command}` of chainrule {__version__}.",
        *(f"{'Rule' if i == 0 else 'Inside'}: {text}." for i, text in enumerate(rules)),
    ]
    return (
        f"{lines[0]}\n\n{lines[1]}\n\n"
        + "\n".join([*lines[2:], f"Licence: {_licence(owners)}."])
        + '\n"""\n\nfrom __future__ import annotations'
    )


def _release(owner: Distribution | None) -> str:
    """Return from which release of another distribution a rule is."""
    return "" if owner is None else f" of {name_of(owner)} {version_of(owner)}"


def _licence(owners: dict[type, Distribution | None]) -> str:
    """Return the licences of the rules and of chainrule."""
    said = []
    for kind, owner in owners.items():
        if owner is not None:
            said.append(f"{licence_of(owner) or 'not stated'} for {name_of(owner)}; ")
        elif not _is_own(kind):
            said.append("not stated for the rule; ")
    return "".join([*dict.fromkeys(said), "MIT, © The chainrule authors", ", for the rest" * bool(said)])


def _is_own(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in OWN


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
