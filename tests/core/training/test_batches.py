import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chainrule import ShapeError
from chainrule.layers import linear
from chainrule.training import batches
from chainrule.training.batches import TensorBatches, is_pair

ROWS = torch.arange(23.0)


def of(network, size=5, x=ROWS, per_member=False):
    return TensorBatches(x.unsqueeze(-1), x, network, size, per_member=per_member)


def flat(epoch):
    return [y.tolist() for _, ys in epoch for y in ys]


@given(st.integers(1, 40), st.integers(1, 50))
def test_an_epoch_is_every_row_once_in_another_order(rows, size):
    source = of(linear(1, 1).build(), size, torch.arange(float(rows)))
    sizes = [y.shape for _, ys in source.epoch(1) for y in ys]
    assert sizes == [(1, min(size, rows - start)) for start in range(0, rows, size)]
    assert source.steps == len(sizes)
    assert sorted(value for (batch,) in flat(source.epoch(1)) for value in batch) == list(range(rows))


def test_x_and_y_stay_paired_and_contiguous():
    for x, y in of(linear(1, 1).build(seeds=[0, 1])).epoch(1):
        assert torch.equal(x.squeeze(-1), y)
        assert x.is_contiguous()


def test_the_order_depends_on_seed_and_epoch_alone():
    first, second = (of(linear(1, 1).build(seed=3)) for _ in range(2))
    list(first.epoch(1))
    assert flat(first.epoch(2)) == flat(second.epoch(2))
    wider = of(linear(1, 7).build(seeds=[9, 3, 5]))
    assert [[batch[1]] for batch in flat(wider.epoch(2))] == flat(first.epoch(2))
    assert len({str(flat(of(linear(1, 1).build(seed=s)).epoch(e))) for s in range(3) for e in (1, 2)}) == 6


@pytest.mark.parametrize("per_member", [False, True])
@pytest.mark.parametrize("elements", [1, 40, 100, 10_000])
def test_gathering_in_chunks_gives_the_same_batches(elements, per_member, monkeypatch):
    network = linear(1, 1).build(seeds=[0, 1, 2])
    x = torch.arange(69.0).view(3, 23) if per_member else ROWS
    whole = flat(of(network, x=x, per_member=per_member).epoch(1))
    monkeypatch.setattr(batches, "GATHERED_ELEMENTS", elements)
    assert flat(of(network, x=x, per_member=per_member).epoch(1)) == whole
    if per_member:
        assert all(set(batch[i]) <= set(x[i].tolist()) for batch in whole for i in range(3))


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64])
def test_rows_of_dtypes_that_torch_does_not_select_are_gathered(dtype):
    made = TensorBatches(ROWS.unsqueeze(-1), ROWS.to(dtype), linear(1, 1).build(), 23, per_member=False)
    [(x, y)] = made.epoch(1)
    assert y.dtype == dtype
    assert x.flatten().tolist() == y.flatten().tolist()


def test_data_of_another_number_of_members_raises():
    with pytest.raises(ShapeError, match=r"got \(2, 23, 1\) for an ensemble of 3"):
        of(linear(1, 1).build(seeds=[0, 1, 2]), x=torch.zeros(2, 23), per_member=True)


def test_a_list_of_batches_is_not_gone_through_before_the_fit():
    class Lazy(list):
        def __iter__(self):
            yield self[0]
            raise AssertionError("the second batch is not asked for yet")

    assert not is_pair(Lazy([(torch.ones(2, 2), torch.ones(2, 2))] * 2))


def test_members_of_one_seed_share_a_draw_of_the_order(monkeypatch):
    drawn = []
    real = batches.stream_seed
    monkeypatch.setattr(batches, "stream_seed", lambda *names: drawn.append(names) or real(*names))
    source = of(linear(1, 1).build(seeds=[4, 7, 4, 4]))
    found = flat(source.epoch(2))
    assert sorted(drawn) == [(4, "batches", "2"), (7, "batches", "2")]
    assert all(batch[0] == batch[2] == batch[3] != batch[1] for batch in found)


def test_members_of_one_seed_share_its_order_over_rows_of_their_own():
    own = torch.arange(69.0).view(3, 23)
    found = flat(of(linear(1, 1).build(seeds=[4, 4, 7]), x=own, per_member=True).epoch(1))
    assert [[value % 23 for value in batch[1]] for batch in found] == [batch[0] for batch in found]
    assert all(23 <= value < 46 for batch in found for value in batch[1])
