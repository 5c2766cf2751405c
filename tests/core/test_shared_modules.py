"""Networks that share a layer without parameters."""

import copy
import pickle

import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, IterableDataset

from chainrule import BackwardError, ChainruleError, Network, evaluate, fit, hookimpl, training_step
from chainrule.activations import relu
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, GRAD = torch.randn(8, 3), torch.randn(8, 2)


def network(*modules, seed=0):
    return sequential(linear(3, 4), *modules, linear(4, 2)).build(seed=seed)


def gradient(one: Network):
    one.zero_grad()
    one(X)
    one.backward(GRAD)
    return one.flat.grad.clone()


def test_they_may_take_turns_but_not_between_forward_and_backward():
    act = relu()
    first, second = network(act), network(act, seed=1)
    for one, alone in ((first, network(relu())), (second, network(relu(), seed=1)), (first, network(relu()))):
        assert torch.equal(gradient(one), gradient(alone))
    for one, other in ((first, second), (second, first), (first, second.eval())):
        one(X)
        other(X)
        with pytest.raises(BackwardError, match="relu: must not be called by another network between forward and back"):
            one.backward(GRAD)
    assert torch.equal(gradient(first), gradient(network(relu())))


DISTRACTIONS = {
    "a call": lambda other: other.train()(X),
    "a call in eval mode": lambda other: other.eval()(X),
    "eval mode alone": lambda other: other.eval(),
    "an evaluation": lambda other: evaluate(other, mse(), (X, GRAD)),
    "a fit": lambda other: fit(other, mse(), sgd(lr=0.1), train=(X, GRAD)),
}


def taught(student, teacher, use, *, compile):
    """Take steps by hand, and in fits with a teacher called after a step or by the data; return the parameters."""

    class Teacher:
        @hookimpl
        def chainrule_step_end(self, run):
            use(teacher)

    class Data(IterableDataset):
        def __iter__(self):
            for _ in range(2):
                use(teacher)
                yield X, GRAD

    step = training_step(student, mse(), sgd(lr=0.1), compile=compile)
    for _ in range(2):
        use(teacher)
        step(X, GRAD)
    given = {"epochs": 2, "compile": compile}
    fit(student, mse(), sgd(lr=0.1), train=(X, GRAD), batch_size=4, callbacks=[Teacher()], **given)
    fit(student, mse(), sgd(lr=0.1), train=DataLoader(Data(), batch_size=None), **given)
    return student.flat.data


@pytest.mark.parametrize("use", DISTRACTIONS.values(), ids=DISTRACTIONS)
@pytest.mark.parametrize("compile", [False, True], ids=["eager", "compiled"])
def test_a_student_is_trained_beside_a_teacher_that_is_used_in_between(use, compile, traced):
    act = relu()
    alone = taught(network(relu()), network(relu(), seed=1), use, compile=compile)
    assert torch.equal(taught(network(act), network(act, seed=1), use, compile=compile), alone)


@pytest.mark.parametrize("take", [lambda step, _: step(X, GRAD), lambda _, other: DISTRACTIONS["a fit"](other)])
def test_a_step_of_another_between_forward_and_backward_is_told(take):
    act = relu()
    first, second = network(act), network(act)
    step = training_step(second, mse(), sgd(lr=0.1))
    step(X, GRAD)
    first(X)
    take(step, second)
    with pytest.raises(BackwardError, match="must not be called by another network between forward and backward"):
        first.backward(GRAD)


def test_what_two_share_is_noted_once_however_often_it_is_looked_for():
    act = relu()
    first = network(act)
    for seed in range(5):
        other = network(act, seed=seed)
        first(X)
        other(X)
    assert (list(first.shared), list(other.shared)) == ([act], [act])


def test_a_build_that_failed_does_not_bar_the_next():
    """Its error, which a notebook keeps, has the half-made network."""
    module = sequential(linear(3, 4), dropout())
    with pytest.raises(ChainruleError) as caught:
        module.build(seed=0, device="nowhere")
    assert module.build(seed=0)
    assert caught


def test_the_mode_of_another_may_change_between_forward_and_backward():
    act = relu()
    first, second = network(act), network(act)
    first(X)
    second.train()
    first.backward(GRAD)
    assert torch.equal(first.flat.grad, gradient(network(relu())))


def test_fits_may_take_turns_with_one_that_is_the_first_module_of_another():
    act = relu()
    first, second = sequential(act, linear(3, 2)).build(seed=0), network(act)
    first_alone, second_alone = sequential(relu(), linear(3, 2)).build(seed=0), network(relu())
    for one, alone in ((first, first_alone), (second, second_alone)) * 2:
        for each in (one, alone):
            fit(each, mse(), sgd(lr=0.1), train=(X, GRAD), epochs=2)
        assert torch.equal(one.flat.data, alone.flat.data)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301
def test_copies_have_their_own(copied):
    act = relu()
    first = network(act)
    second = network(act)
    other = copied(first)
    first(X)
    other(X)
    first.backward(GRAD)
    assert not other.shared
    assert second.shared


@pytest.mark.parametrize(("make", "name"), [(lambda: batch_norm(4, affine=False), "running_mean"), (dropout, "random")])
def test_one_with_values_is_not_built_twice_while_the_first_network_lives(make, name):
    module = make()
    first = network(module)
    first(X)
    before = copy.deepcopy((first.state_dict(), first.random_state()))
    with pytest.raises(ChainruleError, match=f"must not be built twice, got one whose {name} another network has"):
        network(module)
    assert_close((first.state_dict(), first.random_state()), before, rtol=0, atol=0)
    del first
    network(module)
