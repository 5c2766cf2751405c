"""The settings of a run as text."""

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from chainrule import Module
from chainrule.layers import linear, sequential
from chainrule.optimizers import sgd
from chainrule.training.run_settings import SAMPLE, _held_by, described, difference, settings_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_differ_by_every_value(dtype):
    values = torch.zeros(3, 7, dtype=dtype)
    changed = values.clone()
    changed[2, 6] = 1
    assert described(values) == described(values.mT.contiguous().mT)
    assert described(values) != described(changed)


def test_a_large_tensor_is_sampled_over_all_of_it():
    values = torch.zeros(2, SAMPLE)
    changed = values.clone()
    changed[1] = 1
    assert described(values) != described(changed)


@pytest.mark.parametrize("unchanged", [1, 15])
def test_the_sample_of_rows_of_any_length_has_all_columns(unchanged):
    values = torch.zeros(SAMPLE, 16)
    changed = values.clone()
    changed[:, unchanged:] = 1
    assert described(values) != described(changed)


class Rows(Dataset):
    """Rows of a tensor, as a user's own class has them."""

    def __init__(self, x):
        self.x = x

    def __getitem__(self, i):
        return self.x[i], self.x[i]


DATA_SETS = {
    "a part": lambda x: Subset(TensorDataset(x, x), [0, 2]),
    "other rows": lambda x: Subset(TensorDataset(torch.eye(3), torch.eye(3)), [0, 2 if x[0, 0] else 1]),
    "several": lambda x: ConcatDataset([TensorDataset(x, x)]),
    "a part of several": lambda x: Subset(ConcatDataset([TensorDataset(x, x)]), range(2)),
    "own": Rows,
    "an array of its own": lambda x: Rows(np.repeat(x.numpy(), SAMPLE, 0)),
}


def test_a_large_array_of_a_data_set_is_not_copied_whole():
    ((_, (shape, dtype, sample)),) = _held_by(Rows(np.zeros((3, SAMPLE))))
    assert (shape, dtype, sample.size) == ((3, SAMPLE), "float64", SAMPLE)


class Odd(Rows):
    """Holds what has no numbers that can be read, under names that mean something else elsewhere."""

    def __init__(self):
        super().__init__(torch.ones(3, 3))
        self.tensors, self.indices, self.dataset, self.datasets = self.x.to_sparse(), None, self, 3
        self.other, self.objects = torch.ones(2, device="meta"), np.array([object(), object()])


def test_data_sets_of_any_kind_have_a_description():
    one, other = (settings_of(linear(3, 3).build(seed=0), {"train": DataLoader(Odd(), 2, sampler=[0])}) for _ in "ab")
    assert difference(one, other) is None


@pytest.mark.parametrize("make", DATA_SETS.values(), ids=DATA_SETS)
def test_loaders_differ_by_what_their_data_sets_hold(make):
    def settings(x):
        loader = DataLoader(make(x), 2, sampler=range(2))
        return settings_of(linear(3, 3).build(seed=0), {"train": loader})

    assert difference(settings(torch.ones(3, 3)), settings(torch.ones(3, 3))) is None
    assert "train" in difference(settings(torch.ones(3, 3)), settings(torch.zeros(3, 3)))


def test_a_tensor_that_members_share_is_not_copied_for_each():
    assert described(torch.zeros(1, 1).expand(2**40, 1)).startswith("(1099511627776, 1) of float32 with checksum")


def test_functions_differ_by_their_code_their_defaults_and_what_they_enclose():
    def power(base, *, inverse=False):
        return (lambda t: base**-t) if inverse else lambda t: base**t

    same, other, inverse = power(2), power(3), power(2, inverse=True)
    assert described(power(2)) == described(same)
    assert len({described(one) for one in (same, other, inverse, lambda t, base=2: base**t)}) == 4


def test_functions_differ_by_defaults_of_keywords_and_may_enclose_what_is_not_yet_there():
    def slope(factor):
        return lambda t, *, slope=factor: slope * t

    def endless():
        return endless, missing

    assert described(slope(1)) != described(slope(2))
    assert described(endless) == described(endless)
    missing = 1


class Slope:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, step):
        return self.factor * step

    def at(self, step):
        return self.factor * step


@pytest.mark.parametrize("make", [Slope, lambda factor: Slope(factor).at, lambda factor: partial(Slope(factor))])
def test_a_schedule_that_is_an_object_differs_by_what_it_holds(make):
    assert described(sgd(schedule=make(1))) == described(sgd(schedule=make(1)))
    assert described(sgd(schedule=make(1))) != described(sgd(schedule=make(2)))


class Scaled(Module):
    def __init__(self, scale):
        self.scale = scale

    def forward(self, x):
        return x * self.scale

    def backward(self, grad_output):
        return grad_output * self.scale


@pytest.mark.parametrize(
    "kind",
    [
        torch.Tensor,
        torch.Tensor.numpy,
        lambda scale: [scale],
        lambda scale: {"a": (scale.numpy(),)},
        lambda scale: lambda x, by=scale: x * by,
    ],
)
def test_a_layer_differs_by_every_value_of_a_tensor_or_an_array_that_it_was_given(kind):
    scale = torch.ones(2000)
    other = scale.clone()
    other[1000] += 1e-5
    assert described(sequential(Scaled(kind(scale)))) != described(sequential(Scaled(kind(other))))


def test_networks_differ_by_the_layers_that_share_a_parameter():
    def tied(one, other):
        layers = [linear(2, 2) for _ in range(3)]
        layers[one].weight = layers[other].weight
        return settings_of(sequential(*layers).build(), {})

    assert tied(0, 2) == tied(0, 2)
    assert "0.weight = 2.weight" in difference(tied(0, 2), tied(1, 2))


@pytest.mark.parametrize("batches", [lambda x, y: [(x, y)], lambda x, y: DataLoader(TensorDataset(x, y))])
def test_batches_differ_by_the_tensors_that_they_are_made_of(batches):
    network, x, y = linear(2, 2).build(), torch.zeros(8, 2), torch.ones(8, 2)
    same, other = ({"train": batches(first, y)} for first in (x.clone(), y))
    known = settings_of(network, {"train": batches(x, y)})
    assert difference(settings_of(network, same), known) is None
    assert "train batches of" in difference(settings_of(network, other), known)


def test_loaders_differ_by_the_size_and_the_order_of_batches():
    network, data = linear(2, 2).build(), TensorDataset(torch.zeros(8, 2), torch.ones(8, 2))
    loaders = [DataLoader(data, 4), DataLoader(data, 5), DataLoader(data, 4, shuffle=True)]
    first, larger, shuffled = (settings_of(network, {"train": loader}) for loader in loaders)
    assert "batches of 5 by a SequentialSampler" in difference(larger, first)
    assert "batches of 4 by a RandomSampler" in difference(shuffled, first)


def test_a_metric_that_counts_its_calls_is_that_of_the_same_run():
    metric = Slope(1)
    before = described({"slope": metric, "at": metric.at})
    metric.factor = 2
    assert described({"slope": metric, "at": metric.at}) == before


ONE, OTHER = {0, 8}, {8, 0}  # equal, in orders that differ as those of texts do between processes


@dataclass
class Holding:
    held: object

    def metric(self, prediction, target):
        return self.held


def enclosing(held):
    return lambda prediction: held


@pytest.mark.parametrize(
    "form",
    [
        lambda held: held,
        lambda held: {"held": (frozenset(held), 1)},
        enclosing,
        lambda held: enclosing([{"held": (held,)}]),
        lambda held: lambda prediction, kept=held: kept,
        lambda held: partial(max, held),
        lambda held: partial(max, key=(held,)),
        Holding,
        lambda held: Holding(held).metric,
    ],
)
def test_sets_are_described_alike_in_every_order(form):
    assert repr(ONE) != repr(OTHER)
    assert described(form(ONE)) == described(form(OTHER))
    assert described(form(ONE)) != described(form({0, 9}))


def test_patterns_differ_by_their_text():
    assert described(enclosing(re.compile("a"))) != described(enclosing(re.compile("b")))


def test_a_list_in_itself_is_described():
    endless = [1]
    endless.append(endless)
    assert described(enclosing(endless)) == described(enclosing(endless))


def test_objects_have_no_address():
    assert described([object()]) == described([object()])


def test_a_difference_in_long_texts_is_shown_where_it_is():
    one, other = ("Linear(2, 2), " * 30 + f"Dropout({p})" for p in (0.1, 0.2))
    told = difference({"network": one}, {"network": other})
    assert told is not None
    assert "Dropout(0.1) in place of …" in told
    assert told.endswith("Dropout(0.2)")
    assert len(told) < 250
