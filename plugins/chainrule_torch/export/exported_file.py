"""`exported`: a rule as the text of one file that imports torch alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import torch

from chainrule import ChainruleError, Optimizer
from chainrule.arguments import shown
from chainrule.base.wrapper import layers_of
from chainrule.errors import label
from chainrule.updates.chain import Chain
from chainrule_torch.adapter.group_settings import MAXIMIZE, WEIGHT_DECAY, GroupSettings
from chainrule_torch.export import stand_ins
from chainrule_torch.export.gathering import Gathering, Item
from chainrule_torch.export.head import head, imports
from chainrule_torch.export.module_source import Imported
from chainrule_torch.export.parameter_step import Layer, ParameterStep
from chainrule_torch.export.rule_class import ROOTS, RuleClass
from chainrule_torch.export.text import joined
from chainrule_torch.export.torch_class import Setting, TorchClass
from chainrule_torch.export.trial import SHAPES

ALWAYS = (
    Imported("collections.abc", "Callable", "Callable"),
    Imported("collections.abc", "Iterable", "Iterable"),
    Imported("dataclasses", "dataclass", "dataclass"),
    Imported("dataclasses", "fields", "fields"),
    Imported("typing", "Any", "Any"),
    Imported("torch", None, "torch"),
    Imported("torch", "Tensor", "Tensor"),
)


def exported(rule: Optimizer, title: str, command: str, *, required: Iterable[str] = ()) -> str:
    """Return the text of a file with a rule as a `torch.optim.Optimizer`.

    Args:
        rule: the rule, whose settings are the defaults.
        title: the name of the class.
        command: the command, for the head of the file.
        required: the settings of its outermost layer that have no default.

    Raises:
        ChainruleError: if it cannot be a file that needs torch alone.
    """
    layers = layers_of(rule)
    if rule.schedule is not None:
        raise ChainruleError(
            f"export: {label(rule)}: the rule must have no schedule, got {shown(rule.schedule)}. "
            "Leave it out, and use one of torch.optim.lr_scheduler."
        )
    kinds = [type(layer) for layer in layers]
    parents = {kind for each in kinds for kind in each.__mro__ if kind not in ROOTS}
    gathering = Gathering(label(rule), {kind: f"{kind.__name__}Rule" for kind in parents})
    written = {
        kind: RuleClass(layer, f"{kind.__name__}Rule", gathering) for kind, layer in zip(kinds, layers, strict=True)
    }
    settings, keys = _settings(rule, layers, written, set(required))
    optimizer = _torch_class(rule, title, layers, written, settings, keys, gathering)
    body = _body(optimizer, list(written.values()), gathering)
    above = head(title, settings, kinds, command)
    return f"{above}\n\n{imports(gathering.imports | set(ALWAYS))}\n\n{body}\n"


def _settings(
    rule: Optimizer, layers: list[Optimizer], written: dict[type, RuleClass], required: set[str]
) -> tuple[list[Setting], list[dict[str, str]]]:
    """Return the optimizer's settings, lr first, and for each layer the key of each of its fields."""
    groups = GroupSettings(rule)
    keys: list[dict[str, str]] = [{} for _ in layers]
    found: dict[str, Setting] = {}
    for key, (depth, name) in groups.fields.items():
        plain, owner = key.replace(".", "_"), written[type(layers[depth])]
        value = getattr(layers[depth], name)
        if name not in {field.name for field in owner.fields}:
            continue
        if not isinstance(value, int | float | str | tuple | None):
            raise ChainruleError(
                f"export: {label(rule)}: {name} must be one value, got {type(value).__name__}. Give a plain one."
            )
        keys[depth][name] = plain
        default = None if depth == 0 and name in required else owner.default_of(name, value)
        found[plain] = Setting(plain, owner.type_of(name), default)
    for depth, layer in enumerate(layers):
        missing = [field.name for field in written[type(layer)].fields if field.name not in keys[depth]]
        if missing:
            raise ChainruleError(
                f"export: {label(layer)}: settings must be numbers, words or tuples of them, got "
                f"{missing[0]}={getattr(layer, missing[0])!r}. Train with chainrule_torch.optimizer."
            )
    if groups.decays_apart:
        found[WEIGHT_DECAY] = Setting(WEIGHT_DECAY, "float", "0.0")
    if groups.ascends_apart:
        found[MAXIMIZE] = Setting(MAXIMIZE, "bool", "False")
    rate = keys[-1]["lr"]
    return [found.pop(rate), *found.values()], keys


def _torch_class(
    rule: Optimizer,
    title: str,
    layers: list[Optimizer],
    written: dict[type, RuleClass],
    settings: list[Setting],
    keys: list[dict[str, str]],
    gathering: Gathering,
) -> TorchClass:
    chain, names = Chain(rule), set[str]()
    found = []
    for layer, own in zip(layers, keys, strict=True):
        variable = label(layer) if len(layers) > 1 else "rule"
        if variable in names:
            variable += str(len(names))
        names.add(variable)
        found.append(Layer(written[type(layer)], variable, own))
    if chain.has_sums and any(each.rule.has("inner_period") for each in found):
        raise ChainruleError(
            f"export: {label(rule)}: a rule that sums over parameters must step whenever its wrappers do, "
            f"got {label(layers[-1])} inside. Train with chainrule_torch.optimizer."
        )
    inner, decay, groups = layers[-1], "", GroupSettings(rule)
    if groups.decays_apart:
        decay = "beside"
    elif inner.decay_kind == "decoupled" and hasattr(inner, WEIGHT_DECAY):
        decay = "descend"
    shared, kept = _trial_state(chain)
    taken = ParameterStep(
        found,
        decay=decay,
        ascends=groups.ascends_apart,
        draws=_reads(gathering, "random"),
        shares_memory=shared,
    )
    ranks = () if tuple(chain.ranks) == Optimizer.ranks else tuple(chain.ranks)
    return TorchClass(title, settings, taken, ranks=ranks, keeps_dtypes=kept)


def _trial_state(chain: Chain) -> tuple[bool, bool]:
    """Return whether an initial state may share the parameter's memory, and whether it may have another dtype."""
    shared = kept = False
    for shape in SHAPES:
        for dtype in (torch.float32, torch.float64) if len(shape) in chain.ranks else ():
            parameter = torch.ones(shape, dtype=dtype)
            for entry in chain.init(parameter).values():
                shared |= entry.untyped_storage().data_ptr() == parameter.untyped_storage().data_ptr()
                kept |= entry.dtype != dtype
    return shared, kept


def _reads(gathering: Gathering, attribute: str) -> bool:
    """Whether the rule reads an attribute of something other than torch."""
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == attribute
        and not (isinstance(each.value, ast.Name) and each.value.id == "torch")
        for node in gathering.nodes
        for each in ast.walk(node)
    )


def _body(optimizer: TorchClass, rules: list[RuleClass], gathering: Gathering) -> str:
    """Return what follows the imports."""
    taken = optimizer.taken
    general = [
        *["total"] * bool(taken.sums),
        *["inside"] * taken.splits_state,
        "settings_of",
        *["random_key"] * taken.draws,
    ]
    parts = [stand_ins.GENERAL[name] for name in ([*["present"] * ("present" in gathering.stand_ins), *general])]
    if taken.draws:
        parts.append(stand_ins.random({name for name in stand_ins.DRAWS if _reads(gathering, name)}))
        gathering.imports |= stand_ins.RANDOM_IMPORTS
    step = stand_ins.step(
        has_values=taken.has_values,
        has_sums=bool(taken.sums),
        has_every=_reads(gathering, "every"),
        has_random=taken.draws,
    )
    own = {optimizer.title, "State", "Step", "Random", "Rule", "present", *general}
    gathering.expect_free(own, ALWAYS)
    above, below = _items(gathering, rules)
    constants = [item.text for item in above if item.is_constant]
    texts = [
        "\n\n".join([*constants, stand_ins.STATE]),
        *(item.text for item in above if not item.is_constant),
        *(text for rule in rules for text in rule.texts),
        *(item.text for item in below),
        *parts,
        step,
        optimizer.text(),
    ]
    return joined("\n\n\n".join(texts))


def _items(gathering: Gathering, rules: list[RuleClass]) -> tuple[list[Item], list[Item]]:
    """Return the items above the rules, which are constants and what the rules need at once, and those below."""
    items = gathering.items
    constants = [name for name, item in items.items() if item.is_constant and not _calls(gathering, name)]
    needed = sorted({name for rule in rules for name in rule.uses_at_once})
    above = gathering.above([*constants, *needed])
    homes = [rule.kind.__module__ for rule in rules]
    names = sorted(items, key=lambda name: _place(items[name], homes))
    return above, [item for item in gathering.above(names) if item not in above]


def _place(item: Item, homes: list[str]) -> tuple[int, str, int]:
    """Return where an item comes: those of the rules' modules first, as they stand there."""
    module = item.source.name
    return homes.index(module) if module in homes else len(homes), module, item.line


def _calls(gathering: Gathering, name: str) -> bool:
    """Whether a constant needs a function or a class of the file."""
    return any(not gathering.items[used].is_constant or _calls(gathering, used) for used in gathering.items[name].uses)
