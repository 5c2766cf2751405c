import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError, Optimizer, ShapeError, fit, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Halved(Optimizer):
    elementwise = False

    def update(self, parameter, grad, state, step):
        return grad / 2


class Nothing(sgd):
    def update(self, parameter, grad, state, step):
        return torch.zeros_like(grad)


def build():
    return sequential(linear(3, 4), tanh(), linear(4, 3)).build(seed=2, dtype=torch.float64)


def one_step(optimizer):
    network, loss = build(), mse()
    before = network.state_dict()
    loss(network(X), Y)
    network.backward(loss.backward())
    optimizer.attach(network).step()
    return {name: values - before[name] for name, values in network.state_dict().items()}


@pytest.mark.parametrize("other", [adam(), Halved(lr=0.3), sgd(lr=0.5)], ids=repr)
@pytest.mark.parametrize("pattern", ["*.bias", "0.*", "2.weight", "[02].weight", "?.bias"])
def test_each_parameter_moves_as_by_the_rule_of_its_pattern_alone(pattern, other):
    rule = sgd(lr=0.1)
    found = one_step(param_groups({pattern: rule, "*": other}))
    ours, theirs = one_step(rule), one_step(other)
    fits = {
        "*.bias": {"0.bias", "2.bias"},
        "0.*": {"0.weight", "0.bias"},
        "2.weight": {"2.weight"},
        "[02].weight": {"0.weight", "2.weight"},
        "?.bias": {"0.bias", "2.bias"},
    }[pattern]
    for name, moved in found.items():
        assert torch.equal(moved, (ours if name in fits else theirs)[name])


def test_groups_train_as_separate_optimizers_of_torch_do():
    network = build()
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)).double()
    theirs.load_state_dict(network.state_dict())
    rule = param_groups({"*.bias": sgd(lr=0.1, momentum=0.5), "*": adam(lr=0.01)})
    fit(network, mse(), rule, train=[(X, Y)], epochs=50)
    biases, weights = ([p for name, p in theirs.named_parameters() if name.endswith(end)] for end in ("bias", "weight"))
    optimizers = torch.optim.SGD(biases, lr=0.1, momentum=0.5), torch.optim.Adam(weights, lr=0.01)
    for _ in range(50):
        theirs.zero_grad()
        torch.nn.functional.mse_loss(theirs(X), Y).backward()
        for optimizer in optimizers:
            optimizer.step()
    assert_close(network.state_dict(), dict(theirs.state_dict()), rtol=1e-10, atol=1e-10)


def test_the_first_pattern_that_fits_counts():
    moved = one_step(param_groups({"*.bias": Nothing(), "0.*": sgd(lr=1.0), "*": Nothing()}))
    assert {name for name, values in moved.items() if values.any()} == {"0.weight"}


def test_a_star_that_nothing_is_left_for_is_allowed():
    moved = one_step(param_groups({"0.*": sgd(), "2.*": sgd(), "*": Nothing()}))
    assert all(values.any() for values in moved.values())


def test_a_state_is_kept_for_every_group():
    network = build()
    state = param_groups({"*.bias": sgd(momentum=0.5), "*": adam()}).attach(network).state_dict()["state"]
    assert {name: sorted(entries) for name, entries in state.items()} == {
        "0.weight": ["m", "v"],
        "0.bias": ["b"],
        "2.weight": ["m", "v"],
        "2.bias": ["b"],
    }


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["*.bias"], 'no pattern in [\'*.bias\'] matches the parameter "0.weight". Add "*".'),
        ([], 'no pattern in [] matches the parameter "0.weight". Add "*".'),
        (["*", "2.bias"], 'no parameter matches the pattern "2.bias", among'),
        (["1.*", "*"], "no parameter matches the pattern \"1.*\", among ['0.weight', '0.bias',"),
        (["*.Bias", "*"], 'no parameter matches the pattern "*.Bias", among'),
    ],
)
def test_parameters_and_patterns_must_fit_each_other(patterns, message):
    with pytest.raises(ChainruleError) as caught:
        param_groups({pattern: sgd() for pattern in patterns}).attach(build())
    assert str(caught.value).startswith(f"param_groups: {message}")


class MatrixRule(Optimizer):
    ranks = (2,)

    def update(self, parameter, grad, state, step):
        return grad


def test_a_rule_for_matrices_refuses_a_vector_outside_its_group():
    network = linear(3, 2).build()
    with pytest.raises(ShapeError) as caught:
        MatrixRule().attach(network)
    expected = "matrix_rule: a parameter must have rank 2, got shape (2,). Give it another rule with param_groups."
    assert str(caught.value) == expected
    param_groups({"bias": sgd(), "*": MatrixRule()}).attach(network).step()
