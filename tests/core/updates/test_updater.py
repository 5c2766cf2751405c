import copy

import pytest
import torch
from torch.testing import assert_close

from chainrule import BackwardError, HyperparameterError, Module, Optimizer, Parameter, fit, param_groups, training_step
from chainrule.activations import tanh
from chainrule.errors import FrozenSettingError
from chainrule.initializers import zeros
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, lookahead, sgd
from chainrule.updates import elementwise


class ByParameter(Optimizer):
    elementwise = False

    def update(self, parameter, grad, state, step):
        return grad


def after_three_steps(rule, network):
    updater = rule.attach(network)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        network.flat.grad.normal_(generator=generator)
        updater.step()
    return network.flat.data


@pytest.mark.parametrize("elements", [2**17 - 1, 2**17 + 3, 2**18])
def test_slices_give_what_one_pass_gives_to_the_bit(elements, monkeypatch):
    rule = adam()
    sliced = after_three_steps(rule, linear(elements, 1, bias=False).build())
    monkeypatch.setattr(elementwise, "SLICE", 2**30)
    assert torch.equal(sliced, after_three_steps(rule, linear(elements, 1, bias=False).build()))


def test_members_keep_their_learning_rates_across_slices():
    network = linear(50_000, 1).build(seeds=[0, 1, 2, 3])
    before = network.state_dict()
    rates = torch.tensor([0.0, 0.5, 1.0, 2.0])
    updater = sgd(lr=rates).attach(network)
    network.flat.grad.fill_(1)
    updater.step()
    for name, values in network.state_dict().items():
        assert torch.equal(values, before[name] - rates.view(4, *[1] * (values.dim() - 1)))


@pytest.mark.parametrize("cls", [sgd, ByParameter])
@pytest.mark.parametrize("lr", [0.5, torch.tensor([0.5, 0.25])], ids=["number", "tensor"])
def test_a_schedule_counts_from_one_and_sets_the_very_step(cls, lr):
    network, asked = linear(3, 2).build(seeds=[0, 1]), []
    updater = cls(lr=lr, schedule=lambda t: asked.append(t) or [None, 1.0, 0.0, 4.0][t]).attach(network)
    expected = network.module.weight.data.double()
    for factor in (1.0, 0.0, 4.0):
        network.flat.grad.fill_(1)
        updater.step()
        expected = expected - factor * torch.as_tensor(lr).expand(2).view(2, 1, 1)
        assert_close(network.module.weight.data.double(), expected)
    assert asked == [1, 2, 3]
    assert updater.t == 3


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("max_norm", [0.5, 2.0])
def test_clipping_equals_torch_for_each_member(size, max_norm):
    network = sequential(linear(4, 3), tanh(), linear(3, 2)).build(seeds=[0, 1, 2], dtype=torch.float64)
    network.flat.grad.copy_(size * torch.randn(len(network.flat.grad), generator=torch.manual_seed(0)))
    network.parameters()[0].grad[1] *= 30  # the members' norms differ
    expected = []
    for i in range(3):
        leaves = [torch.nn.Parameter(parameter.data[i].clone()) for parameter in network.parameters()]
        for leaf, parameter in zip(leaves, network.parameters(), strict=True):
            leaf.grad = parameter.grad[i].clone()
        torch.nn.utils.clip_grad_norm_(leaves, max_norm)
        expected.append([leaf.grad for leaf in leaves])
    sgd().attach(network, clip_norm=max_norm).step()
    found = [[parameter.grad[i] for parameter in network.parameters()] for i in range(3)]
    assert_close(found, expected, rtol=3e-6, atol=1e-12)  # torch adds 1e-6 to the norm


class Shift(Module):
    def __init__(self):
        self.shift = Parameter(init=zeros(), fan_in=1, fan_out=1)

    def forward(self, x):
        return x + self.shift.data.view(-1, 1, 1)

    def backward(self, grad_output):
        self.shift.grad.add_(grad_output.sum((1, 2)))


def test_a_parameter_that_is_one_number_is_clipped_too():
    network = Shift().build(seeds=[0, 1], dtype=torch.float64)
    network.flat.grad.copy_(torch.tensor([3.0, -0.25]))
    sgd().attach(network, clip_norm=0.5).step()
    assert_close(network.flat.grad, torch.tensor([0.5, -0.25], dtype=torch.float64))


@pytest.mark.parametrize(("dtype", "exponent"), [(torch.float32, 90), (torch.float64, 600)])
def test_a_gradient_whose_squares_overflow_is_clipped_like_any_other(dtype, exponent):
    ends = []
    for scale in (1.0, 2.0**exponent):
        network = linear(2, 3).build(seeds=[0, 1], dtype=dtype)
        network.flat.grad.copy_(torch.arange(1, 19))
        for parameter in network.parameters():
            parameter.grad[1] *= scale  # of one member
        sgd(lr=1.0).attach(network, clip_norm=0.5).step()
        ends.append(network.flat.data)
    assert torch.equal(*ends)


@pytest.mark.parametrize("compile", [False, True])
def test_a_fit_whose_gradient_overflows_goes_on_clipped(compile):
    network = linear(2, 1).build(seed=0)
    before = network.flat.data.clone()
    x = torch.ones(4, 2)
    fit(network, mse(), sgd(lr=1.0), train=(x, x[:, :1] * 1e19), clip_norm=0.5, batch_size=4, compile=compile)
    assert_close(torch.linalg.vector_norm(network.flat.data - before), torch.tensor(0.5))


@pytest.mark.parametrize("broken", [torch.inf, torch.nan])
def test_a_gradient_that_is_no_number_is_not_hidden_by_clipping(broken):
    network = linear(2, 1).build(seeds=[0, 1])
    network.parameters()[0].grad[1, 0, 0] = broken
    sgd(lr=1.0).attach(network, clip_norm=0.5).step()
    assert network.state_dict()["weight"][1].isnan().any()
    assert network.state_dict()["weight"][0].isfinite().all()


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_where_everything_is_frozen_nothing_is_clipped(seeds):
    network = linear(2, 1).build(seeds=seeds).freeze("*")
    before = network.flat.data.clone()
    training_step(network, mse(), sgd(), clip_norm=1.0)(torch.ones(4, 2), torch.ones(4, 1))
    assert torch.equal(network.flat.data, before)


@pytest.mark.parametrize("clip_norm", [0, -1.0, float("nan")])
def test_a_norm_to_clip_to_must_be_positive(clip_norm):
    with pytest.raises(HyperparameterError, match=rf"^attach: clip_norm must be a number above 0, got {clip_norm}\."):
        adam().attach(linear(2, 1).build(), clip_norm=clip_norm)


@pytest.mark.parametrize(("seeds", "count"), [(None, 2), ([0, 1, 2], 2), ([0], 3)])
def test_per_member_values_must_be_one_for_each_member(seeds, count):
    network = linear(2, 1).build() if seeds is None else linear(2, 1).build(seeds=seeds)
    with pytest.raises(HyperparameterError) as caught:
        adam(lr=torch.ones(count)).attach(network)
    assert str(caught.value) == (
        f"adam: lr must be a number or one value for each of {network.members} members, got {count}. "
        "Build the network with as many seeds."
    )


@pytest.mark.parametrize("cls", [adam, ByParameter])
def test_a_rule_that_is_attached_stays_free_of_state(cls):
    rule, networks = cls(lr=0.1), [linear(3, 2).build(), linear(3, 2).build()]
    first, second = (after_three_steps(rule, network) for network in networks)
    assert torch.equal(first, second)
    assert rule == cls(lr=0.1)


@pytest.mark.parametrize("cls", [sgd, ByParameter])
def test_a_step_leaves_the_gradient_as_it_is(cls):
    network = linear(3, 2).build()
    network.flat.grad.fill_(0.5)
    cls().attach(network).step()
    assert (network.flat.grad == 0.5).all()


def test_the_rates_are_those_of_the_last_step_by_group():
    network = linear(3, 3).build(seeds=[0, 1])
    rules = {"bias": sgd(lr=torch.tensor([1.0, 2.0]), schedule=lambda t: 1 / t), "*": lookahead(inner=sgd(lr=0.5))}
    updater = param_groups(rules).attach(network)
    rates = updater.rates
    assert rates["*"] == 0.5
    assert rates["bias"].tolist() == [1.0, 2.0]
    for _ in range(4):
        updater.step()
    assert updater.rates["bias"].tolist() == [0.25, 0.5]
    updater.set_lr(0.25, group="*")
    assert updater.rates["*"] == 0.25


def test_rates_are_set_by_set_lr_alone():
    updater = sgd(lr=0.5).attach(linear(3, 3).build())
    with pytest.raises(
        FrozenSettingError,
        match=r'^updater: rates\["\*"\] must not be assigned, got 0\.1\. Write updater\.set_lr\(…, "\*"\)\.$',
    ):
        updater.rates["*"] = 0.1
    with pytest.raises(FrozenSettingError, match=r"Write updater\.set_lr\(…\)\.$"):
        updater.rates.update({"*": 0.1})
    with pytest.raises(FrozenSettingError, match=r"Write updater\.set_lr\(…\)\.$"):
        updater.rates = {"*": 0.1}
    assert updater.rates == {"*": 0.5}


def test_rates_are_saved_as_a_plain_dict_is(tmp_path):
    rates = sgd(lr=[0.5, 0.25]).attach(linear(3, 3).build(seeds=[0, 1])).rates
    torch.save(rates, tmp_path / "rates.pt")
    for copied in (torch.load(tmp_path / "rates.pt"), copy.deepcopy(rates)):
        assert copied["*"].tolist() == [0.5, 0.25]


def test_a_group_that_is_frozen_has_a_rate_too():
    network = sequential(linear(3, 3), linear(3, 3)).build().freeze("0.*")
    updater = param_groups({"0.*": sgd(lr=0.5, schedule=lambda t: 1 / t), "*": sgd(lr=0.25)}).attach(network)
    for _ in range(2):
        updater.step()
    assert updater.rates == {"0.*": 0.25, "*": 0.25}
    updater.set_lr(1.0, group="0.*")
    assert updater.rates == {"0.*": 0.5, "*": 0.25}


def test_a_step_needs_no_gradient_but_a_backward_where_the_network_was_called():
    network, x = linear(2, 1).build(), torch.ones(3, 2)
    updater = sgd().attach(network)
    network(x)
    network.backward(torch.zeros(3, 1))  # as of a hinge loss that has reached 0
    network(x)  # for the accuracy
    updater.step()
    for forget in (lambda: None, network.zero_grad):
        forget()
        network(x)
        with pytest.raises(BackwardError, match="step must follow a backward, got a call of the network and no grad"):
            updater.step()
