"""Buffers are allocated, initialized, saved, copied and compiled with the module that declares them."""

import copy
import pickle

import pytest
import torch

import chainrule
from chainrule import Buffer, ChainruleError, Module, ShapeError
from chainrule.initializers import uniform
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam
from tests.contracts.correct_modules import BatchNorm, Dropout


class Keeps(Module):
    def __init__(self):
        self.mean = Buffer(3, init=uniform())
        self.table = Buffer(2, init=torch.tensor([1.0, 2.0]), shared=True)
        self.count = Buffer(dtype=torch.int64)
        self.scratch = Buffer(4, persistent=False)

    def forward(self, x):
        self.save_for_backward()
        return x

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output


def test_buffers_have_the_members_the_dtype_and_the_first_values_they_declare():
    network = Keeps().build(seeds=[3, 4], dtype=torch.float64)
    buffers = dict(network.named_buffers())
    assert {name: tuple(buffer.data.shape) for name, buffer in buffers.items()} == {
        "mean": (2, 3),
        "table": (1, 2),
        "count": (2,),
        "scratch": (2, 4),
    }
    assert [buffer.data.dtype for buffer in buffers.values()] == [
        torch.float64,
        torch.float64,
        torch.int64,
        torch.float64,
    ]
    assert torch.equal(
        buffers["mean"].data[1], dict(Keeps().build(seed=4, dtype=torch.float64).named_buffers())["mean"].data[0]
    )
    assert not torch.equal(buffers["mean"].data[0], buffers["mean"].data[1])
    assert buffers["table"].data.tolist() == [[1.0, 2.0]]


def test_a_state_holds_persistent_buffers_and_a_member_takes_its_own():
    network = Keeps().build(seeds=[3, 4])
    network.module.count.data.copy_(torch.tensor([5, 6]))
    state = network.state_dict()
    assert set(state) == {"mean", "table", "count"}
    other = Keeps().build(seeds=[7, 8])
    other.load_state_dict(state)
    for name, values in other.state_dict().items():
        assert torch.equal(values, state[name])
    single = network.member(1).state_dict()
    assert single["count"].item() == 6
    assert torch.equal(single["table"], state["table"][0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])  # noqa: S301
def test_a_copy_has_buffers_of_its_own(copied):
    network = Keeps().build(seed=0)
    other = copied(network)
    other.module.count.data.add_(1)
    assert (other.state_dict()["count"].item(), network.state_dict()["count"].item()) == (1, 0)


def test_names_and_values_are_those_of_torch():
    ours = BatchNorm(3).build(seed=0, dtype=torch.float64)
    theirs = torch.nn.BatchNorm1d(3, affine=False, dtype=torch.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(8, 3, dtype=torch.float64)
    for _ in range(3):
        torch.testing.assert_close(ours(x), theirs(x))
    for name, values in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], values)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Buffer(0), ShapeError, r"^Buffer: every size must be an integer of at least 1, got 0"),
        (lambda: Buffer(2, init=torch.zeros(3)), ShapeError, r"^Buffer: init must have shape \(2,\), got \(3,\)\."),
        (lambda: Buffer(2).data, ChainruleError, r"^Buffer\(2\): data needs a built module\. Call build\(\)"),
    ],
)
def test_a_wrong_declaration_is_told(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_another_tensor_in_place_of_the_buffers_own_is_refused():
    network = Keeps().build()
    with pytest.raises(ChainruleError, match=r"^Buffer\(3\): data must change in place, got another tensor\."):
        network.module.mean.data = torch.zeros(1, 3)


def build(**seeds):
    return sequential(linear(4, 8), BatchNorm(8), Dropout(0.3), linear(8, 2)).build(dtype=torch.float64, **seeds)


def batches(steps):
    generator = torch.Generator().manual_seed(0)
    return [tuple(torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)) for _ in range(steps)]


def train(network, updater, pairs):
    loss = mse(members=network.is_ensemble)
    for x, y in pairs:
        loss(network(x), y[:, :2])
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()


def test_a_member_with_statistics_and_masks_trains_as_the_single_network_of_its_seed():
    ensemble, single = build(seeds=[1, 2, 3]), build(seed=2)
    for network in (ensemble, single):
        train(network, adam(lr=0.01).attach(network), batches(20))
    for name, values in single.state_dict().items():
        torch.testing.assert_close(ensemble.state_dict()[name][1], values, rtol=1e-12, atol=1e-12)


def test_a_run_with_statistics_and_masks_resumes_to_the_bit():
    whole, before = build(seeds=[1, 2]), build(seeds=[1, 2])
    train(whole, adam(lr=0.01).attach(whole), batches(20))
    updater = adam(lr=0.01).attach(before)
    train(before, updater, batches(20)[:9])
    after = build(seeds=[5, 6])
    after.load_state_dict(before.state_dict())
    after.load_random_state(before.random_state())
    resumed = adam(lr=0.01).attach(after)
    resumed.load_state_dict(updater.state_dict())
    train(after, resumed, batches(20)[9:])
    for name, values in whole.state_dict().items():
        assert torch.equal(after.state_dict()[name], values), name


@pytest.mark.usefixtures("traced")
def test_statistics_and_masks_of_a_traced_fit_are_those_of_the_eager_one():
    pairs = [torch.cat(tensors) for tensors in zip(*batches(20), strict=True)]
    x, y = pairs[0], pairs[1][:, :2]
    eager, compiled = build(seeds=[1, 2]), build(seeds=[1, 2])
    chainrule.fit(eager, mse(), adam(), train=(x, y), epochs=3, batch_size=12)
    chainrule.fit(compiled, mse(), adam(), train=(x, y), epochs=3, batch_size=12, compile=True)
    for name, values in eager.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], values, rtol=1e-9, atol=1e-9)
    for name, state in eager.random_state().items():
        assert state["counter"] == compiled.random_state()[name]["counter"] == 30
