import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError, Module, Optimizer, Parameter, ShapeError, fit, param_groups
from chainrule.activations import tanh
from chainrule.initializers import zeros
from chainrule.layers import layer_norm, linear, positional_embedding, sequential
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
        (["*", "1.bias"], 'no parameter matches the pattern "1.bias", among'),
        (["1.*", "*"], "no parameter matches the pattern \"1.*\", among ['0.weight', '0.bias',"),
        (["*.Bias", "*"], 'no parameter matches the pattern "*.Bias", among'),
        (["*", "*.bias"], 'all that "*.bias" matches is taken by "*" before it. Put "*.bias" first, or remove it.'),
        (["0.*", "2.*", "vectors"], 'all that "vectors" matches is taken by "0.*", "2.*" before it.'),
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


class Table(linear):
    """A layer whose matrix is looked up in, by integers."""

    integer_inputs = True


class LayerNorm(linear):
    pass


class Held(Module):
    """Layers of several kinds, of which only the parameters matter."""

    def __init__(self):
        self.table, self.hidden, self.norm = Table(3, 4, bias=False), linear(4, 4), LayerNorm(1, 4)
        self.gain = Parameter(init=zeros(), fan_in=1, fan_out=1)
        self.kernel = Parameter(4, 4, 3, init=zeros(), fan_in=12, fan_out=12)

    def forward(self, x):
        return x

    def backward(self, grad_output):
        return grad_output


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("matrices", {"hidden.weight", "norm.weight"}),
        ("weights", {"hidden.weight", "norm.weight", "kernel"}),
        ("vectors", {"hidden.bias", "norm.bias", "gain"}),
        ("layer:layer_norm", {"norm.weight", "norm.bias"}),
        ("layer:*norm", {"norm.weight", "norm.bias"}),
        ("layer:table", {"table.weight"}),
        ("layer:held", {"gain", "kernel"}),
        ("hidden.*", {"hidden.weight", "hidden.bias"}),
    ],
)
def test_groups_by_rank_and_by_kind_of_layer(key, names):
    network = Held().build()
    before = network.state_dict()
    network.flat.grad.fill_(1.0)
    param_groups({key: sgd(lr=1.0), "*": Nothing()}).attach(network).step()
    assert {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])} == names


@pytest.mark.parametrize("key", ["matrices", "weights"])
def test_tables_of_positions_and_scales_of_norms_are_no_matrices(key):
    class Rank2(Held):
        def __init__(self):
            self.positions, self.norm, self.single = positional_embedding(3, 4), layer_norm((2, 4)), linear(1, 1)

    network = Rank2().build()
    before = network.state_dict()
    network.flat.grad.fill_(1.0)
    param_groups({key: sgd(lr=1.0), "*": Nothing()}).attach(network).step()
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["single.weight"]


def test_no_decay_on_biases_and_norms_is_one_line():
    network = Held().build(dtype=torch.float64)
    network.flat.data.fill_(1.0)
    decayed = {"vectors": sgd(lr=0.1), "layer:*norm": sgd(lr=0.1), "*": sgd(lr=0.1, weight_decay=0.5)}
    param_groups(decayed).attach(network).step()
    for name, value in network.state_dict().items():
        free = name in ("gain", "hidden.bias") or name.startswith("norm")
        assert_close(value, torch.full_like(value, 1.0 if free else 0.95))


def test_a_selector_that_selects_nothing_is_refused():
    with pytest.raises(ChainruleError, match='no parameter matches the pattern "layer:batch_norm"'):
        param_groups({"layer:batch_norm": sgd(), "*": sgd()}).attach(build())
    with pytest.raises(ChainruleError, match='no parameter matches the pattern "matrix"'):
        param_groups({"matrix": sgd(), "*": sgd()}).attach(build())
    with pytest.raises(ChainruleError, match=r'"lin\*", among .*\. Write "layer:lin\*" for a kind of layer\.'):
        param_groups({"lin*": sgd(), "*": sgd()}).attach(build())


def test_frozen_parameters_need_no_group_of_their_own():
    network = build().freeze("*.weight")
    updater = param_groups({"*.weight": adam(), "*": sgd(lr=1.0)}).attach(network)
    network.flat.grad.fill_(1.0)
    before = network.state_dict()
    updater.step()
    assert [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])] == [
        "0.bias",
        "2.bias",
    ]


def test_groups_show_their_rules():
    groups = param_groups({"*.bias": sgd(lr=0.5), "*": adam()})
    assert repr(groups) == f"param_groups({{'*.bias': {sgd(lr=0.5)!r}, '*': {adam()!r}}})"
