"""The random numbers of modules: the published generator, evenly distributed, independent, and the same everywhere."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from chainrule import ChainruleError, Module, Random, StateError
from chainrule.base.random_numbers import philox, random_key

KNOWN = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
"""Counter, key and result: the known answers that Random123 is distributed with."""

DEVIATIONS = 5.7
"""Allowed for a normal statistic: exceeded with probability 1.2e-8, so among forty by 5e-7 of all right generators."""


def stream(seeds=(0,), name="0.random", dtype=torch.float64):
    random = Random()
    keys = torch.tensor([random_key(seed, name) for seed in seeds]).T.contiguous()
    random.bind(keys, torch.zeros((), dtype=torch.int64), dtype)
    return random


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_words_are_those_that_the_generators_authors_give(counter, key, words):
    even, odd = philox(torch.tensor(counter[::2]), torch.tensor(counter[1::2]), torch.tensor(key))
    assert [even[0].item(), odd[0].item(), even[1].item(), odd[1].item()] == words


def correlation(x, y):
    """Return the correlation of two samples of uniform numbers, in standard errors."""
    return ((x - 0.5) * (y - 0.5)).mean().item() * 12 * math.sqrt(x.numel())


def test_ten_million_numbers_are_uniform_and_neighbours_independent():
    numbers = stream().uniform((2500, 4001)).flatten()  # an odd row, so that blocks do not line up
    count = numbers.numel()
    assert count > 10**7
    assert 0 <= numbers.min() < 1e-6
    assert 1 - 1e-6 < numbers.max() < 1
    for power in (1, 2, 3):
        error = numbers.pow(power).mean().item() - 1 / (power + 1)
        assert abs(error) * math.sqrt(count / (1 / (2 * power + 1) - 1 / (power + 1) ** 2)) < DEVIATIONS
    for bins, shift in ((4096, 0), (4096, 12)):  # the upper and the lower half of the 24 bits
        index = (numbers * 2**shift % 1 * bins).long()
        counts = torch.bincount(index, minlength=bins).double()
        chi_square = ((counts - count / bins).square() / (count / bins)).sum().item()
        assert abs(chi_square - (bins - 1)) / math.sqrt(2 * (bins - 1)) < DEVIATIONS
    quarter = count // 4
    for lag in (1, 2, 3, 4, quarter, 2 * quarter):
        assert abs(correlation(numbers[:-lag], numbers[lag:])) < DEVIATIONS


def test_members_names_and_draws_are_independent():
    ensemble = stream(range(4))
    first, second = ensemble.uniform((10**6,)), ensemble.uniform((10**6,))
    other = stream(range(4), name="1.random").uniform((10**6,))
    pairs = [(first[i], first[j]) for i in range(4) for j in range(i)]
    pairs += [(first[i], again[j]) for again in (second, other) for i in range(4) for j in range(4)]
    assert max(abs(correlation(x, y)) for x, y in pairs) < DEVIATIONS


def test_normal_numbers_have_the_moments_and_the_tails():
    numbers = stream().normal((10**7,)).flatten()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = numbers.pow(power).mean().item() - moment
        assert abs(error) * math.sqrt(numbers.numel() / variance) < DEVIATIONS
    for bound in (1, 2, 3):
        share = math.erfc(bound / math.sqrt(2))
        error = (numbers.abs() > bound).double().mean().item() - share
        assert abs(error) * math.sqrt(numbers.numel() / (share * (1 - share))) < DEVIATIONS
    half = numbers.numel() // 2
    assert abs((numbers[:half] * numbers[half:]).mean().item()) * math.sqrt(half) < DEVIATIONS  # pairs of one radius


def test_ones_come_with_their_probability_of_each_member():
    ones = stream((0, 1)).bernoulli(torch.tensor([0.1, 0.7]), (10**6,))
    assert set(ones.unique().tolist()) == {0.0, 1.0}
    for share, drawn in zip((0.1, 0.7), ones.mean(1).tolist(), strict=True):
        assert abs(drawn - share) * math.sqrt(10**6 / (share * (1 - share))) < DEVIATIONS


@pytest.mark.parametrize("shape", [(), (3,), (20, 16), (128, 300)])
def test_a_member_draws_as_the_single_stream_of_its_seed_in_either_dtype(shape):
    ensemble, single = stream((5, 6, 7), dtype=torch.float32), stream((6,))
    for _ in range(70):
        for draw in ("uniform", "normal"):
            drawn, expected = getattr(ensemble, draw)(shape)[1], getattr(single, draw)(shape)[0]
            torch.testing.assert_close(drawn, expected.float(), rtol=0, atol=0 if draw == "uniform" else 5e-7)
    assert ensemble.counter.item() == single.counter.item() == 140


def test_numbers_follow_from_the_count_of_draws_whatever_was_drawn_before():
    mixed, plain = stream(), stream()
    for _ in range(5):
        mixed.uniform((7,))
        mixed.normal((2, 3))
        mixed.bernoulli(0.5, (40, 50))
    plain.counter.fill_(15)
    for copied in (copy.deepcopy(mixed), pickle.loads(pickle.dumps(mixed)), plain):  # noqa: S301 - pickled here
        assert torch.equal(copied.uniform((7,)), copy.deepcopy(mixed).uniform((7,)))


def test_what_is_done_with_numbers_does_not_change_those_to_come():
    spoilt, clean = stream(), stream()
    for _ in range(3):
        spoilt.uniform((5,)).fill_(7)
        clean.uniform((5,))
    assert torch.equal(spoilt.uniform((5,)), clean.uniform((5,)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler imports parts that torch deprecates
def test_compiled_numbers_have_the_same_bits():
    @torch.compile(fullgraph=True, dynamic=False)
    def drawn(key, counter):
        random = Random()
        random.bind(key, counter, torch.float32)
        return random.uniform((100,)), random.bernoulli(0.3, (100,)), random.normal((101,))

    eager = stream((0, 1), dtype=torch.float32)
    compiled = drawn(eager.key, eager.counter.clone())
    expected = eager.uniform((100,)), eager.bernoulli(0.3, (100,)), eager.normal((101,))
    assert torch.equal(compiled[0], expected[0])
    assert torch.equal(compiled[1], expected[1])
    torch.testing.assert_close(compiled[2], expected[2])


def test_global_generators_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    stream().normal((100,))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


def test_drawing_before_build_is_an_error():
    with pytest.raises(ChainruleError, match=r"^Random: drawing needs a built module\. Call build\(\)"):
        Random().uniform((2,))


class Noisy(Module):
    def __init__(self):
        self.random = Random()
        self.layers = {"inner": [Random()]}

    def forward(self, x):
        self.save_for_backward()
        return x + self.random.normal(x.shape[1:]) + self.layers["inner"][0].uniform(x.shape[1:])

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output


def test_a_networks_streams_are_saved_loaded_copied_and_taken_by_a_member():
    network, x = Noisy().build(seeds=[3, 4]), torch.zeros(5, 2)
    network(x)
    saved, expected = network.random_state(), copy.deepcopy(network)(x)
    assert set(saved) == {"random", "layers.inner.0"}
    assert network.state_dict() == {}
    other = Noisy().build(seeds=[8, 9])
    other.load_random_state(saved)
    assert torch.equal(other(x), expected)
    assert torch.equal(network.member(1)(x), expected[1])
    single = Noisy().build(seed=4)
    single(x)
    assert torch.equal(single(x), expected[1])


@pytest.mark.parametrize("counter", [torch.zeros(2, dtype=torch.int64), torch.tensor(0.5)])
def test_a_counter_of_another_form_is_refused_before_a_key_is_loaded(counter):
    network, saved = Noisy().build(seeds=[3, 4]), Noisy().build(seeds=[8, 9]).random_state()
    before = network.random_state()
    saved["layers.inner.0"]["counter"] = counter
    with pytest.raises(StateError, match=r"network: the counter of layers\.inner\.0 must"):
        network.load_random_state(saved)
    torch.testing.assert_close(network.random_state(), before, rtol=0, atol=0)


def test_loading_a_state_keeps_the_tensors_that_a_compiled_step_knows_and_draws_nothing_old():
    network, x = Noisy().build(seeds=[3, 4]), torch.zeros(5, 2)
    saved, expected = network.random_state(), network(x)
    tensors = [id(tensor) for pair in network.declared_tensors()["streams"] for tensor in pair]
    other = Noisy().build(seeds=[8, 9])
    known = [id(tensor) for pair in other.declared_tensors()["streams"] for tensor in pair]
    other(x)  # draws ahead with its own key
    for one, ids in ((network, tensors), (other, known)):
        one.load_random_state(saved)
        assert [id(tensor) for pair in one.declared_tensors()["streams"] for tensor in pair] == ids
        assert torch.equal(one(x), expected)
    assert all(state["counter"] == 0 for state in saved.values())
