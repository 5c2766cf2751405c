"""Why a check does not apply to a component: facts about the component, read in other ways than the kit reads them.

A new component needs no entry. A check that skips a component must have a reason in `SKIPS` that holds of it, and where
one holds the check must skip it; `SURPRISES` lists, by name, the skips that no general fact explains.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch

from chainrule import Optimizer, Parameter, ShapeError, Wrapper
from chainrule.formulas import sections
from chainrule.testing import Check, Result, Subject
from chainrule.updates.watching import is_elementwise


@dataclasses.dataclass(frozen=True)
class Skip:
    """A reason for which checks skip components.

    Attributes:
        reason: what the checks give as the reason, a regular expression.
        holds: whether it is true of a class of the checks' kind.
        checks: their names.
    """

    reason: str
    holds: Callable[[Any], bool]
    checks: tuple[str, ...]


def has_parameters(module: Any) -> bool:
    """Whether an example holds a Parameter anywhere, also where the core does not look for one."""
    return any(True for example, _ in module.examples() for _ in parameters_inside(example))


def parameters_inside(value: Any) -> Iterator[Parameter]:
    """Yield every Parameter in the attributes, lists, tuples and dictionaries below a value."""
    if isinstance(value, Parameter):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from parameters_inside(one)
    elif isinstance(value, dict):
        yield from parameters_inside(list(value.values()))
    elif hasattr(value, "forward"):
        yield from parameters_inside(vars(value))


def holds_a(*classes: str, of: Callable[[Iterable[bool]], bool] = any) -> Callable[[Any], bool]:
    """Return whether any example, or all, names an object of these classes in the repr of an attribute at any depth."""

    def described(value: Any) -> str:
        if hasattr(value, "forward"):
            return described(list(vars(value).values()))
        return " ".join(map(described, value)) if isinstance(value, list | tuple) else repr(value)

    return lambda module: of(
        re.search(rf"\b({'|'.join(classes)})\(", described(example)) is not None for example, _ in module.examples()
    )


def gives_inputs(module: Any) -> bool:
    """Whether every example of a module has a tensor of inputs in place of a shape."""
    return all(isinstance(inputs, torch.Tensor) for _, inputs in module.examples())


def gives_integers(module: Any) -> bool:
    """Whether those tensors hold integers."""
    return gives_inputs(module) and not any(inputs.is_floating_point() for _, inputs in module.examples())


def shapes(component: Any) -> str:
    """Return the section Shapes of a class's docstring on one line."""
    return " ".join(sections(inspect.cleandoc(component.__doc__ or "")).get("Shapes", "").split())


def draws_numbers(initializer: Any) -> bool:
    """Whether filling a tensor moves the generator."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    for example in initializer.examples():
        with suppress(ShapeError):
            example(torch.empty(3, 4), fan_in=4, fan_out=3, generator=generator)
    return not torch.equal(generator.get_state(), before)


def overrides(*names: str) -> Callable[[Any], bool]:
    """Return whether a class, or one of its parents below Optimizer, defines a method of one of these names."""
    return lambda rule: any(
        name in vars(cls) for cls in rule.__mro__[: rule.__mro__.index(Optimizer)] for name in names
    )


def declares(**settings: Any) -> Callable[[Any], bool]:
    """Return whether a class has class attributes of these values."""
    return lambda component: all(getattr(component, name) == value for name, value in settings.items())


def has_field(predicate: Callable[[dataclasses.Field[Any]], bool]) -> Callable[[Any], bool]:
    """Return whether the predicate holds of a hyperparameter."""
    return lambda rule: any(map(predicate, dataclasses.fields(rule)))


def negated(predicate: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return whether the predicate does not hold."""
    return lambda component: not predicate(component)


sums = overrides("reduce")
has_decay = has_field(lambda field: field.name == "weight_decay")


def is_cut(rule: Any) -> bool:
    """Whether the core runs a rule over slices of a flat vector."""
    return is_elementwise(rule.examples()[0])


def is_found_out(rule: Any) -> bool:
    """Whether a rule without sums is found not to be elementwise, without a word of its own."""
    return rule.elementwise is None and not sums(rule) and not is_cut(rule)


def differs_by_member(rule: Any) -> bool:
    """Whether a field may have another value for each member."""
    if issubclass(rule, Wrapper):
        return True  # a field of its own, or one of the rule inside
    fields = [field for field in dataclasses.fields(rule) if field.metadata.get("per_member") is not False]
    return any(isinstance(field.default, float | tuple) for field in fields)


SKIPS = (
    Skip(
        "it has no parameters",
        negated(has_parameters),
        ("first_layer_trains_the_same", "parameter_gradients_accumulate", "parameter_gradients_agree_with_differences"),
    ),
    Skip("it draws no random numbers", negated(holds_a("Random")), ("draws_differ_by_member_and_call",)),
    Skip(
        "it has neither buffers nor random numbers",
        negated(holds_a("Buffer", "Random")),
        ("eval_mode_changes_nothing",),
    ),
    Skip("it takes inputs of any shape", lambda module: shapes(module).startswith("any"), ("wrong_shapes_raise",)),
    Skip("its inputs are not integers", negated(gives_integers), ("wrong_integers_raise",)),
    Skip(
        "its inputs are integers, which have no derivative",
        gives_integers,
        ("input_gradient_agrees_with_differences",),
    ),
    Skip("its inputs are integers, of which none is NaN", gives_integers, ("nan_shows_in_its_row",)),
    Skip(
        "its examples are inputs, so others may not fit",
        gives_inputs,
        ("extreme_inputs_stay_finite", "wide_gradients_agree_with_autograd"),
    ),
    Skip(
        "it is not finite for every input, as declared",
        declares(finite=False),
        ("wide_gradients_agree_with_autograd",),
    ),
    Skip(
        "its targets are not class indices",
        lambda loss: "class indices (N" not in shapes(loss),
        ("wrong_class_indices_raise",),
    ),
    Skip(
        "its terms depend on several rows, as declared",
        declares(batch_independent=False),
        (
            "terms_are_those_of_their_rows",
            "weighted_gradient_agrees_with_differences",
            "loss_of_many_rows_is_that_of_its_parts",
        ),
    ),
    Skip(
        "its rows depend on each other, as declared",
        declares(batch_independent=False),
        ("many_rows_are_those_of_their_parts",),
    ),
    Skip(
        "it draws random numbers, others for each batch",
        holds_a("Random", of=all),
        ("many_rows_are_those_of_their_parts",),
    ),
    Skip(
        "its target has another form than the prediction",
        lambda loss: all(target.shape != prediction.shape for _, prediction, target in loss.examples()),
        ("gradient_at_the_target_is_between_the_slopes",),
    ),
    Skip("its values depend on the shape, as declared", declares(depends_on_shape=True), ("fans_are_those_given",)),
    Skip("its standard deviation is 0", negated(draws_numbers), ("another_seed_gives_other_values",)),
    Skip("the rule sums over parameters, so the core does not slice it", sums, ("elementwise_is_as_declared",)),
    Skip("the rule sums over parameters", sums, ("parameters_do_not_influence_each_other",)),
    Skip("elementwise rules need no vmap", is_cut, ("vmappable_is_as_declared",)),
    Skip("the rule is not elementwise", negated(is_cut), ("compiled_equals_eager", "nan_and_inf_stay_where_they_are")),
    Skip("the rule does not accept matrices", lambda rule: 2 not in rule.ranks, ("transposed_parameters_move_alike",)),
    Skip("the rule has no scalars", negated(overrides("scalars")), ("scalars_depend_on_t_alone",)),
    Skip(
        "no setting declares a search range",
        negated(has_field(lambda field: field.metadata.get("search") is not None)),
        ("search_ranges_are_allowed",),
    ),
    Skip("identities.. declares none", negated(overrides("identities")), ("declared_identities_hold",)),
    Skip(
        "the rule does not override evaluation_parameter",
        negated(overrides("evaluation_parameter")),
        ("evaluation_changes_nothing",),
    ),
    Skip(
        "the rule declares no weight decay",
        lambda rule: not issubclass(rule, Wrapper) and not has_decay(rule),
        ("weight_decay_is_as_declared",),
    ),
    Skip(
        "the decay is the inner rule's",
        lambda rule: issubclass(rule, Wrapper),
        ("weight_decay_is_as_declared",),
    ),
    Skip('decay_kind is "other"', declares(decay_kind="other"), ("weight_decay_is_as_declared",)),
    Skip(
        "the rule moves at a zero gradient even without decay, which hides the decay",
        declares(decay_kind="decoupled", rests_at_zero_gradient=False),
        ("weight_decay_is_as_declared",),
    ),
    Skip(
        "no number of the rule may differ from member to member",
        negated(differs_by_member),
        ("values_per_member_count_for_each",),
    ),
    Skip(
        "the rule does not declare whether it is elementwise, and is found not to be",
        is_found_out,
        ("elementwise_is_as_declared",),
    ),
    Skip(
        "lr = 0 is not allowed: .*",
        has_field(lambda field: field.name == "lr" and field.metadata.get("above") == 0),
        ("lr_of_zero_freezes",),
    ),
    Skip("it joins rows, and adds nothing up", declares(joins_rows=True), ("sums_are_exact",)),
    Skip("the task declares distinct_rows = False", declares(distinct_rows=False), ("splits_share_no_row",)),
    Skip("the task declares no digest", declares(digest=None), ("splits_have_the_declared_digest",)),
    Skip("the task has no metrics", negated(lambda task: bool(task.metrics)), ("metrics_have_a_value_per_member",)),
)

SURPRISES: Mapping[tuple[str, str], str] = {}
"""By component and check, such as ("optimizers:lion", "lr_of_zero_freezes"), the reason as a regular expression."""


def justified_reason(component: Any, check: Check) -> str | None:
    """Return the reason in SKIPS for which the check must skip the component, or None."""
    return next((skip.reason for skip in SKIPS if check.name in skip.checks and skip.holds(component)), None)


def assert_justified(
    subject: Subject, check: Check, result: Result, surprises: Mapping[tuple[str, str], str] = SURPRISES
) -> None:
    """Raise AssertionError unless the check skips the component where a reason holds, and only there, giving it."""
    reason = justified_reason(subject.component, check)
    surprise = surprises.get((subject.label, check.name))
    what = f"{subject.label}: {check.name}"
    assert reason is None or surprise is None, f"{what} is listed as a surprise, but {reason!r} explains its skip."
    expected = reason or surprise
    if expected is None:
        assert result.outcome != "skipped", (
            f"{what} must not be skipped, got {result.detail!r}, which nothing explains."
        )
    else:
        skipped = result.outcome == "skipped" and re.fullmatch(expected, result.detail)
        assert skipped, f"{what} must be skipped with the reason {expected!r}, got {result.outcome} {result.detail!r}."
