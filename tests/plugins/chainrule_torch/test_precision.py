"""Test parameters of 16 bits: rounding at random, compensated or to the nearest, and the dtype of state."""

from __future__ import annotations

import copy
import io
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import chainrule
from chainrule.optimizers import sgd
from chainrule.updates.chain import Chain
from chainrule.updates.elementwise import SLICE
from chainrule_torch import optim, optimizer
from chainrule_torch.adapter.rounding import random_bits, stochastically_rounded, words
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

NAMES = [each.name for each in chainrule.components("optimizers") if not each.foreign]
ROOT = Path(__file__).parents[3]
BFLOAT16, FLOAT16 = torch.bfloat16, torch.float16
DTYPES = (BFLOAT16, torch.float32)
DRAWS = 10**6
WORDS = words([1, 2], 2, 0)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """The keys of random bits follow from torch's seed, and a mean is only likely to be near the exact value."""
    torch.manual_seed(0)


def drawn(value: float, dtype: torch.dtype, count: int = DRAWS) -> Tensor:
    """Return a number rounded many times, each time with bits of its own."""
    noise = random_bits(torch.arange(count, dtype=torch.int32), *WORDS)
    return stochastically_rounded(torch.full((count,), value), dtype, noise).double()


class Operations(TorchDispatchMode):
    """Counts what torch is asked to do."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def parameter(*values: float, dtype: torch.dtype = BFLOAT16) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values, dtype=dtype))


def step(stepper: Any, *grads: Tensor) -> None:
    parameters = [one for group in stepper.param_groups for one in group["params"]]
    for one, grad in zip(parameters, grads, strict=True):
        one.grad = grad.to(one.dtype)
    stepper.step()


def of_rule(rule: chainrule.Optimizer, parameters: list[torch.nn.Parameter], **options: Any) -> RuleOptimizer:
    made = type("Made", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})
    return made(parameters, **options)


@pytest.mark.parametrize("dtype", [BFLOAT16, FLOAT16])
@pytest.mark.parametrize("value", [1.001, -1.001, 2.0 - 1e-6, 300.1, 3e-5, -6e-6, 1e-7, 3e-8, 1e-9, -7e-10, 65503.0])
def test_rounds_to_the_exact_value_on_average(value: float, dtype: torch.dtype) -> None:
    value = float(torch.tensor(value))
    found = drawn(value, dtype)
    below, above = found.min(), found.max()
    assert len(found.unique()) == 2
    assert below < value < above
    chance = (value - below) / (above - below)
    error = (above - below) * (chance * (1 - chance) / DRAWS).sqrt()
    assert abs(found.mean() - value) <= 3 * error


@pytest.mark.parametrize("chance", [0.02, 0.32, 0.68])
def test_means_under_many_keys_scatter_as_independent_bits_would(chance: float) -> None:
    count, keys = 2**16, 100
    index, limit = torch.arange(count, dtype=torch.int32), round(chance * 2**16)
    found = torch.stack(
        [random_bits(index, *words([k, 7 * k], k % 5, k % 3)) & 0xFFFF for k in range(keys)]
    )  # (keys, count)
    ups = (found < limit).double().sum(1)
    exact = limit / 2**16
    scores = (ups - count * exact) / (count * exact * (1 - exact)) ** 0.5
    assert abs(scores.mean()) < 3 / keys**0.5
    assert abs(scores.square().mean() - 1) < 3 * (2 / keys) ** 0.5


@pytest.mark.parametrize("exponent", [-126, -130, -133])
def test_rounds_subnormal_numbers_of_bfloat16_on_average(exponent: int) -> None:
    value = 1.3 * 2.0**exponent
    found = drawn(value, BFLOAT16)
    unit = 2.0**-133
    assert set(((found - value) / unit).ceil().tolist()) <= {0, 1}
    chance = value / unit % 1
    assert abs(found.mean() - value) <= 3 * unit * (chance * (1 - chance) / DRAWS) ** 0.5


@pytest.mark.parametrize("dtype", [BFLOAT16, FLOAT16])
def test_numbers_of_the_dtype_stay_what_they_are(dtype: torch.dtype) -> None:
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(dtype)
    for t in range(3):
        noise = random_bits(torch.arange(2**16, dtype=torch.int32), *words([1, 2], t, 0))
        torch.testing.assert_close(
            stochastically_rounded(every.float(), dtype, noise), every, rtol=0, atol=0, equal_nan=True
        )


@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_finite_becomes_infinite_before_a_unit_beyond_the_greatest_number(sign: int) -> None:
    assert set(drawn(sign * 3.4e38, BFLOAT16, 1000).tolist()) == {sign * torch.finfo(BFLOAT16).max}
    assert set(drawn(sign * 65535.0, FLOAT16, 1000).tolist()) == {sign * 65504.0}
    assert set(drawn(sign * 65536.0, FLOAT16, 1000).tolist()) == {sign * float("inf")}


def test_random_bits_of_neighbours_steps_and_parameters_are_independent() -> None:
    index = torch.arange(2**18, dtype=torch.int32)

    def centred(key: list[int], t: int, draw: int, shift: int) -> Tensor:
        """Return the high and the low bits, as numbers of mean 0 and variance 1."""
        bits = random_bits(index, *words(key, t, draw)) & 0xFFFF
        return ((bits + 0.5) / 2**16 - 0.5).double().roll(shift) * 12**0.5

    base = centred([1, 2], 1, 0, 0)
    others = [([1, 2], 1, 0, 2**n) for n in range(12)]
    others += [([1, 2], 2, 0, 0), ([1, 2], 1, 1, 0), ([1, 3], 1, 0, 0), ([2, 2], 1, 0, 0), ([2, 1], 1, 0, 0)]
    assert abs(base.mean()) < 4 / len(index) ** 0.5
    assert all(abs((base * centred(*other)).mean()) < 4 / len(index) ** 0.5 for other in others)
    counts = torch.bincount((random_bits(index, *WORDS) & 0xFFFF) >> 8, minlength=256).double()
    chi_square = ((counts - len(index) / 256) ** 2).sum() / (len(index) / 256)
    assert abs(chi_square - 255) < 4 * 510**0.5


def test_words_of_32_bits_wrap() -> None:
    first, second = words([5, 6], 7, 8)
    expected = []
    for i in range(37):
        mixed = (i ^ first) * 0x21F0AAAD % 2**32
        signed = mixed - 2**32 * (mixed >> 31)
        mixed = ((signed ^ (signed >> 15) ^ second) * 0x735A2D97) % 2**32
        signed = mixed - 2**32 * (mixed >> 31)
        expected.append(signed ^ (signed >> 16))
    assert random_bits(torch.arange(37, dtype=torch.int32), first, second).tolist() == expected


def test_a_million_small_steps_arrive_where_they_should() -> None:
    size, steps, move = 1000, 1000, 2.0**-12  # a 32nd of the unit of 1
    one = torch.nn.Parameter(torch.ones(size, dtype=BFLOAT16))
    stepper = optim.sgd([one], lr=move)
    for _ in range(steps):
        step(stepper, -torch.ones(size))
    chance = 1 / 32
    error = 2.0**-7 * (chance * (1 - chance) * steps / size) ** 0.5
    assert abs(one.double().mean() - (1 + steps * move)) <= 3 * error


@pytest.mark.parametrize(("rounding", "arrives"), [("kahan", True), ("nearest", False)])
def test_compensation_keeps_small_steps_that_the_nearest_number_loses(rounding: str, arrives: bool) -> None:
    one = parameter(1.0, -1.0)
    stepper = optim.sgd([one], lr=2.0**-12, rounding=rounding)
    for _ in range(1000):
        step(stepper, torch.tensor([-1.0, 1.0]))
    expected = torch.tensor([1.0, -1.0]) * (1 + 1000 * 2.0**-12 if arrives else 1)
    assert (one.float() - expected).abs().max() <= 2.0**-8


@pytest.mark.parametrize("rounding", ["stochastic", "kahan", "nearest"])
def test_infinity_and_nan_remain(rounding: str) -> None:
    one = parameter(1.0, float("inf"), float("-inf"), float("nan"), 65504.0, dtype=FLOAT16)
    stepper = optim.sgd([one], lr=1.0, rounding=rounding)
    for _ in range(2):
        step(stepper, torch.tensor([0.0, 0, 0, 0, -65504]))
    assert one.tolist()[:3] == [1, float("inf"), float("-inf")]
    assert one[3].isnan()
    assert one[4].isinf()


@pytest.mark.parametrize("state_dtype", [None, BFLOAT16])
@pytest.mark.parametrize("name", NAMES)
def test_every_rule_steps_in_float32(name: str, state_dtype: torch.dtype | None) -> None:
    """Rounding to the nearest, parameters and state are those of a float32 step from the same ones, rounded."""
    rule = chainrule.get("optimizers", name).examples()[-1]
    shapes: list[Any] = [(4, 3), (3,)] if 1 in Chain(rule).ranks else [(4, 3), (2, 5)]
    low = [
        torch.nn.Parameter(torch.linspace(-2, 2, 15)[: torch.Size(each).numel()].view(each).bfloat16())
        for each in shapes
    ]
    high = [torch.nn.Parameter(each.detach().float()) for each in low]
    ours, twin = of_rule(rule, low, rounding="nearest", state_dtype=state_dtype), of_rule(rule, high)
    for t in range(4):
        for one, other in zip(low, high, strict=True):
            other.data.copy_(one.detach())
            for entry, value in ours.state[one].items():
                if t:
                    twin.state[other][entry].copy_(value)
        grads = [torch.cos(torch.arange(float(one.numel())) + t).view(one.shape).bfloat16().float() for one in low]
        step(ours, *grads)
        step(twin, *grads)
        if not t and state_dtype:
            continue  # state that starts as no number of bfloat16 is made anew at the first step
        for one, other in zip(low, high, strict=True):
            expect_nearest(one.detach(), other.detach())
            for entry, value in ours.state[one].items():
                expect_nearest(value, twin.state[other][entry])


def expect_nearest(kept: Tensor, exact: Tensor) -> None:
    """Half a unit of bfloat16 apart at most; a product of matrices may differ by as little as where they lie."""
    half_a_unit = 2.0 ** (exact.frexp().exponent - 9) if kept.dtype == BFLOAT16 else exact.abs() * 1e-6
    assert ((kept.double() - exact.double()).abs() <= half_a_unit * (1 + 2.0**-10)).all()


def entries(stepper: RuleOptimizer) -> Iterator[tuple[str, Tensor]]:
    for state in stepper.state.values():
        yield from ((name, each) for name, each in state.items() if name not in ("step", "random_key"))


def test_state_is_kept_in_the_dtype_asked_for() -> None:
    for dtype, expected in ((None, torch.float32), (torch.float32, torch.float32), (BFLOAT16, BFLOAT16)):
        stepper = optim.adam([parameter(1.0, 2.0), parameter(3.0, dtype=torch.float32)], state_dtype=dtype)
        step(stepper, torch.ones(2), torch.ones(1))
        assert {each.dtype for _, each in entries(stepper)} == {expected}


@pytest.mark.parametrize("rounding", ["stochastic", "kahan"])
def test_bfloat16_state_follows_small_changes(rounding: str) -> None:
    one = torch.nn.Parameter(torch.zeros(1000, dtype=torch.float32))
    stepper = optim.adam([one], betas=(0.9, 0.999), rounding=rounding, state_dtype=BFLOAT16)
    for _ in range(1000):
        step(stepper, torch.ones(1000))
    torch.testing.assert_close(stepper.state[one]["v"].float().mean(), torch.tensor(1 - 0.999**1000), rtol=5e-3, atol=0)


@pytest.mark.parametrize("name", ["adafactor", "adam_mini", "came"])
def test_state_of_another_shape_than_the_parameter_is_rounded(name: str) -> None:
    ends = []
    for state_dtype in (torch.float32, BFLOAT16):
        one = torch.nn.Parameter(torch.linspace(-1, 1, 12).view(4, 3))
        stepper = optimizer(name, [one], lr=0.01, state_dtype=state_dtype)
        for t in range(3):
            step(stepper, torch.cos(torch.arange(12.0) + t).view(4, 3))
        ends.append([one.detach(), *(each for _, each in entries(stepper))])
    for exact, kept in zip(*ends, strict=True):
        torch.testing.assert_close(kept.float(), exact, rtol=0.05, atol=0.005)


def test_a_number_of_the_whole_network_stays_the_same_for_all_parameters() -> None:
    parameters = [torch.nn.Parameter(torch.ones(n, dtype=BFLOAT16)) for n in (2, 3, 4)]
    stepper = optim.prodigy(parameters, d0=0.1, state_dtype=BFLOAT16)
    for t in range(20):
        step(stepper, *(torch.cos(torch.arange(float(len(one))) + t) + 3 for one in parameters))
    assert stepper.state[parameters[0]]["d"] > 0.1001
    assert len({float(stepper.state[one]["d"]) for one in parameters}) == 1


@pytest.mark.parametrize("name", ["adamw", "lamb", "sgld"])
@pytest.mark.parametrize("rounding", ["stochastic", "kahan"])
@pytest.mark.parametrize("state_dtype", [None, BFLOAT16])
def test_a_saved_run_goes_on_bit_for_bit(name: str, rounding: str, state_dtype: torch.dtype | None) -> None:
    settings = {"lr": 0.01} | ({"temperature": 0.1} if name == "sgld" else {})

    def made() -> tuple[list[torch.nn.Parameter], RuleOptimizer]:
        parameters = [torch.nn.Parameter(torch.ones(shape, dtype=BFLOAT16)) for shape in ((3, 2), (4,))]
        return parameters, optimizer(name, parameters, **settings, rounding=rounding, state_dtype=state_dtype)

    def train(parameters: Any, stepper: Any, first: int) -> None:
        for t in range(first, first + 3):
            step(stepper, *(torch.cos(torch.arange(float(one.numel())) + t).view(one.shape) for one in parameters))

    parameters, stepper = made()
    before = torch.get_rng_state()
    train(parameters, stepper, 0)
    assert torch.equal(torch.get_rng_state(), before)
    file = io.BytesIO()
    torch.save((stepper.state_dict(), [one.detach() for one in parameters]), file)
    copied, theirs = copy.deepcopy((parameters, stepper))
    file.seek(0)
    torch.manual_seed(1)
    others, resumed = made()
    state, weights = torch.load(file, weights_only=True)
    resumed.load_state_dict(state)
    for one, value in zip(others, weights, strict=True):
        one.data.copy_(value)
    for each in ((parameters, stepper), (others, resumed), (copied, theirs)):
        train(*each, 3)
    for one, other, third in zip(parameters, others, copied, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)


def test_loaded_state_takes_the_dtype_in_which_it_is_kept() -> None:
    one = parameter(1.0, 2.0)
    saved = optim.adam([one]).state_dict()
    stepper = optim.adam([one], state_dtype=BFLOAT16)
    stepper.load_state_dict(saved)
    assert {each.dtype for _, each in entries(stepper)} == {BFLOAT16}


def test_a_parameter_draws_alike_alone_and_behind_others() -> None:
    ends = []
    for together in (False, True):
        first, last = (torch.nn.Parameter(torch.ones(size, dtype=BFLOAT16)) for size in (7, 50))
        stepper = optim.lion([first, last], lr=1e-3, state_dtype=BFLOAT16)
        for _ in range(5):
            first.grad = torch.linspace(-1, 1, 7).bfloat16() if together else None
            last.grad = torch.linspace(-1, 1, 50).bfloat16()
            stepper.step()
        ends.append((last.detach(), stepper.state[last]["m"]))
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_flattened_parameters_of_any_size_draw_as_they_do_apart() -> None:
    ends = []
    for flatten in (False, True):
        parameters = [torch.nn.Parameter(torch.ones(n, dtype=BFLOAT16)) for n in (7, SLICE + 9, 2**14, 5, 6, 0)]
        stepper = optim.lion(parameters, lr=1e-3, state_dtype=BFLOAT16, flatten=flatten)
        for _ in range(2):
            step(stepper, *(torch.linspace(-1, 1, len(one)) for one in parameters))
        ends.append([one.detach() for one in parameters] + [state["m"] for state in stepper.state.values()])
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_a_step_of_flattened_parameters_makes_no_words_for_all_elements() -> None:
    class Words(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            if func.overloadpacket is torch.ops.aten.repeat_interleave:
                self.largest = max(self.largest, found.numel())
            return found

    parameters = [torch.nn.Parameter(torch.ones(n, dtype=BFLOAT16)) for n in (SLICE, 3, 5, SLICE)]
    stepper = optim.sgd(parameters, flatten=True)
    with Words() as words_of_elements:  # type: ignore[no-untyped-call]
        step(stepper, *(torch.ones(len(one)) for one in parameters))
    assert words_of_elements.largest == 3 + 5


def test_a_parameter_and_its_state_have_bits_of_their_own() -> None:
    class Copying(chainrule.Optimizer):
        def init(self, parameter: Tensor) -> Any:
            return {"z": parameter.clone()}

        def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
            state["z"].sub_(step.lr * grad)
            return grad

    one = torch.nn.Parameter(torch.ones(1000, dtype=BFLOAT16))
    stepper = of_rule(Copying(lr=2.0**-8), [one], state_dtype=BFLOAT16)  # half a unit
    step(stepper, -torch.ones(1000))
    assert abs((one == stepper.state[one]["z"]).double().mean() - 0.5) < 0.1


def test_each_parameter_and_each_step_has_bits_of_its_own() -> None:
    parameters = [torch.nn.Parameter(torch.ones(1000, dtype=BFLOAT16)) for _ in range(2)]
    stepper = optim.sgd(parameters, lr=2.0**-8)  # half a unit
    moved = []
    for _ in range(2):
        before = [one.detach().clone() for one in parameters]
        step(stepper, *[-torch.ones(1000)] * 2)
        moved += [one != old for one, old in zip(parameters, before, strict=True)]
    shares = [(one == other).double().mean() for one, other in zip(moved, [*moved[1:], moved[0]], strict=True)]
    assert all(abs(share - 0.5) < 0.1 for share in shares)


def test_the_order_in_memory_changes_nothing() -> None:
    ends = []
    for form in (torch.contiguous_format, torch.channels_last):
        one = torch.nn.Parameter(torch.ones(2, 3, 4, 5, dtype=BFLOAT16).to(memory_format=form))
        stepper = optim.adam([one], state_dtype=BFLOAT16)
        for _ in range(3):
            step(stepper, torch.linspace(-1, 1, 120).view(2, 3, 4, 5))
        ends.append(one.detach())
    assert torch.equal(*ends)


def test_a_large_parameter_is_widened_slice_by_slice() -> None:
    calls: list[int] = []

    class Counting(chainrule.Optimizer):
        elementwise = True

        def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
            calls.append(parameter.numel())
            return grad

    large, small = (torch.nn.Parameter(torch.ones(n, dtype=BFLOAT16)) for n in (2**18 + 8, 6))
    stepper = of_rule(Counting(lr=2.0**-12), [large, small])
    step(stepper, -torch.ones(2**18 + 8), -torch.ones(6))
    assert sorted(calls) == [6, 8, 2**17, 2**17]
    chances = [float((piece != 1).double().mean()) for piece in large.detach().split(2**17)[:2]]
    assert all(abs(chance - 1 / 32) < 4 * (1 / 32 / 2**17) ** 0.5 for chance in chances)
    assert not torch.equal(large[: 2**17], large[2**17 : 2**18])


def test_flattened_and_mixed_parameters_are_rounded_as_apart() -> None:
    def made(**options: Any) -> tuple[list[torch.nn.Parameter], RuleOptimizer]:
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.ones(n, 2, dtype=dtype)) for n in (3, 5) for dtype in DTYPES]
        return parameters, optim.adam(parameters, lr=2.0**-8, rounding="kahan", state_dtype=BFLOAT16, **options)

    ends = []
    for options in ({}, {"flatten": True}):
        parameters, stepper = made(**options)
        for t in range(3):
            step(stepper, *(torch.cos(torch.arange(2.0 * len(one)) + t).view(-1, 2) for one in parameters))
        assert ["compensation" in stepper.state[one] for one in parameters] == [True, False] * 2
        ends.append([*parameters, *(each for _, each in entries(stepper))])
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


def test_small_parameters_are_rounded_in_few_operations() -> None:
    counts = []
    for many in (3, 60):
        parameters = [torch.nn.Parameter(torch.ones(4, 5, dtype=BFLOAT16)) for _ in range(many)]
        stepper = optim.adamw(parameters, state_dtype=BFLOAT16)
        step(stepper, *[torch.ones(4, 5)] * many)
        with Operations() as counted:  # type: ignore[no-untyped-call]
            stepper.step()
        counts.append(counted.count)
    assert counts[0] == counts[1]


def test_float32_parameters_are_stepped_as_ever() -> None:
    ends = []
    for rounding in ("stochastic", "kahan", "nearest"):
        one = parameter(1.0, 2.0, dtype=torch.float32)
        stepper = optim.adam([one, parameter(1.0)], rounding=rounding)
        for _ in range(3):
            step(stepper, torch.tensor([0.1, -0.2]), torch.ones(1))
        assert "compensation" not in stepper.state[one]
        ends.append(one.detach())
    alone = parameter(1.0, 2.0, dtype=torch.float32)
    stepper = optim.adam([alone])
    for _ in range(3):
        step(stepper, torch.tensor([0.1, -0.2]))
    assert all(torch.equal(alone, each) for each in ends)


def test_decay_beside_the_rule_acts_before_rounding() -> None:
    one = parameter(1.0)
    stepper = optim.adam([one], weight_decay=1.0, lr=2.0**-12, rounding="kahan")
    for _ in range(1000):
        step(stepper, torch.zeros(1))
    assert abs(float(one.detach()) - (1 - 2.0**-12) ** 1000) < 2.0**-8


def test_evaluation_parameters_are_computed_in_float32() -> None:
    one = parameter(1.0)
    stepper = optim.ema([one], inner=sgd(lr=2.0**-12), decay=0.0, rounding="kahan")
    for _ in range(3):
        step(stepper, -torch.ones(1))
    stepper.eval()
    assert float(one.detach()) == 1.0
    stepper.train()
    for _ in range(30):
        step(stepper, -torch.ones(1))
    stepper.eval()
    assert float(one.detach()) == 1 + 2.0**-7


@pytest.mark.parametrize("name", ["adam", "prodigy", "muon"])
def test_a_step_without_gradients_changes_nothing(name: str) -> None:
    one = torch.nn.Parameter(torch.ones(2, 2, dtype=BFLOAT16))
    optimizer(name, [one]).step()
    assert torch.equal(one, torch.ones(2, 2, dtype=BFLOAT16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounding": "up"}, 'adam: rounding must be one of "stochastic", "kahan", "nearest", got \'up\'.'),
        (
            {"state_dtype": FLOAT16},
            "adam: state_dtype must be torch.float32, torch.bfloat16 or None, got torch.float16",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(chainrule.HyperparameterError) as caught:
        optim.adam([parameter(1.0)], **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_state_of_another_rounding_is_refused() -> None:
    one = parameter(1.0)
    with pytest.raises(chainrule.StateError, match="adam: the state of a parameter must be"):
        optim.adam([one]).load_state_dict(optim.adam([one], rounding="kahan").state_dict())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [BFLOAT16, FLOAT16])
def test_rounds_on_a_cuda_device_as_on_the_cpu(dtype: torch.dtype) -> None:
    ends = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        sizes = (2**18 + 8, 5, 7)
        parameters = [torch.nn.Parameter(torch.ones(size, dtype=dtype, device=device)) for size in sizes]
        stepper = optim.sgd(parameters, lr=2.0**-13, momentum=0.5, state_dtype=BFLOAT16)
        for _ in range(3):
            step(stepper, *(torch.ones(size, device=device) for size in sizes))
        ends.append([one.detach().cpu() for one in parameters])
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adamw", "lion", "sgd", "muon", "schedule_free_adamw"])
def test_bfloat16_ends_where_float32_does_unless_it_rounds_to_the_nearest(name: str) -> None:
    train = runpy.run_path(str(ROOT / "examples" / "bf16_digits.py"))["losses"]
    kinds = ("float32", "stochastic", "kahan", "nearest")
    ends = {kind: torch.tensor([train(name, kind, seed, 12)[-1] for seed in range(5)]) for kind in kinds}
    means, spread = {kind: each.mean() for kind, each in ends.items()}, ends["float32"].std()
    assert abs(means["stochastic"] - means["float32"]) <= spread
    assert abs(means["kahan"] - means["float32"]) <= spread
    assert means["nearest"] - means["float32"] > 5 * spread
