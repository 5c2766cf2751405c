import types

import pytest
import torch
from torch.testing import assert_close

from chainrule import Buffer, ChainruleError, ContractError, Module, Parameter, ShapeError, StateError, label
from chainrule.activations import relu, tanh
from chainrule.base.random_streams import random_stream
from chainrule.initializers import zeros
from chainrule.layers import batch_norm, layer_norm, linear, sequential


def layers():
    return sequential(linear(4, 6), tanh(), sequential(linear(6, 5, bias=False), relu()), linear(5, 3))


class Nested(torch.nn.Sequential):
    """The same network of torch's."""

    def __init__(self):
        inner = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=False), torch.nn.ReLU())
        super().__init__(torch.nn.Linear(4, 6), torch.nn.Tanh(), inner, torch.nn.Linear(5, 3))


def test_states_load_both_ways_between_torch_and_here():
    torch.manual_seed(0)
    theirs, ours, x = Nested(), layers().build(), torch.randn(7, 4)
    ours.load_state_dict(theirs.state_dict())
    assert_close(ours(x), theirs(x).detach())
    other = Nested()
    other.load_state_dict(layers().build(seed=5).state_dict())
    assert_close(layers().build(seed=5)(x), other(x).detach())
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_an_ensembles_state_has_members_in_front():
    names_and_shapes = {name: values.shape for name, values in layers().build(seeds=[0, 1]).state_dict().items()}
    assert names_and_shapes == {name: (2, *values.shape) for name, values in Nested().state_dict().items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("3.bias"), "got a difference in ['3.bias']"),
        (lambda state: state.update(extra=torch.zeros(1)), "got a difference in ['extra']"),
        (lambda state: state.update({"3.bias": torch.zeros(4)}), "3.bias must have shape (3,), got (4,)"),
        (lambda state: state.update({"3.bias": torch.zeros(1, 3)}), "3.bias must have shape (3,), got (1, 3)"),
    ],
)
def test_a_state_that_does_not_fit_raises_and_changes_nothing(change, message):
    network, state = layers().build(seed=0), layers().build(seed=1).state_dict()
    change(state)
    before = network.flat.data.clone()
    with pytest.raises(StateError) as caught:
        network.load_state_dict(state)
    assert message in str(caught.value)
    assert torch.equal(network.flat.data, before)


def test_a_state_is_a_copy():
    network = layers().build()
    state = network.state_dict()
    network.flat.data.zero_()
    assert all(values.any() for values in state.values())


def test_every_parameter_is_a_view_of_the_buffers_with_matrices_first():
    network = layers().build(seeds=[0, 1, 2])
    assert [len(parameter.shape) for parameter in network.flat.parameters] == [2, 2, 2, 1, 1]
    network.flat.data.fill_(3)
    network.flat.grad.fill_(4)
    for parameter in network.parameters():
        assert parameter.data.is_contiguous()
        assert (parameter.data == 3).all()
        assert (parameter.grad == 4).all()
    network.zero_grad()
    assert not any(parameter.grad.any() for parameter in network.parameters())


def test_one_more_layer_leaves_the_first_values_of_the_others():
    small = sequential(linear(4, 6), tanh()).build(seed=3).state_dict()
    large = sequential(linear(4, 6), tanh(), linear(6, 2)).build(seed=3).state_dict()
    assert all(torch.equal(large[name], values) for name, values in small.items())


def test_layers_alike_start_with_different_values():
    state = sequential(linear(4, 4), linear(4, 4)).build().state_dict()
    assert not torch.equal(state["0.weight"], state["1.weight"])
    assert not torch.equal(state["0.bias"], state["0.weight"][0])


def test_float32_values_are_those_of_float64_rounded():
    double, single = layers().build(seed=3, dtype=torch.float64), layers().build(seed=3, dtype=torch.float32)
    assert torch.equal(double.flat.data.float(), single.flat.data)


def test_streams_differ_by_seed_purpose_and_name():
    keys = [(0, "init", "0.weight"), (1, "init", "0.weight"), (0, "batches", "0.weight"), (0, "init", "1.weight")]
    draws = [torch.rand(4, generator=random_stream(*key)) for key in keys]
    assert torch.equal(draws[0], torch.rand(4, generator=random_stream(*keys[0])))
    assert len({tuple(draw.tolist()) for draw in draws}) == 4


def test_a_module_that_was_the_first_gives_the_gradient_of_its_input_elsewhere():
    norm, activation, x = layer_norm(3, elementwise_affine=False), tanh(), torch.eye(3)
    network = sequential(norm, activation, linear(3, 1)).build()
    network.backward(network(x))
    network.module.modules = activation, norm, network.module.modules[2]
    network.backward(network(x))
    assert network.backward(network(x), input_grad=True).shape == x.shape


def test_building_twice_raises():
    module = layers()
    module.build()
    with pytest.raises(ChainruleError, match=r"^sequential: must not be built twice, .* or copy the network\.$"):
        module.build()
    with pytest.raises(ChainruleError, match=r"^linear: must not be built twice"):
        module.modules[0].build()
    with pytest.raises(ChainruleError, match=r'^sequential: must not be built twice, got one whose "1\.weight" is'):
        sequential(tanh(), module.modules[0]).build()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"seed": 1, "seeds": [2]},
            "build: seeds must stand alone, got [2] with seed=1 and members=None. Pass seeds",
        ),
        ({"seeds": [2], "members": 1}, "build: seeds must stand alone, got [2] with seed=None and members=1."),
        ({"members": 0}, "build: members must be an integer of at least 1, got 0. Pass 1, for example."),
        ({"members": 2.0}, "build: members must be an integer of at least 1, got 2.0."),
        ({"seeds": []}, "build: seeds must name at least one member, got []."),
        ({"seeds": [0, -1]}, "build: a seed must be an integer of at least 0, got -1."),
        ({"seed": 1.5}, "build: a seed must be an integer of at least 0, got 1.5."),
        ({"seed": True}, "build: a seed must be an integer of at least 0, got True."),
        ({"dtype": torch.int64}, "build: dtype must be torch.float32 or torch.float64, got torch.int64."),
    ],
)
def test_a_build_that_cannot_be_raises_and_leaves_the_module_unbuilt(settings, message):
    module = layers()
    with pytest.raises(ChainruleError) as caught:
        module.build(**settings)
    assert str(caught.value).startswith(message)
    module.build()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_build_that_fails_at_first_values_can_be_followed_by_another(error):
    def failing(tensor, **_):
        raise error

    module = sequential(linear(3, 3), linear(3, 2, bias_init=failing))
    with pytest.raises(error):
        module.build()
    assert not any(parameter.is_built for parameter in module.parameters())
    module.modules[1].bias.init = zeros()
    expected = sequential(linear(3, 3), linear(3, 2, bias_init=zeros())).build()
    assert_close(module.build().state_dict(), expected.state_dict())


def test_a_build_that_fails_in_a_buffer_leaves_the_module_unbuilt():
    def failing(tensor, **_):
        raise ZeroDivisionError

    module = sequential(linear(3, 3), batch_norm(3))
    module.modules[1].running_mean.init = failing
    with pytest.raises(ZeroDivisionError):
        module.build()
    module.modules[1].running_mean.init = zeros()
    assert_close(module.build().state_dict(), sequential(linear(3, 3), batch_norm(3)).build().state_dict())


def test_an_input_of_another_dtype_raises():
    with pytest.raises(ShapeError) as caught:
        layers().build()(torch.zeros(2, 4, dtype=torch.float64))
    assert str(caught.value) == (
        "network: x must have dtype torch.float32, got torch.float64. Convert it with x.to(network.dtype)."
    )


def test_a_network_without_parameters_can_be_built():
    assert_close(tanh().build()(torch.ones(2, 3)), torch.ones(2, 3).tanh())


def test_summary_counts_parameters():
    assert layers().build().summary().endswith("78 parameters, torch.float32, cpu")
    assert "78 parameters in each of 2 members" in layers().build(seeds=[0, 1]).summary()


def test_a_gradient_of_another_shape_than_the_output_is_refused():
    network = linear(3, 2).build(seed=0)
    network(torch.zeros(4, 3))
    with pytest.raises(ShapeError, match=r"grad_output must have the output's shape \(4, 2\), got \(4, 1\)"):
        network.backward(torch.zeros(4, 1))


def test_an_input_on_another_device_is_refused_after_one_of_its_shape_on_the_networks():
    network = linear(3, 2).build(seed=0)
    network(torch.zeros(4, 3))
    with pytest.raises(ShapeError, match=r"^network: x must be on cpu, got a tensor on meta\."):
        network(torch.zeros(4, 3, device="meta"))


class Holds(Module):
    """Hold parts in whatever it is given, and do nothing."""

    def __init__(self, parts):
        self.parts = parts

    def forward(self, x):
        self.save_for_backward()
        return x

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output


def test_parts_in_lists_tuples_and_dicts_are_found_and_named_by_their_places():
    parts = {"heads": [linear(2, 1), (linear(2, 3),)], "scale": Parameter(2, init=zeros(), fan_in=1, fan_out=1)}
    network = Holds(parts).build(seeds=[0, 1])
    assert set(network.state_dict()) == {
        "parts.scale",
        "parts.heads.0.weight",
        "parts.heads.0.bias",
        "parts.heads.1.0.weight",
        "parts.heads.1.0.bias",
    }
    assert [label(module) for module in network.modules()] == ["holds", "linear", "linear"]


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({linear(2, 1)}, "a Linear in parts.0 is not found"),
        (types.SimpleNamespace(inner=[relu()]), "a Relu in parts.inner.0 is not found"),
        (types.SimpleNamespace(mean=Buffer(2)), "a Buffer in parts.mean is not found"),
    ],
)
def test_parts_where_nobody_looks_are_refused_at_build(parts, what):
    with pytest.raises(ChainruleError, match=rf"^holds: {what}, so it would not be trained or saved\. Keep parts in "):
        Holds(parts).build()


class Pair(Holds):
    def forward(self, x):
        return x, x


class Indices(Holds):
    integer_inputs = True


def test_two_outputs_are_an_error_that_says_what_to_do():
    with pytest.raises(ContractError, match=r"^pair: forward must return one tensor, got a tuple\. Concatenate"):
        Pair(None).build()(torch.zeros(2, 3))


def test_integers_are_for_modules_that_take_them_and_nothing_else_is():
    taking, refusing = sequential(Indices(None)).build(), sequential(tanh(), Indices(None)).build()
    assert taking(torch.arange(6).view(2, 3)).dtype == torch.int64
    with pytest.raises(ShapeError, match=r"^network: x must have integers, got torch\.float32\."):
        taking(torch.zeros(2, 3))
    with pytest.raises(ShapeError, match=r"^network: x must have dtype torch\.float32, got torch\.int64\."):
        refusing(torch.arange(6).view(2, 3))
