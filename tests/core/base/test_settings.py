import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partialmethod
from types import SimpleNamespace
from typing import Final, List, Literal, NewType  # noqa: UP035

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from chainrule import (
    ChainruleError,
    HyperparameterError,
    Initializer,
    Metric,
    Optimizer,
    Schedule,
    Wrapper,
    hyperparameter,
)
from chainrule.base.member_values import of_each_member
from chainrule.base.setting_values import bounds
from chainrule.initializers import constant, xavier_normal, xavier_uniform
from chainrule.metrics import accuracy
from chainrule.optimizers import adam, lookahead, rmsprop, sgd
from chainrule.schedules import cosine


class Rule(Optimizer):
    rate: float = hyperparameter(default=0.5, above=0, at_most=1)
    pair: tuple[float, float] = hyperparameter(default=(0.1, 0.2), at_least=0, below=1)
    limit: float | None = hyperparameter(default=None, above=0)
    flag: bool = False
    free: str = "anything"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: adam(lr=-0.1), "adam: lr must be at least 0, got -0.1. Allowed: at least 0."),
        (lambda: adam(lr=math.nan), "adam: lr must be a number, got nan. The default is 0.001."),
        (lambda: adam(lr=math.inf), "adam: lr must be a number, got inf. The default is 0.001."),
        (lambda: adam(lr="0.1"), "adam: lr must be a number, got '0.1'. The default is 0.001."),
        (lambda: adam(lr=True), "adam: lr must be a number, got True. The default is 0.001."),
        (lambda: adam(lr=None), "adam: lr must be a number, got None. The default is 0.001."),
        (lambda: adam(betas=(0.9, 1.0)), "adam: betas must be below 1, got 1.0. Allowed: at least 0, below 1."),
        (lambda: adam(betas=0.9), "adam: betas must be a tuple of 2 numbers, got 0.9. The default is (0.9, 0.999)."),
        (
            lambda: adam(betas=(0.9, math.nan)),
            "adam: betas must be a tuple of 2 numbers, got (0.9, nan). The default is (0.9, 0.999).",
        ),
        (lambda: rmsprop(centered=1), "rmsprop: centered must be True or False, got 1. The default is False."),
        (lambda: Rule(rate=0), "rule: rate must be above 0, got 0. Allowed: above 0, at most 1."),
        (lambda: Rule(rate=1.5), "rule: rate must be at most 1, got 1.5. Allowed: above 0, at most 1."),
        (lambda: Rule(limit=-1), "rule: limit must be above 0, got -1. Allowed: above 0."),
        (lambda: Rule(limit="1"), "rule: limit must be a number or None, got '1'. The default is None."),
        (
            lambda: Rule(rate=torch.tensor([0.5, 0.0])),
            "rule: rate must be above 0, got 0.0. Allowed: above 0, at most 1.",
        ),
        (
            lambda: adam(lr=torch.tensor([0.5, math.inf])),
            "adam: lr must be a number for each member, got inf. The default is 0.001.",
        ),
        (
            lambda: adam(lr=torch.tensor([[0.5]])),
            "adam: lr must be a number or one for each member, (M,), got torch.float32 of shape (1, 1). "
            "Pass a list of numbers or such a tensor.",
        ),
        (
            lambda: adam(lr=torch.tensor([True, False])),
            "adam: lr must be a number or one for each member, (M,), got torch.bool of shape (2,). "
            "Pass a list of numbers or such a tensor.",
        ),
        (
            lambda: sgd(nesterov=torch.tensor([1.0])),
            "sgd: nesterov must be one value for all members, got a tensor (1,). Pass True or False.",
        ),
    ],
)
def test_an_error_names_rule_field_demand_value_and_default(make, message):
    with pytest.raises(HyperparameterError) as caught:
        make()
    assert str(caught.value) == message


NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True))


@given(NUMBERS)
def test_a_number_is_taken_exactly_where_its_bounds_allow_it(number):
    if 0 < number <= 1:
        assert Rule(rate=number).rate == number
    else:
        with pytest.raises(HyperparameterError, match=r"^rule: rate must be "):
            Rule(rate=number)


@given(st.tuples(NUMBERS, NUMBERS))
def test_every_number_of_a_tuple_is_held_to_the_bounds(pair):
    if all(0 <= number < 1 for number in pair):
        assert Rule(pair=pair).pair == pair
    else:
        with pytest.raises(HyperparameterError, match=r"^rule: pair must be "):
            Rule(pair=pair)


@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.lists(st.text(), min_size=1),
        st.dictionaries(st.text(), NUMBERS),
        st.complex_numbers(),
    )
)
def test_what_is_no_number_is_refused_in_one_line(value):
    with pytest.raises(HyperparameterError, match=r"^rule: rate must be a number, got ") as caught:
        Rule(rate=value)
    assert "\n" not in str(caught.value)


def test_none_is_taken_where_it_is_the_default():
    assert Rule(limit=None).limit is None
    assert Rule(limit=2).limit == 2


def test_bounds_are_said_in_words():
    assert bounds({"at_least": 0, "below": 1, "search": (0, 1)}) == "at least 0, below 1"
    assert bounds({"above": 0, "at_most": 1}) == "above 0, at most 1"
    assert bounds({}) == ""


def test_an_infinite_bound_lifts_that_of_the_parent():
    class Reversed(Rule):
        rate: float = hyperparameter(default=1.0, at_least=-math.inf, above=-math.inf)

    assert Reversed(rate=-2.0).rate == -2.0
    with pytest.raises(HyperparameterError, match=r"^rule: rate must be "):
        Rule(rate=-2.0)


class Typed(Optimizer):
    count: int = 3
    mode: Literal["nesterov", "plain"] = "plain"
    name: str = "a"
    size: int | None = None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 2.5}, "typed: count must be an integer, got 2.5. The default is 3."),
        ({"count": True}, "typed: count must be an integer, got True. The default is 3."),
        ({"mode": "nestrov"}, "typed: mode must be one of 'nesterov', 'plain', got 'nestrov'. The default is 'plain'."),
        ({"name": 1}, "typed: name must be text, got 1. The default is 'a'."),
        ({"size": 2.5}, "typed: size must be an integer or None, got 2.5. The default is None."),
    ],
)
def test_a_value_of_another_type_than_the_declared_one_is_refused(settings, message):
    with pytest.raises(HyperparameterError) as caught:
        Typed(**settings)
    assert str(caught.value) == message
    assert Typed(count=1, mode="nesterov", name="b", size=4).size == 4


def test_a_required_setting_says_its_type():
    with pytest.raises(HyperparameterError, match=r"^constant: value must be a number, got 'a'\. Pass one\.$"):
        constant("a")


def test_a_redeclared_default_keeps_bounds_search_range_and_values_per_member():
    class Slow(adam):
        lr: float = 3e-4
        betas: tuple[float, float] = hyperparameter(default=(0.5, 0.5), below=0.9)

    assert Slow().lr == 3e-4
    with pytest.raises(HyperparameterError, match=r"^slow: lr must be at least 0, got -1"):
        Slow(lr=-1)
    assert Slow(lr=torch.tensor([0.1, 0.2])).lr.shape == (2,)
    (lr,) = [field for field in dataclasses.fields(Slow) if field.name == "lr"]
    assert lr.metadata["search"] == (1e-5, 1e1)
    with pytest.raises(HyperparameterError, match=r"^slow: betas must be below 0.9, got 0.95\. Allowed: at least 0"):
        Slow(betas=(0.1, 0.95))
    assert adam(betas=(0.1, 0.95)).betas == (0.1, 0.95)


def test_a_class_with_a_constructor_of_its_own_is_refused_with_the_form_to_write():
    with pytest.raises(HyperparameterError, match=r"^halved: settings must be declared as fields, got an __init__\. "):

        class Halved(Initializer):
            def __init__(self, gain: float) -> None:
                self.gain = gain


def test_settings_are_equal_by_class_and_values():
    assert xavier_normal() == xavier_normal(1.0)
    assert hash(xavier_normal()) == hash(xavier_normal(gain=1.0))
    assert xavier_normal() != xavier_normal(2.0)
    assert xavier_normal() != xavier_uniform()
    assert repr(xavier_normal()) == "XavierNormal(gain=1.0)"


def test_an_annotation_that_cannot_be_evaluated_is_read_from_the_default():
    class Local: ...

    class Odd(Optimizer):
        size: "Local" = 3

    with pytest.raises(HyperparameterError, match=r"^odd: size must be an integer, got 2.5\."):
        Odd(size=2.5)


class Strict(Optimizer):
    count: int = hyperparameter(default=3, at_least=1)
    kind: Literal["fast", "slow"] = "fast"
    shared: float = hyperparameter(default=0.5, per_member=False)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"lr": np.float32(0.25)}, 0.25),
        ({"lr": np.float64(0.1)}, 0.1),
        ({"lr": torch.tensor(0.5)}, 0.5),
        ({"lr": torch.tensor(2)}, 2),
        ({"count": np.int64(7)}, 7),
        ({"count": torch.tensor(7)}, 7),
        ({"flag": np.bool_(True)}, True),
        ({"free": np.str_("word")}, "word"),
        ({"pair": (np.float32(0.5), torch.tensor(0.25))}, (0.5, 0.25)),
    ],
    ids=str,
)
def test_numbers_of_numpy_and_torch_become_pythons(settings, kept):
    class Both(Rule):
        count: int = 3

    ((name, _),) = settings.items()
    value = getattr(Both(**settings), name)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 2.5}, "strict: count must be an integer, got 2.5."),
        ({"count": np.float64(2.5)}, "strict: count must be an integer, got 2.5."),
        ({"count": torch.tensor(2.5)}, "strict: count must be an integer, got 2.5."),
        (
            {"count": torch.tensor([2, 3])},
            "strict: count must be one value for all members, got a tensor (2,).",
        ),
        ({"kind": "quick"}, "strict: kind must be one of 'fast', 'slow', got 'quick'."),
        ({"shared": torch.tensor([0.1, 0.2])}, "strict: shared must be one value for all members, got a tensor"),
        ({"lr": torch.tensor([])}, "strict: lr must be a number or one for each member, (M,), got"),
        ({"lr": torch.tensor(math.nan)}, "strict: lr must be a number, got nan."),
        ({"lr": np.array([[0.1, 0.2]])}, "strict: lr must be a number, got a numpy array (1, 2)."),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(settings, message):
    with pytest.raises(HyperparameterError) as caught:
        Strict(**settings)
    assert str(caught.value).startswith(message)


def test_a_redeclared_field_keeps_what_it_leaves_unsaid():
    class Slower(Strict):
        lr: float = 3e-4
        shared: float = 0.25

    for name in ("lr", "shared"):
        (mine, theirs) = ({f.name: f for f in dataclasses.fields(kind)}[name].metadata for kind in (Slower, Strict))
        assert dict(mine) == dict(theirs)
    with pytest.raises(HyperparameterError, match="shared must be one value for all members"):
        Slower(shared=torch.tensor([0.1, 0.2]))


def test_settings_with_tensors_compare_by_value():
    one, other = (adam(betas=(torch.tensor([0.1, 0.2]), 0.9)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != adam(betas=(torch.tensor([0.1, 0.3]), 0.9))
    assert one != adam()


@dataclasses.dataclass
class Pair:
    one: torch.Tensor


def test_settings_with_arrays_compare_by_value():
    class Weighted(Optimizer):
        weights: np.ndarray | None = None

    class Held(Optimizer):
        held: object = None

    for made in (lambda value: {"a": value}, lambda value: SimpleNamespace(a=value), Pair):
        assert Held(held=made(torch.ones(2))) == Held(held=made(torch.ones(2)))
        assert Held(held=made(torch.ones(2))) != Held(held=made(torch.zeros(2)))
    assert Weighted(weights=np.ones(2)) == Weighted(weights=np.ones(2))
    assert Weighted(weights=np.ones(2)) != Weighted(weights=np.zeros(2))


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (Sequence[float], (1.0, 3.0)),
        (List, [1.0, 3.0]),  # noqa: UP006  # as some authors write it
        (Iterable[float], (1.0, 3.0)),
        (list[float], [1.0, 3.0]),
        (list[float] | None, [1.0, 3.0]),
        (list[tuple[float, float]], [(1.0, 3.0), (2.0, 4.0)]),
    ],
    ids=str,
)
def test_a_sequence_that_is_not_declared_as_a_number_is_one_value_for_all_members(declared, value):
    class Weighted(Optimizer):
        weights: declared = None

    assert Weighted(weights=value).weights == value
    with pytest.raises(HyperparameterError, match=r"^weighted: weights must be one value for all members, got"):
        Weighted(weights=torch.tensor([1.0, 3.0]))


class Nested(Optimizer):
    none: tuple[()] = ()
    mixed: tuple[int, float, tuple[float, float]] = (1, 2.0, (3.0, 4.0))
    ranges: tuple[tuple[float, float], ...] = hyperparameter(default=((1.0, 2.0),), at_least=0)


def test_each_item_of_a_tuple_is_held_to_its_own_type():
    kept = Nested(none=[], mixed=[1, [0.5, 0.25], [3.0, 4.0]])
    assert kept.none == ()
    assert kept.mixed[1].tolist() == [0.5, 0.25]
    assert kept.mixed[2] == (3.0, 4.0)
    with pytest.raises(HyperparameterError, match=r"^nested: none must be a tuple of 0 items, got \(1,\)\."):
        Nested(none=(1,))


class Listed(Optimizer):
    counts: list[int] | None = None
    names: tuple[str, ...] = ()
    weights: Sequence[float] = ()
    pairs: list[tuple[float, bool]] | None = None
    by_name: dict[str, float] | None = None
    undeclared: list[int] = None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"counts": [1, 2.5]}, "counts must be a list of integers or None, got [1, 2.5]."),
        ({"names": "abc"}, "names must be a tuple of texts, got 'abc'."),
        ({"weights": [1.0, "x"]}, "weights must be a sequence of numbers, got [1.0, 'x']."),
        ({"weights": "abc"}, "weights must be a sequence of numbers, got 'abc'."),
        (
            {"pairs": [(1.0, 2)]},
            "pairs must be a list of items, each a tuple of 2 items: a number, True or False or None",
        ),
        ({}, "undeclared must be a list of integers, got None. Declare undeclared as list[int] | None."),
    ],
    ids=str,
)
def test_each_item_of_a_list_is_held_to_its_type(settings, message):
    with pytest.raises(HyperparameterError) as caught:
        Listed(**settings)
    assert str(caught.value).startswith(f"listed: {message}")


def test_a_list_is_kept_as_a_copy_with_pythons_numbers_and_so_is_a_dict():
    counts, by_name = [1, 2], {"head": 0.5}
    rule = Listed(counts=counts, by_name=by_name, undeclared=[3])
    counts.append(3)
    by_name["head"] = 0.25
    assert rule.counts == [1, 2]
    assert Listed(counts=np.array([1, 2]), undeclared=[np.int64(3)]) == Listed(counts=[1, 2], undeclared=[3])
    assert rule.by_name == {"head": 0.5}


def test_numbers_in_tuples_inside_tuples_have_the_bounds_and_may_differ_by_member():
    with pytest.raises(HyperparameterError, match=r"^nested: ranges must be at least 0, got -1\.0\. Allowed:"):
        Nested(ranges=((1.0, 2.0), (3.0, -1.0)))
    rule = Nested(ranges=((1.0, 2.0), (3.0, [4.0, 5.0])))
    assert [one.ranges for one in of_each_member(rule, 2)] == [((1, 2), (3, 4)), ((1, 2), (3, 5))]


Rate = NewType("Rate", float)
Rates = TypeAliasType("Rates", tuple[Rate, Rate])  # as of the statement type Rates = …


class Renamed(Optimizer):
    fixed: Final[float] = hyperparameter(default=0.5, below=1)
    text: "Final[float]"
    rate: Rate = hyperparameter(default=Rate(0.5), below=1)
    rates: Rates | None = None


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"fixed": "x"}, "fixed must be a number"),
        ({"fixed": 2.0}, "fixed must be below 1"),
        ({"text": None}, "text must be a number"),
        ({"rate": None}, "rate must be a number"),
        ({"rate": 2.0}, "rate must be below 1"),
        ({"rates": (0.5, "x")}, "rates must be a tuple of 2 numbers or None"),
    ],
    ids=str,
)
def test_a_type_in_final_or_of_another_name_is_checked_as_what_it_is(settings, rule):
    with pytest.raises(HyperparameterError, match=f"^renamed: {rule}, got "):
        Renamed(**{"text": 0.5, **settings})
    assert Renamed(text=0.5, rate=[0.25, 0.5]).rate.tolist() == [0.25, 0.5]


class Identical:
    def __eq__(self, other):
        return self is other


@dataclasses.dataclass(frozen=True)
class Named:
    name: str = "a"


@pytest.mark.parametrize("mixin", [Identical, Named])
def test_settings_with_a_mixin_are_equal_and_hashed_by_all_of_them(mixin):
    class Mixed(mixin, Optimizer):
        count: int = 1

    assert Mixed() == Mixed()
    assert hash(Mixed()) == hash(Mixed())
    assert Mixed(count=2) != Mixed()


@pytest.mark.parametrize("name", ["__eq__", "__hash__"])
def test_an_equality_of_ones_own_is_refused(name):
    with pytest.raises(HyperparameterError, match=rf"^own: instances must be equal by .*, got an {name}\. Leave it"):
        type("Own", (Optimizer,), {name: lambda self, *other: True})


NOT_METHODS = [
    (Optimizer, {"__annotations__": {"init": float}, "init": 0.1}, "init", "a field"),
    (Optimizer, {"__annotations__": {"attach": float}}, "attach", "a field"),
    (Optimizer, {"examples": 3}, "examples", "examples = 3"),
    (Wrapper, {"__annotations__": {"after_step": "int"}, "after_step": 1}, "after_step", "a field"),
    (Metric, {"__annotations__": {"value": float}, "value": 1.0}, "value", "a field"),
    (Schedule, {"__call__": 1.0, "examples": None}, "examples", "examples = None"),
]


@pytest.mark.parametrize(("parent", "body", "name", "got"), NOT_METHODS, ids=[name for _, _, name, _ in NOT_METHODS])
def test_a_method_of_the_parent_stays_one(parent, body, name, got):
    message = f"own: {name} must be a method, as of its parent, got {got}. Name it otherwise: {name}_value."
    with pytest.raises(HyperparameterError, match=f"^{re.escape(message)}$"):
        type("Own", (parent,), body)


def test_a_field_may_hold_a_function_and_a_method_may_be_wrapped():
    class Shaped(Optimizer):
        shape: Callable[[float], float] = abs
        init = partialmethod(sgd.init)

    class Other(Shaped):
        shape: Callable[[float], float] = math.exp

    assert Other().shape(0.0) == 1.0


def test_what_a_factory_makes_is_the_default_that_is_shown_and_checked():
    class Made(Optimizer):
        pair: tuple[float, float] = dataclasses.field(default_factory=lambda: (0.5, 0.25))
        several: list[float] = dataclasses.field(default_factory=lambda: [1.0])

    assert {field.name: field.default for field in dataclasses.fields(Made)}["pair"] == (0.5, 0.25)
    with pytest.raises(HyperparameterError, match=r"got 'x'\. The default is \(0\.5, 0\.25\)\."):
        Made(pair="x")
    assert Made().several == [1.0]
    assert Made().several is not Made().several


def again(cls):
    """Return another class from the attributes of one, as dill makes it in a process that does not have the module."""
    kept = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__", "__setattr__")}
    return type(cls)(cls.__name__, cls.__bases__, kept)


def test_a_class_made_anew_from_anothers_attributes_keeps_its_settings_and_their_bounds():
    class Own(Optimizer):
        lr: float = 0.25
        heat: float = hyperparameter(above=0)
        several: list[float] = dataclasses.field(default_factory=list)

    made = again(again(Own))
    assert made(heat=1.0) == made(heat=1.0)
    assert vars(made(heat=2)) == vars(Own(heat=2))
    for settings, message in {
        "heat=0.0": "own: heat must be above 0",
        "heat=1.0, lr=-1.0": "own: lr must be at least 0",
        "": "own: needs heat, got none.",
        "hat=1.0": 'own: takes no argument "hat".',
    }.items():
        with pytest.raises(ChainruleError, match=f"^{re.escape(message)}"):
            eval(f"made({settings})", {"made": made})  # noqa: S307
    with pytest.raises(ChainruleError, match=r"^own: attributes must stay as they are"):
        made(heat=1.0).heat = 2.0


@pytest.mark.parametrize("kind", [rmsprop, xavier_normal, cosine, accuracy, lookahead], ids=lambda kind: kind.__name__)
def test_a_component_of_any_kind_may_be_made_anew(kind):
    example = kind.examples()[0]
    example = example[0] if isinstance(example, tuple) else example
    made = again(kind)(**vars(example))
    assert repr(made) == repr(example)
