"""Test settings that are assigned to modules and losses after their construction."""

import copy

import pytest
import torch

import chainrule
from chainrule import ChainruleError, HyperparameterError, Module, Parameter, ShapeError
from chainrule.activations import relu, softmax
from chainrule.errors import FrozenSettingError
from chainrule.initializers import normal
from chainrule.layers import (
    batch_norm,
    conv2d,
    dropout,
    embedding,
    flatten,
    layer_norm,
    linear,
    max_pool2d,
    rnn,
    sequential,
    transformer_block,
)
from chainrule.losses import cross_entropy, dice, hinge, kl_div, mse


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (dropout(0.2), "p", 1.5),
        (copy.deepcopy(dropout(0.2)), "p", 1.5),
        (copy.copy(dropout(0.2)), "p", 1.5),
        (sequential(linear(2, 2), dropout(0.2)).build().modules()[-1], "p", -1),
        (cross_entropy(), "label_smoothing", 2.0),
        (hinge(), "margin", 0),
        (mse(), "reduction", "average"),
        (mse().over_members(), "reduction", "average"),
    ],
)
def test_an_assigned_setting_is_checked_as_a_constructed_one(owner, name, value):
    before = getattr(owner, name)
    with pytest.raises(HyperparameterError, match=f"{name} must be"):
        setattr(owner, name, value)
    assert getattr(owner, name) == before


@pytest.mark.parametrize(
    ("owner", "name", "value", "follower"),
    [
        (conv2d(1, 2, 3), "padding", 1, "sides"),
        (linear(2, 3), "out_features", 5, "bias"),
        (rnn(2, 3), "hidden_size", 5, "bias_hh_l0"),
        (embedding(5, 2, padding_idx=3), "padding_idx", 0, "weight"),
        (transformer_block(8, 2), "causal", True, "self_attn"),
    ],
)
def test_a_setting_that_others_follow_from_cannot_be_assigned(owner, name, value, follower):
    with pytest.raises(FrozenSettingError, match=f"{name} must be given to the constructor, since {follower} follows"):
        setattr(owner, name, value)


@pytest.mark.parametrize(
    "init_of",
    [
        lambda bound: normal(scale=bound),
        lambda bound: lambda tensor, **_: tensor.fill_(bound),
        lambda bound: lambda tensor, value=bound, **_: tensor.fill_(value),
    ],
)
def test_a_setting_that_first_values_follow_from_cannot_be_assigned(init_of):
    class Scaled(Module):
        def __init__(self, bound=1.0):
            self.bound = bound
            self.weight = Parameter(2, init=init_of(bound), fan_in=1, fan_out=1)

        def forward(self, x):
            return x * self.weight.row

        def backward(self, grad_output):
            return grad_output * self.weight.row

    module = Scaled()
    module.bound = 1.0
    with pytest.raises(FrozenSettingError, match="bound must be given to the constructor, since weight follows"):
        module.bound = 2.0


def test_a_function_that_encloses_what_is_not_yet_there_is_compared():
    class Late(linear):
        def __init__(self, on: bool = True):
            super().__init__(1, 1)
            self.on = on
            self.function = lambda: later
            if self.function is None:
                later = 1

    layer = Late()
    layer.on = False
    assert not layer.on


@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize(
    ("layer", "name", "value", "words"),
    [
        (linear, "weight", torch.zeros(3, 2), "a Parameter, got a tensor (3, 2). Write weight.data.copy_(…) once it"),
        (linear, "bias", False, "a Parameter, got False. Make another: linear(bias=False)."),
        (batch_norm, "running_mean", torch.zeros(2), "a Buffer, got a tensor (2,). Write running_mean.data.copy_(…)"),
    ],
)
def test_a_parameter_or_buffer_makes_way_for_none_but_its_kind(layer, name, value, words, is_built):
    module = layer(2, 3) if layer is linear else layer(2)
    if is_built:
        module.build()
    with pytest.raises(FrozenSettingError) as caught:
        setattr(module, name, value)
    assert f"{name} must be {words}" in str(caught.value)


def test_a_parameter_makes_way_for_another_or_for_none_before_build():
    layer = linear(2, 2)
    layer.weight = other = linear(2, 2).weight
    layer.bias = None
    assert dict(layer.build().named_parameters()) == {"weight": other}


@pytest.mark.parametrize(
    ("layer", "name", "other", "words"),
    [
        (linear(4, 3), "weight", linear(4, 5).weight, "linear: weight must have shape (3, 4), got (5, 4)."),
        (layer_norm(4), "bias", linear(3, 5).bias, "layer_norm: bias must have shape (4,), got (5,)."),
        (batch_norm(2), "running_mean", batch_norm(3).running_mean, "running_mean must have shape (2,), got (3,)."),
    ],
)
def test_a_part_makes_way_for_none_of_another_shape(layer, name, other, words):
    with pytest.raises(ShapeError) as caught:
        setattr(layer, name, other)
    assert words in str(caught.value)


def test_what_the_constructor_makes_of_a_value_is_kept():
    convolution, loss, layer = conv2d(1, 2, 3), cross_entropy(), dropout(0.2)
    convolution.stride, loss.weight, layer.p = 2, [1, 2], 0.5
    assert convolution.stride == (2, 2)
    assert torch.equal(loss.weight, torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert layer.p == 0.5


@pytest.mark.parametrize(
    ("owner", "name", "meant"),
    [
        (cross_entropy(), "weights", "weight"),
        (cross_entropy(), "label_smooting", "label_smoothing"),
        (conv2d(1, 2, 3), "stride_", "stride"),
    ],
)
def test_an_attribute_near_a_setting_is_no_new_one(owner, name, meant):
    with pytest.raises(AttributeError, match=f'has no setting "{name}"\\. Did you mean "{meant}"'):
        setattr(owner, name, 0.1)
    owner._mine = 0.1
    assert owner._mine == 0.1


def test_a_property_cannot_be_assigned():
    with pytest.raises(FrozenSettingError, match="batch_norm: statistics must not be assigned, got 1"):
        batch_norm(2).statistics = 1


@pytest.mark.parametrize(
    ("value", "fix"),
    [("relu", "Write relu()."), (relu, "Did you forget to call it?"), (3, "Pass one of chainrule.layers")],
)
def test_a_module_makes_way_for_none_but_another(value, fix):
    block = transformer_block(4, 2)
    before = block.activation
    with pytest.raises(ChainruleError, match="transformer_block: activation must be a module, got ") as caught:
        block.activation = value
    assert fix in str(caught.value)
    assert block.activation is before
    block.activation = relu()
    assert "activation" in dict(block.named_children())


def test_a_network_checks_shapes_again_after_a_setting_has_changed():
    network = sequential(max_pool2d(2), flatten(), linear(4, 1)).build()
    x = torch.zeros(3, 1, 4, 4)
    network(x)
    network.modules()[1].kernel_size = 4
    with pytest.raises(ShapeError, match=r"linear: x must have shape \(N, .*4\)"):
        chainrule.fit(network, mse(), chainrule.create("optimizers", "sgd"), train=(x, torch.zeros(3, 1)))


def test_a_network_checks_the_axes_that_are_assigned_after_its_first_call():
    network = sequential(linear(3, 4), softmax(), flatten()).build()
    network(torch.zeros(6, 3))
    network.modules()[2].dim = 0
    with pytest.raises(ShapeError, match="softmax: dim must"):
        network(torch.zeros(6, 3))


@pytest.mark.parametrize(
    ("loss", "name", "value"),
    [(dice(from_logits=True), "from_logits", False), (kl_div(log_target=True), "log_target", False)],
)
def test_a_loss_checks_what_lies_outside_of_its_domain_since_a_setting_was_assigned(loss, name, value):
    prediction, target = -torch.ones(2, 3, 4), -torch.ones(2, 3, 4) if name == "log_target" else torch.ones(2, 3, 4)
    loss(prediction, target)
    setattr(loss, name, value)
    with pytest.raises(ShapeError, match=r"must be (from|at least) 0"):
        loss(prediction, target)


def test_a_loss_checks_nothing_again_after_a_setting_was_assigned_its_own_value(monkeypatch):
    loss, ones = hinge(margin=0.5), torch.ones(3, 1)
    loss(ones, ones)
    loss.margin = float("0.5")
    monkeypatch.setattr(type(loss), "check_target", lambda loss, target: pytest.fail("checked again"))
    loss(ones, ones)


def test_an_attribute_that_is_not_the_argument_of_its_name_takes_any_value():
    class Wider(Module):
        def __init__(self, size=1):
            self.size = size + 1

        def forward(self, x):
            return x

        def backward(self, grad_output):
            return grad_output

    module = Wider()
    module.size = 7
    assert module.size == 7
