"""Networks of integers train as others do, shown by an embedding as a third party would write it."""

import warnings

import pytest
import torch
from torch.testing import assert_close

from chainrule import Module, Optimizer, ShapeError, fit, training_step
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam
from tests.contracts.correct_modules import Embedding

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randint(0, 10, (52, 5), generator=GENERATOR)
Y = (X.sum(1) > 22).long()


class Bag(Module):
    """Add up the tokens of each example: x (M, N, T, d), y (M, N, d)."""

    def output_shape(self, input_shape):
        return input_shape[1:]

    def forward(self, x):
        self.save_for_backward(x)
        return x.sum(2)

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        return grad_output.unsqueeze(2).expand_as(x)


def network(seeds=(0, 1, 2)):
    return sequential(Embedding(10, 4), Bag(), linear(4, 2)).build(seeds=list(seeds), dtype=torch.float64)


def trained(net, *, train=(X, Y), **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = fit(net, cross_entropy(), adam(lr=0.05), train=train, batch_size=8, epochs=4, **settings)
    return net, history


def test_an_embedding_and_its_gradient_are_those_of_torch():
    net, x = Embedding(10, 4).build(seeds=[3, 4], dtype=torch.float64), X.view(2, 26, 5)
    weights = net.state_dict()["weight"].requires_grad_()
    expected = torch.stack([torch.nn.functional.embedding(x[i], weights[i]) for i in range(2)])
    grad_output = torch.randn(expected.shape, generator=GENERATOR, dtype=torch.float64)
    expected.backward(grad_output)
    assert_close(net(x, per_member=True), expected.detach(), rtol=0, atol=0)
    assert net.backward(grad_output, input_grad=True) is None
    assert_close(net.module.weight.grad, weights.grad)


def test_a_fit_learns_and_its_members_are_the_single_networks():
    net, history = trained(network())
    assert (history["train_loss"][-1] < history["train_loss"][0]).all()
    for i in range(3):
        single, _ = trained(network([i]))
        assert_close(net.member(i).flat.data, single.flat.data, rtol=1e-9, atol=1e-9)


def expect_a_compiled_fit_to_be_the_eager_one(dtype):
    (eager, expected), (compiled, got) = trained(network()), trained(network(), train=(X.to(dtype), Y), compile=True)
    assert_close(compiled.flat.data, eager.flat.data, rtol=1e-9, atol=1e-9)
    assert_close(got["train_loss"], expected["train_loss"], rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_a_traced_fit_is_the_eager_one(dtype):
    expect_a_compiled_fit_to_be_the_eager_one(dtype)


def test_a_compiled_fit_of_bytes_which_torch_may_take_for_a_mask_is_the_eager_one():
    expect_a_compiled_fit_to_be_the_eager_one(torch.uint8)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("member", [0, 2])
@pytest.mark.parametrize("index", [10, 10**6, -1])
def test_an_index_out_of_range_is_named_before_anything_is_trained_on_it(index, member, compile):
    x, y = X[:8].expand(3, 8, 5), Y[:8].expand(3, 8)
    wrong = x.clone()
    wrong[member, 3, 1] = index
    rows = [(x, y)] * 3
    net, expected = network(), network()
    with pytest.raises(ShapeError, match=rf"^embedding: x must be from 0 to 9, got .*{index}\b[^\n]*$"):
        fit(net, cross_entropy(), adam(lr=0.05), train=[*rows, (wrong, y)], per_member=True, compile=compile)
    fit(expected, cross_entropy(), adam(lr=0.05), train=rows, per_member=True)
    assert_close(net.flat.data, expected.flat.data, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("x", [[[1, 2]], X.numpy()])
def test_a_network_of_integers_takes_what_it_advises(x):
    with pytest.raises(ShapeError, match=r"Pass one, as from torch\.as_tensor\(x, dtype=torch\.int64\)\.$"):
        network()(x)


def test_a_network_of_integers_refuses_floats_in_a_fit():
    with pytest.raises(ShapeError, match=r"^network: x must have integers, got torch\.float64\."):
        trained(network(), train=(X.double(), Y))


class Normed(Optimizer):
    def init(self, parameter):
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter, grad, state, step):
        m = state["m"].lerp_(grad, 0.1)
        return m / m.norm()


def test_a_step_that_the_compiler_fails_to_fuse_compiles_unfused():
    """Torch 2.13's compiler fails to fuse the sum into rows of a table with the norm of a running mean."""
    ends = []
    for compile in (False, True):
        network = Embedding(5, 2).build(seeds=[0, 1], dtype=torch.float64)
        step = training_step(network, mse(), Normed(lr=0.1), compile=compile)
        for _ in range(3):
            step(torch.tensor([0, 1, 2, 0]), torch.ones(4, 2, dtype=torch.float64))
        ends.append(network.flat.data)
    torch.testing.assert_close(*ends, rtol=1e-12, atol=1e-12)
