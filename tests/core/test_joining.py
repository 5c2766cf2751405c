import dataclasses
import re
from collections.abc import Callable
from functools import cached_property

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import chainrule
from chainrule import ChainruleError, Module, Optimizer, Parameter, param_groups
from chainrule.activations import prelu, relu, tanh
from chainrule.base.wrapper import layers_of
from chainrule.initializers import constant, zeros
from chainrule.joining import alike, joined
from chainrule.layers import dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, adamw, ema, lookahead, sgd
from chainrule.schedules import cosine, exponential
from tests.built_ins import built_in_rules

X = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]], dtype=torch.float64)


def network() -> Module:
    return sequential(linear(3, 4), tanh(), linear(4, 2))


def trained(optimizer: Optimizer, members: int | None = None, epochs: int = 3) -> dict[str, Tensor]:
    if {0, 1} - set(layers_of(optimizer)[-1].ranks):
        optimizer = param_groups({"matrices": optimizer, "*": sgd()})
    built = network().build(seed=0, members=members, dtype=torch.float64)
    chainrule.fit(built, mse(), optimizer, train=(X, Y), epochs=epochs, batch_size=5, evaluate_train=False)
    return built.state_dict()


def expect_as_singles(rules: list[Optimizer]) -> None:
    """Joined, the rules give every member what it gets alone."""
    for group in alike([network() for _ in rules], rules):
        members = trained(joined([rules[i] for i in group]), members=len(group))
        for row, i in enumerate(group):
            for name, alone in trained(rules[i]).items():
                torch.testing.assert_close(members[name][row], alone, rtol=1e-12, atol=1e-14, equal_nan=True)


def with_other_numbers(rule: Optimizer) -> list[Optimizer]:
    """The rule, and others that each have another number in place of one of its own, 0 among them."""
    found = [rule]
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, Optimizer):
            found += [dataclasses.replace(rule, inner=inner) for inner in with_other_numbers(value)]
        for place, number in enumerate(value if isinstance(value, tuple) else [value]):
            for other in (0.0, 0.9 * number, 0.5 * number + 0.01) if type(number) is float else ():
                new = (*value[:place], other, *value[place + 1 :]) if isinstance(value, tuple) else other
                try:
                    found.append(dataclasses.replace(rule, **{field.name: new}))
                except ChainruleError:  # out of bounds
                    continue
    return found


def test_numbers_that_differ_are_per_member_and_the_others_stay():
    rules = [adam(lr=0.1, betas=(0.9, 0.99)), adam(lr=0.1, betas=(0.8, 0.99)), adam(lr=0.1, betas=(0.9, 0.99))]
    together = joined(rules)
    assert together.lr == 0.1
    assert together.betas[1] == 0.99
    assert together.betas[0].tolist() == [0.9, 0.8, 0.9]


@pytest.mark.parametrize(
    "rules",
    [
        [sgd(lr=0.1), sgd(lr=0.05, momentum=0.9), sgd(lr=0.1, momentum=0.5, weight_decay=0.1)],
        [lookahead(inner=ema(inner=adamw(lr=lr), decay=d), k=3) for lr, d in [(0.1, 0.9), (0.01, 0.5)]],
        [adam(lr=0.1, schedule=schedule) for schedule in (None, exponential(gamma=0.9), exponential(gamma=0.8))],
        [adam(lr=0.1, schedule=cosine(total_steps=n)) for n in (4, 8)],
        [ema(inner=sgd(lr=0.1, schedule=lambda t, rate=rate: rate**t)) for rate in (0.9, 0.8)],
    ],
    ids=["sgd", "wrappers", "schedules of one class", "schedules of other lengths", "functions"],
)
def test_joined_rules_give_each_member_what_it_gets_alone(rules):
    expect_as_singles(rules)


class Cached(Optimizer):
    """Descend by a share of the gradient that is computed once.

    Update:   ``θ ← θ − lr (1 − β) g``
    Variant:  none
    Source:   none
    """

    beta: float = 0.9

    @cached_property
    def rest(self):
        return 1 - self.beta

    def update(self, parameter, grad, state, step):
        return self.rest * grad


def test_what_a_rule_has_computed_once_is_of_its_own_numbers():
    rules = [Cached(lr=0.1, beta=0.9), Cached(lr=0.1, beta=0.5)]
    assert [rule.rest for rule in rules] == [1 - 0.9, 0.5]
    expect_as_singles(rules)
    together = joined(rules)
    assert together.rest.tolist() == [1 - 0.9, 0.5]
    assert torch.equal(trained(together, members=2)["0.weight"], trained(joined(rules), members=2)["0.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("rule", [one for cls in built_in_rules() for one in cls.examples()], ids=repr)
def test_every_rule_joined_gives_each_member_what_it_gets_alone(rule):
    expect_as_singles(with_other_numbers(rule))


@pytest.mark.slow
@given(numbers=st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.99), st.floats(0, 0.1)), min_size=2, max_size=6))
def test_any_numbers_of_a_rule_can_be_joined(numbers):
    expect_as_singles([sgd(lr=lr, momentum=momentum, weight_decay=decay) for lr, momentum, decay in numbers])


def test_schedules_of_one_class_are_joined_by_their_numbers():
    together = joined([adam(schedule=exponential(gamma=decay)) for decay in (0.9, 0.8)])
    assert together.schedule.gamma.tolist() == [0.9, 0.8]
    assert joined([adam(lr=lr, schedule=exponential(gamma=0.9)) for lr in (0.1, 0.2)]).schedule.gamma == 0.9


def test_groups_of_parameters_are_joined_one_by_one():
    rules = [param_groups({"*.bias": sgd(lr=lr), "*": adam(lr=0.1)}) for lr in (0.1, 0.2)]
    assert alike([network() for _ in rules], rules) == [[0, 1]]
    assert joined(rules).groups["*.bias"].lr.tolist() == [0.1, 0.2]
    assert joined(rules).groups["*"] == adam(lr=0.1)
    assert alike([network()] * 2, [rules[0], adam()]) == [[0], [1]]
    assert alike([network()] * 2, [param_groups({"": adam()}), adam()]) == [[0], [1]]


def test_a_term_that_is_switched_off_is_not_joined_with_one_that_is_on():
    rules = [sgd(momentum=0.0), sgd(momentum=0.9), sgd(momentum=0.5), sgd(momentum=0.0, lr=0.1)]
    assert alike([network() for _ in rules], rules) == [[0, 3], [1, 2]]


class Tied(Module):
    def __init__(self, *, tied: bool) -> None:
        self.one = linear(2, 2)
        self.other = self.one if tied else linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.other.forward(self.one.forward(x))

    def backward(self, grad_output: Tensor) -> Tensor:
        raise NotImplementedError


class Applied(Module):
    def __init__(self, function: object) -> None:
        self.function = function
        self.scale = Parameter(1, init=constant(1.0), fan_in=1, fan_out=1)

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def backward(self, grad_output: Tensor) -> Tensor:
        raise NotImplementedError


def repeated(*order: int) -> list[Module]:
    layers = [linear(2, 2), linear(2, 2)]
    return [layers[i] for i in order]


def scaled(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda x: x * factor


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: linear(2, 3), lambda: linear(2, 4)),
        (lambda: linear(2, 3), lambda: linear(2, 3, bias=False)),
        (lambda: linear(2, 2), lambda: linear(2, 2, weight_init=zeros())),
        (lambda: sequential(linear(2, 2), relu()), lambda: sequential(linear(2, 2), tanh())),
        (lambda: sequential(linear(2, 2), relu()), lambda: sequential(linear(2, 2), relu(), relu())),
        (lambda: dropout(0.5), lambda: dropout(0.4)),
        (lambda: prelu(), lambda: prelu(init=0.1)),
        (lambda: Tied(tied=True), lambda: Tied(tied=False)),
        (lambda: Applied(repeated(0, 1, 0)), lambda: Applied(repeated(0, 1, 1))),
        (lambda: Applied(scaled(0.0)), lambda: Applied(scaled(-0.0))),
        (lambda: Applied(torch.tensor([1.0])), lambda: Applied(torch.tensor([2.0]))),
        (lambda: Applied({"a": (1, torch.float32)}), lambda: Applied({"a": (True, torch.float32)})),
    ],
)
def test_modules_are_alike_if_all_that_they_hold_is_equal(make, other):
    assert alike([make(), other(), make(), other()], [adam()] * 4) == [[0, 2], [1, 3]]


def test_what_cannot_be_compared_is_like_itself_alone():
    shared = object()
    modules = [Applied(object()), Applied(object()), Applied(shared), Applied(shared)]
    assert alike(modules, [adam()] * 4) == [[0], [1], [2, 3]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (adam(), adamw()),
        (adam(), ema(inner=adam())),
        (lookahead(inner=sgd(), k=5), lookahead(inner=sgd(), k=6)),
        (sgd(momentum=0.9), sgd(momentum=0.9, nesterov=True)),
        (adam(lr=[0.1]), adam(lr=[0.1])),
    ],
)
def test_rules_are_alike_if_they_differ_in_numbers_alone(one, other):
    assert alike([network(), network()], [one, other]) == [[0], [1]]
    with pytest.raises(ChainruleError, match=r"^joined: optimizers must be alike, got .* Join each group of alike"):
        joined([one, other])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joined([]), "joined: optimizers must be at least one, got []. Pass one per member."),
        (lambda: joined(["adam"]), "joined: an optimizer must be a rule or param_groups, got 'adam'. "),
        (lambda: alike([network()], []), "alike: modules and optimizers must be equally many, got 1 and 0. "),
        (lambda: alike([network().build()], [adam()]), "alike: a module must be one that is not built, got Network("),
        (lambda: alike([linear], [adam()]), "alike: a module must be one that is not built, got the class Linear"),
    ],
)
def test_mistakes_are_told_in_one_line(call, message):
    with pytest.raises(ChainruleError, match=f"^{re.escape(message)}") as raised:
        call()
    assert "\n" not in str(raised.value)
