"""A part that torch would forgive at the first pass is named: a gradient unlike its input, or a change in place."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from chainrule import BackwardError, ContractError, Loss, Module, evaluate, fit, training_step
from chainrule.activations import tanh
from chainrule.base.saved_tensors import content
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd
from chainrule.watched_pass import watched

X, Y = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Passes(Module):
    def __init__(self, change):
        self.change = change

    def forward(self, x):
        return x + 0

    def backward(self, grad_output):
        return self.change(grad_output)


WRONG = {
    "an axis of one": (lambda grad: grad.sum(-1, keepdim=True), r"\(1, 8, 3\) torch.float64, got \(1, 8, 1\)"),
    "rows in one": (lambda grad: grad.sum(1, keepdim=True), r"\(1, 8, 3\) torch.float64, got \(1, 1, 3\)"),
    "another dtype": (lambda grad: grad.float(), r"got \(1, 8, 3\) torch.float32"),
    "a number": (lambda _: 1.0, r"got 1\.0"),
    "two": (lambda grad: (grad, 0), r"got a tuple of 2\. Return it alone, and add to the grad of each parameter"),
}


def by_hand(network):
    loss = mse()
    loss(network(X), Y)
    network.backward(loss.backward())


def by_step(network):
    training_step(network, mse(), sgd())(X, Y)


def by_fit(network):
    fit(network, mse(), sgd(), train=(X, Y), epochs=1)


def by_compiled_fit(network):
    fit(network, mse(), sgd(), train=(X, Y), epochs=1, compile=True)


TRAINING = [by_hand, by_step, by_fit, by_compiled_fit]


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("run", TRAINING)
@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_it_is_named_with_both_shapes(change, message, run):
    network = sequential(linear(3, 3), tanh(), Passes(change), linear(3, 3)).build(dtype=torch.float64)
    before = network.flat.data.clone()
    with pytest.raises(ContractError, match=rf"^passes: backward must return dL/dx as its x .*{message}"):
        run(network)
    assert torch.equal(network.flat.data, before)
    assert not {"forward", "backward"} & vars(network.modules()[3]).keys()


@pytest.mark.parametrize("change", [lambda grad: grad, lambda grad: grad.mT.contiguous().mT])
def test_a_right_one_passes_and_is_left_as_it_was(change):
    step = training_step(sequential(linear(3, 3), Passes(change)).build(dtype=torch.float64), mse(), sgd())
    step(X, Y)
    assert not {"forward", "backward"} & vars(step.network.modules()[2]).keys()


def test_what_the_first_layer_returns_is_not_needed():
    layers = sequential(Passes(lambda grad: grad[:, :1]), linear(3, 3))
    step = training_step(layers.build(dtype=torch.float64), mse(), sgd())
    assert step(X, Y) > 0


@pytest.mark.parametrize("run", [by_hand, by_fit])
def test_the_first_layer_returns_no_gradients_of_parameters(run):
    network = sequential(Passes(lambda grad: (grad, 0)), linear(3, 3)).build(dtype=torch.float64)
    with pytest.raises(ContractError, match=r"^passes: backward must return dL/dx .*got a tuple of 2"):
        run(network)


def test_by_hand_the_first_backward_is_held_to_its_call_and_no_later_one():
    network = sequential(linear(3, 3), tanh(), Passes(lambda grad: grad[:, :1])).build(dtype=torch.float64)
    network(X)  # for its shape
    with pytest.raises(ContractError, match=r"^passes: backward must"):
        by_hand(network)
    network = sequential(linear(3, 3), Passes(lambda grad: grad)).build(dtype=torch.float64)
    by_hand(network)
    network(X)
    assert network._watched_forms is None


class Pair(Module):
    """Call what is inside with other arguments than one tensor, for more than one result."""

    def __init__(self):
        self.inner = Inner()

    def named_children(self):
        return [("inner", self.inner)]

    def forward(self, x):
        self.inner.forward(x[:, :4])
        return self.inner.forward(x, other=(x,))[0]

    def backward(self, grad_output):
        return self.inner.backward(grad_output, 2.0)[0]


class Inner(Module):
    def forward(self, x, other=None):
        return x * 2, other

    def backward(self, grad_output, factor=1.0):
        return factor * grad_output, None


@pytest.mark.parametrize("run", [by_hand, by_step])
def test_a_module_inside_may_have_a_contract_of_its_own(run):
    run(sequential(linear(3, 3), Pair()).build(dtype=torch.float64))


def test_a_call_in_train_mode_keeps_no_inputs_and_in_eval_mode_nothing_is_watched():
    network = sequential(linear(3, 3), tanh()).build(dtype=torch.float64)
    network(X)
    shape = (X[None].shape, X.dtype)
    assert network._watched_forms == {id(one): [shape] for one in network.modules()}
    network.eval()(X)
    assert network._watched_forms is None
    network.train()
    by_step(network)
    network(X)
    assert network._watched_forms is None


def test_calls_in_train_mode_that_no_backward_follows_are_soon_not_watched():
    network = linear(3, 3).build(dtype=torch.float64)
    for _ in range(4):
        network(X)
    assert network._watched_forms is None


class Counts(Module):
    """Count the rows in place, in a tensor that the constructor made."""

    def __init__(self):
        self.count = torch.zeros(())

    def forward(self, x):
        self.count.add_(x.shape[1])
        return x + 0

    def backward(self, grad_output):
        return grad_output


def test_tensors_made_under_inference_mode_are_changed_in_the_first_step_too():
    with torch.inference_mode():
        network = sequential(linear(3, 3), Counts()).build(dtype=torch.float64)
    step = training_step(network, mse(), sgd())
    step(X, Y)
    step(X, Y)
    assert network.modules()[2].count == 16


class Twice(Module):
    """Apply one layer twice, each time with what it saved then."""

    def __init__(self):
        self.layer = linear(3, 3)

    def named_children(self):
        return [("layer", self.layer)]

    def forward(self, x):
        self.kept = []
        for _ in range(2):
            x = self.layer.forward(x)
            if self.training:
                self.kept.append(self.layer.saved_tensors())
        return x

    def backward(self, grad_output):
        self.layer.needs_input_grad = True
        for kept in reversed(self.kept):
            self.layer.save_for_backward(*kept)
            grad_output = self.layer.backward(grad_output)
        return grad_output


class SavesOddTensors(Module):
    def forward(self, x):
        z = torch.complex(x, x)
        self.save_for_backward(z.conj(), x.to(torch.float8_e4m3fn), torch.eye(3).to_sparse())
        return z.real + 0

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output


class Pairs(Module):
    """Pass pairs from one module inside to the next."""

    def __init__(self):
        self.split, self.join = Split(), Join()

    def named_children(self):
        return [("split", self.split), ("join", self.join)]

    def forward(self, x):
        return self.join.forward(self.split.forward(x))

    def backward(self, grad_output):
        return self.split.backward(self.join.backward(grad_output))


class Split(Module):
    def forward(self, x):
        return x * 2, x * 3

    def backward(self, grad_output):
        return 2 * grad_output[0] + 3 * grad_output[1]


class Join(Module):
    def forward(self, x):
        return x[0] + x[1]

    def backward(self, grad_output):
        return grad_output, grad_output


class Recurrent(Module):
    """Call a cell with x alone first, and with its state then."""

    def __init__(self):
        self.cell = Cell()

    def named_children(self):
        return [("cell", self.cell)]

    def forward(self, x):
        return self.cell.forward(x, self.cell.forward(x))

    def backward(self, grad_output):
        dx, dh = self.cell.backward(grad_output)
        return dx + self.cell.backward(dh)[0]


class Cell(Module):
    def forward(self, x, h=None):
        return x + 0 if h is None else x + h

    def backward(self, grad_output):
        return grad_output, grad_output


class AlsoNarrow(Module):
    """Call what is inside with x alone, and with another shape and a factor."""

    def __init__(self):
        self.inner = Factor()

    def named_children(self):
        return [("inner", self.inner)]

    def forward(self, x):
        self.inner.forward(x)
        return x + self.inner.forward(x[..., :1], 2.0)

    def backward(self, grad_output):
        self.inner.needs_input_grad = True
        narrow = self.inner.backward(grad_output.sum(-1, keepdim=True))
        return grad_output + torch.nn.functional.pad(narrow, (0, 2))


class Factor(Module):
    def forward(self, x, factor=1.0):
        return x * factor

    def backward(self, grad_output):
        return 2.0 * grad_output


@pytest.mark.parametrize("run", [by_hand, by_step])
@pytest.mark.parametrize("layer", [AlsoNarrow, Twice, SavesOddTensors, Pairs, Recurrent])
def test_right_layers_of_every_style_are_trained(layer, run):
    run(sequential(linear(3, 3), layer(), linear(3, 3)).build(dtype=torch.float64))


def test_threads_that_call_a_new_network_leave_it_as_it_was():
    network = sequential(*(linear(3, 3) for _ in range(10))).build(dtype=torch.float64)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda rows: network(X[:rows]), [*range(1, 9)] * 5))
    assert not any({"forward", "backward"} & vars(module).keys() for module in network.modules())


def test_another_thread_passes_unwatched_through_what_one_watches():
    network, forms = linear(3, 3).build(dtype=torch.float64), {}
    other = threading.Thread(target=network, args=(X,), daemon=True)
    with watched(network.modules(), X[None], forms):
        other.start()
        other.join(10)
        assert not other.is_alive()
        assert forms == network._watched_forms == {}
    by_hand(network)


def test_the_content_of_a_tensor_without_a_count_shows_every_change():
    with torch.inference_mode():
        for tensor in (X + 0, X > 0, X.masked_fill(X > 1, torch.nan), torch.complex(X, X).conj()):
            before = content(tensor)
            assert content(tensor) == before
            tensor[0] = ~tensor[0] if tensor.dtype == torch.bool else 3
            assert content(tensor) != before


def test_a_copy_made_during_a_watched_pass_is_of_its_own():
    class Teacher(Module):
        def __init__(self):
            self.student = linear(3, 3)

        def named_children(self):
            return [("student", self.student)]

        def forward(self, x):
            self.copies = [copy.deepcopy(self.student)]
            return self.student.forward(x)

        def backward(self, grad_output):
            self.student.needs_input_grad = True
            return self.student.backward(grad_output)

    network = sequential(Teacher()).build(dtype=torch.float64)
    network(X)
    (teacher,) = network.modules()[1].copies
    assert not {"forward", "backward"} & vars(teacher).keys()


class SavesNumber(Module):
    def forward(self, x):
        self.save_for_backward(x, 2.0)
        return x * 2

    def backward(self, grad_output):
        return grad_output * self.saved_tensors()[1]


@pytest.mark.parametrize("run", [by_hand, by_fit])
def test_what_is_saved_and_is_no_tensor_is_named(run):
    network = sequential(linear(3, 3), SavesNumber()).build(dtype=torch.float64)
    with pytest.raises(ContractError) as caught:
        run(network)
    assert str(caught.value) == (
        "saves_number: save_for_backward must be called with tensors, got 2.0. Keep it as an attribute, or compute it "
        "in backward."
    )


class Scales(Module):
    """Scale x in place."""

    def forward(self, x):
        return x.mul_(0.5)

    def backward(self, grad_output):
        return 0.5 * grad_output


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("run", TRAINING)
def test_what_a_layer_saved_is_not_changed_by_the_next_one(run):
    network = sequential(linear(3, 3), tanh(), Scales(), linear(3, 3)).build(dtype=torch.float64)
    before = network.flat.data.clone()
    with pytest.raises(BackwardError, match=r"^tanh: a tensor saved for backward must not change before it"):
        run(network)
    assert torch.equal(network.flat.data, before)


USES = {
    "a call": lambda network, loss, x, y: network(x),
    "a step": lambda network, loss, x, y: training_step(network, loss, sgd())(x, y),
    "a fit": lambda network, loss, x, y: fit(network, loss, sgd(), train=(x, y), epochs=1),
    "an evaluation": lambda network, loss, x, y: evaluate(network, loss, (x, y)),
}


@pytest.mark.parametrize("use", USES)
def test_the_inputs_of_a_network_are_not_changed(use):
    network = sequential(sequential(Scales()), linear(3, 3)).build(dtype=torch.float64)
    with pytest.raises(ContractError) as caught:
        USES[use](network, mse(), X.clone(), Y)
    assert str(caught.value) == (
        "scales: forward must leave the network's x as it is, got it changed in place. "
        "Write operations without the underscore, or change a clone()."
    )


class Subtracts(Loss):
    """The mean of squares, where one of prediction and target becomes the difference."""

    def __init__(self, changed="prediction"):
        super().__init__()
        self.changed = changed

    def forward(self, prediction, target):
        error = prediction.sub_(target) if self.changed == "prediction" else target.sub_(prediction).neg()
        self.save_for_backward(error)
        return error**2

    def gradient(self):
        return 2 * self.saved_tensors()[0]


@pytest.mark.parametrize("use", [*USES][1:])
@pytest.mark.parametrize("changed", ["prediction", "target"])
def test_a_loss_changes_neither_prediction_nor_target(use, changed):
    network = linear(3, 3).build(dtype=torch.float64)
    with pytest.raises(ContractError) as caught:
        USES[use](network, Subtracts(changed), X, Y.clone())
    assert str(caught.value) == (
        f"subtracts: forward must leave prediction and target as they are, got the {changed} changed in place. "
        "Write operations without the underscore, or change a clone()."
    )
