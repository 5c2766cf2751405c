import copy
import pickle

import pytest
import torch

from chainrule import (
    BackwardError,
    Buffer,
    ChainruleError,
    Module,
    Network,
    Parameter,
    StateError,
    fit,
    hookimpl,
    training_step,
)
from chainrule.activations import relu, tanh
from chainrule.initializers import zeros
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, cautious, ema, sgd

X, Y = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))
COPIES = [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))]  # noqa: S301  # its own bytes


def trained(**settings):
    network = sequential(linear(3, 8), tanh(), linear(8, 3)).build(**settings)
    fit(network, mse(), adam(lr=0.01), train=(X, Y), epochs=2)
    return network


@pytest.mark.parametrize("settings", [{"seed": 3}, {"seeds": [3, 4]}], ids=str)
@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copied_network_goes_on_alike_and_by_itself(duplicate, settings):
    network = trained(**settings)
    other = duplicate(network)
    assert (other.seeds, other.is_ensemble, other.dtype) == (network.seeds, network.is_ensemble, network.dtype)
    assert torch.equal(other.flat.grad, network.flat.grad)
    before = network.flat.data.clone()
    fit(other, mse(), adam(lr=0.01), train=(X, Y), epochs=2)
    assert torch.equal(network.flat.data, before)
    fit(network, mse(), adam(lr=0.01), train=(X, Y), epochs=2)
    assert torch.equal(network.flat.data, other.flat.data)
    assert all(p.data.untyped_storage().data_ptr() == other.flat.data.data_ptr() for p in other.parameters())


@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copy_holds_nothing_kept_for_backward(duplicate):
    network = trained()
    network(torch.zeros(1000, 3))
    assert not any("_saved" in vars(module) for module in duplicate(network).module.modules)
    assert len(pickle.dumps(network)) < 8_000


def test_a_lone_module_copies_only_its_own_parameters():
    network = sequential(linear(3, 2), linear(2, 1000)).build()
    for duplicate in COPIES:
        first = duplicate(network.module.modules[0])
        assert first.weight.data.untyped_storage().nbytes() == 6 * 4
        assert first.bias.grad.untyped_storage().nbytes() == 2 * 4
        assert torch.equal(first.forward(X[None]), network.module.modules[0].forward(X[None]))
        first.weight.data.zero_()
    assert network.module.modules[0].weight.data.any()


def test_an_unbuilt_module_can_be_copied_and_then_built():
    module = linear(3, 2)
    copied = copy.deepcopy(module).build(seed=1)
    assert torch.equal(copied.flat.data, module.build(seed=1).flat.data)


class Tied(linear):
    """A linear layer that uses another's parameter."""

    def __init__(self, other):
        super().__init__(3, 3, bias=False)
        self.weight = other.weight


def tied():
    first = linear(3, 3, bias=False)
    return sequential(first, tanh(), Tied(first))


def test_shared_weights_are_one_entry_whose_gradients_add_up():
    network = tied().build(dtype=torch.float64)
    assert list(network.state_dict()) == ["0.weight"]
    x = X.double()
    network.backward(2 * network(x))
    weight = network.state_dict()["0.weight"].requires_grad_()
    expected = torch.autograd.grad(((x @ weight.T).tanh() @ weight.T).square().sum(), weight)[0]
    torch.testing.assert_close(network.parameters()[0].grad[0], expected)


@pytest.mark.parametrize("duplicate", COPIES)
def test_weights_are_still_shared_in_a_copy(duplicate):
    network = duplicate(tied().build())
    first, _, last = network.module.modules
    assert first.weight is last.weight
    assert network.flat.data.numel() == 9


def test_an_updater_moves_shared_weights_once():
    network = tied().build()
    before = network.flat.data.clone()
    updater = adam(lr=0.125, eps=0.0).attach(network)
    network.flat.grad.fill_(1)
    updater.step()
    assert torch.equal(network.flat.data, before - 0.125)


@pytest.mark.parametrize("sizes", [(3, 0), (5, -1), (2.5, 4)])
def test_a_parameter_needs_positive_sizes(sizes):
    with pytest.raises(ValueError, match=r"^Parameter: every size must be an integer of at least 1, got "):
        Parameter(*sizes, init=zeros(), fan_in=3, fan_out=1)


def test_a_parameter_remembers_its_fans_for_its_initializer():
    parameter = Parameter(4, 3, 2, init=zeros(), fan_in=6, fan_out=8)
    assert (parameter.shape, parameter.fan_in, parameter.fan_out) == ((4, 3, 2), 6, 8)


def test_a_parameter_has_no_tensors_before_it_is_built():
    for name in ("data", "grad"):
        with pytest.raises(ChainruleError, match=rf"^Parameter\(3\): {name} needs a built module\."):
            getattr(Parameter(3, init=zeros(), fan_in=3, fan_out=1), name)


def test_a_shallow_copy_of_a_network_takes_nothing_from_it():
    network = linear(2, 1).build(seed=0)
    updater = sgd(lr=0.1).attach(network)
    other = copy.copy(network)
    network.flat.grad.fill_(1.0)
    before = network.state_dict()
    updater.step()
    for name, values in network.state_dict().items():
        assert torch.equal(values, before[name] - 0.1)
        assert torch.equal(other.state_dict()[name], before[name])


@pytest.mark.parametrize("of", ["step", "updater"])
def test_a_shallow_copy_of_a_step_or_its_updater_trains_no_network_but_its_own(of):
    network = linear(3, 3).build(seed=0)
    step = training_step(network, mse(), sgd(lr=0.1, momentum=0.9))
    step(X, Y)
    before = network.state_dict()
    if of == "step":
        other = copy.copy(step)
        other(X, Y)
        updater = other.updater
    else:
        updater = copy.copy(step.updater)
        updater.network.flat.grad.fill_(1.0)
        updater.step()
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not torch.equal(updater.network.flat.data, network.flat.data)
    assert (updater.t, step.updater.t) == (2, 1)


def by_protocol(original):
    """Return a copy as libraries make it that know no more than the copy protocol."""
    other = type(original).__new__(type(original))
    other.__setstate__(original.__getstate__())
    return other


@pytest.mark.parametrize("duplicate", [copy.copy, by_protocol])
def test_a_network_trains_on_after_it_was_copied(duplicate):
    network, other = trained(), trained()
    updater, expected = (adam(lr=0.01).attach(one) for one in (network, other))
    for one in (updater, expected):
        one.network.flat.grad.fill_(1.0)
        one.step()
    copied = duplicate(network)
    before = copied.state_dict()
    for one in (updater, expected):
        one.step()
    assert all(torch.equal(values, other.state_dict()[name]) for name, values in network.state_dict().items())
    assert all(torch.equal(values, before[name]) for name, values in copied.state_dict().items())


@pytest.mark.parametrize("part", [lambda network: network, lambda network: network.parameters()[0]])
def test_the_state_of_a_built_object_is_not_replaced(part):
    owner = part(trained())
    with pytest.raises(ChainruleError, match=r"__setstate__ must be called on a new object, got a built "):
        owner.__setstate__(owner.__getstate__())


def test_a_shallow_copy_of_a_module_shares_no_values():
    class Counting(linear):
        def __init__(self):
            super().__init__(3, 3)
            self.rows = Buffer(1)

    network = Counting().build()
    module = network.module
    other = copy.copy(module)
    for mine, theirs in [
        (module.weight, other.weight),
        (module.rows, other.rows),
        (module.weight, copy.copy(module.weight)),
        (module.rows, copy.copy(module.rows)),
    ]:
        assert mine.data.data_ptr() != theirs.data.data_ptr()


def test_a_deep_copy_of_ones_own_may_begin_with_a_shallow_one():
    class Noted(linear):
        def __deepcopy__(self, memo):
            other = copy.copy(self)
            other.note = "copied"
            return other

    network = Noted(3, 2).build()
    assert copy.deepcopy(network).module.note == "copied"
    assert torch.equal(copy.deepcopy(network)(X), network(X))


def test_layers_from_shallow_copies_are_trained_apart():
    block = linear(3, 3)
    assert sequential(block, copy.copy(block)).build().flat.data.numel() == 2 * 12


def test_a_state_of_views_of_the_own_parameters_is_loaded_as_it_was():
    network = sequential(linear(3, 3, bias=False), linear(3, 3, bias=False)).build()
    first, last = network.state_dict().values()
    views = [parameter.data[0] for parameter in network.parameters()]
    network.load_state_dict({"0.weight": views[1], "1.weight": views[0]})
    assert torch.equal(network.state_dict()["0.weight"], last)
    assert torch.equal(network.state_dict()["1.weight"], first)


def test_settings_keep_their_values_when_the_tensors_they_were_given_change():
    lr, beta = torch.tensor([0.1, 0.2]), torch.tensor([0.8, 0.9])
    rule = adam(lr=lr, betas=(beta, 0.999))
    lr.zero_(), beta.zero_()
    assert rule == adam(lr=torch.tensor([0.1, 0.2]), betas=(torch.tensor([0.8, 0.9]), 0.999))


def test_the_trained_parameters_of_a_loaded_state_are_copied():
    network = trained()
    updater = ema(inner=sgd(lr=0.1)).attach(network)
    updater.step()
    updater.show_evaluation_parameters()
    saved = updater.state_dict()
    expected = saved["trained"].clone()
    updater.load_state_dict(saved)
    saved["trained"].zero_()
    updater.show_trained_parameters()
    assert torch.equal(network.flat.data, expected)


class Two(Module):
    """Two parts, of which one stands in a list."""

    def __init__(self):
        self.first, self.rest = linear(3, 3), [tanh()]

    def forward(self, x):
        return self.rest[0].forward(self.first.forward(x))

    def backward(self, grad_output):
        return self.first.backward(self.rest[0].backward(grad_output))


@pytest.mark.parametrize("use", [Network.eval, Network.state_dict, adam().attach], ids=["eval", "state_dict", "attach"])
def test_a_parameter_that_takes_anothers_place_after_build_is_refused(use):
    network = Two().build()
    network.module.first = Two().build().module.first
    for _ in range(2):
        with pytest.raises(StateError, match=r"must stay those that were built, got another first\.weight\."):
            use(network)


def test_an_activation_that_takes_anothers_place_after_build_follows_the_mode():
    network = Two().build()
    network.module.rest = [relu()]
    assert not network.eval().module.rest[0].training
    network.module.rest[0] = tanh()
    network.state_dict()
    assert network.train().module.rest[0].training
    network.eval()
    assert not network.module.rest[0].training


def test_a_member_knows_nothing_of_the_calls_of_its_ensemble():
    network = linear(3, 2).build(seeds=[0, 1])
    network(X)
    with pytest.raises(BackwardError, match="backward called without a forward in train mode"):
        network.member(0).backward(torch.ones(20, 2))


def test_first_values_of_a_buffer_do_not_change_with_the_tensor_they_were_given_as():
    class Shifted(Module):
        def __init__(self, by):
            self.by = Buffer(*by.shape, init=by)

        def forward(self, x):
            return x + self.by.data.unsqueeze(1)

        def backward(self, grad_output):
            return grad_output

    by = torch.ones(3)
    module = Shifted(by)
    by.zero_()
    assert torch.equal(module.build()(X), X + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", [sgd, lambda lr: cautious(inner=sgd(lr=lr))], ids=["over slices", "per parameter"])
def test_an_attached_rule_does_not_change_with_the_tensors_of_its_settings(rule, dtype):
    rule = rule(lr=torch.tensor([0.5, 0.25], dtype=torch.float64))
    network = linear(1, 1).build(seeds=[0, 1], dtype=dtype)
    updater = rule.attach(network)
    rule.lr.zero_()
    before = network.flat.data.clone()
    network.flat.grad.fill_(1.0)
    updater.step()
    torch.testing.assert_close(before - network.flat.data, torch.tensor([0.5, 0.25, 0.5, 0.25], dtype=dtype))


def test_rules_are_exchanged_by_attaching_others_alone():
    updater = sgd().attach(linear(3, 2).build())
    with pytest.raises(TypeError):
        updater.groups["*"] = adam()
    with pytest.raises(AttributeError):
        updater.groups = {"*": adam()}


class Snapshots:
    def __init__(self):
        self.histories = []

    @hookimpl
    def chainrule_epoch_end(self, run, metrics):
        self.histories.append(copy.copy(run.history))
        for value in metrics.values():
            value.zero_()
        metrics.clear()


def test_what_one_callback_does_with_a_copy_or_the_metrics_stays_its_own():
    first, second = Snapshots(), Snapshots()
    seen = []

    class Sees:
        @hookimpl
        def chainrule_epoch_end(self, metrics):
            seen.append(metrics["train_loss"])

    history = fit(linear(3, 3).build(), mse(), sgd(), train=(X, Y), epochs=3, callbacks=[first, second, Sees()])
    assert [one.epochs for one in first.histories] == [1, 2, 3]
    assert torch.equal(torch.stack(seen), history["train_loss"])
    assert history["train_loss"].all()


def test_what_is_read_of_a_network_and_its_updater_is_no_part_of_them():
    network = linear(3, 2).build(seeds=[0, 1])
    updater = sgd(lr=torch.tensor([0.5, 0.25])).attach(network)
    network.seeds.append(7)
    assert (network.members, network.seeds) == (2, [0, 1])
    updater.rates["*"].zero_()
    assert updater.rates["*"].tolist() == [0.5, 0.25]
    before = network.flat.data.clone()
    network.flat.grad.fill_(1.0)
    updater.step()
    assert ((before - network.flat.data).view(-1) > 0.2).all()


def test_the_stopped_members_are_those_of_stop_alone():
    kept = []

    class Meddles:
        @hookimpl
        def chainrule_fit_start(self, run):
            run.stop(members=[1])

        @hookimpl
        def chainrule_step_end(self, run):
            run.stopped_members.clear()
            kept.append(run.network.member(1).flat.data)

    network = linear(3, 1).build(seeds=[0, 1])
    before = network.member(1).flat.data
    fit(network, mse(), sgd(lr=0.1), train=(X, X[:, :1]), batch_size=10, callbacks=[Meddles()])
    assert [torch.equal(values, before) for values in kept] == [True, True]
