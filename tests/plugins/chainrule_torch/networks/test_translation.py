"""Networks as modules of PyTorch, and back."""

import copy
import re
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import chainrule
import chainrule_torch
from chainrule import ChainruleError, registry
from chainrule.activations import gelu, identity, relu, swiglu, tanh
from chainrule.layers import (
    batch_norm,
    conv2d,
    dropout,
    flatten,
    linear,
    lstm,
    mlp,
    pad,
    parallel,
    residual,
    self_attention,
    sequential,
    transformer_block,
)
from chainrule_torch import from_torch, to_torch
from chainrule_torch.networks.layer_module import LayerModule
from chainrule_torch.networks.modules import Residual
from chainrule_torch.networks.twins import TWINS, twin_of_ours

EXAMPLES = [
    pytest.param(layer, inputs, id=f"{name}-{number}")
    for kind in ("layers", "activations")
    for name in registry.names(kind)
    for number, (layer, inputs) in enumerate(registry.get(kind, name).examples())
]
MORE = [
    pytest.param(layer, inputs, id=f"more-{number}")
    for number, (layer, inputs) in enumerate(
        [
            (gelu("tanh"), (4,)),
            (pad((1, 2, 0, 1), mode="replicate"), (2, 3, 3)),
            (pad((1, 1), mode="circular"), (2, 3)),
            (pad((1, 2, 3, 1, 0, 1), value=0.5), (2, 1, 2, 2)),
            (lstm(2, 3, 2, bidirectional=True, output="last"), (4, 2)),
            (lstm(2, 3, bias=False), (4, 2)),
            (self_attention(4, 2, causal=True), (5, 4)),
            (transformer_block(4, 2, causal=True, activation="gelu"), (3, 4)),
            (transformer_block(4, 2, activation=gelu("tanh")), (3, 4)),
            (transformer_block(4, 2, activation="relu", norm_first=False, bias=False), (3, 4)),
            (batch_norm(2), (2, 2, 2, 3)),
            (parallel(linear(3, 2), sequential(tanh(), linear(3, 4)), combine="concatenate"), (3,)),
            (parallel(linear(3, 3), identity(), combine="product"), (3,)),
            (residual(sequential(linear(3, 4), relu()), linear(4, 3, bias=False)), (3,)),
            (mlp([3, 4, 4, 2], "tanh"), (3,)),
        ]
    )
]
WITHOUT = {"geglu", "swiglu", "global_avg_pool", "positional_embedding", "transpose"}
"""Registered layers that no module of torch computes."""

EXAMPLE = Path(__file__).parents[4] / "examples" / "char_transformer.py"
CNN = sequential(
    conv2d(1, 16, 3, padding=1),
    relu(),
    conv2d(16, 32, 3, padding=1),
    relu(),
    conv2d(32, 64, 3, stride=2, padding=1),
    relu(),
    flatten(),
    linear(1024, 10),
)
"""That of examples/digits_cnn.py."""
TRANSFORMER = runpy.run_path(str(EXAMPLE))["model"](8, 2, 2)
WHOLE = [
    pytest.param(CNN, (1, 8, 8), id="cnn"),
    pytest.param(TRANSFORMER, torch.tensor([[0, 1, 2, 3, 4], [6, 5, 0, 0, 1]]), id="transformer"),
]


@pytest.fixture(autouse=True)
def of_float64():
    """Let what has no parameters, whose dtype would tell, take float64 too."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def batch(inputs):
    if isinstance(inputs, torch.Tensor):
        return inputs.clone()
    return torch.randn(3, *inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def without_draws(layer):
    """Return a copy of a layer whose dropout drops nothing; torch's draws other numbers."""
    layer = copy.deepcopy(layer)
    for _, module in layer.named_modules():
        for name in ("p", "dropout"):
            if getattr(module, name, 0):
                vars(module)[name] = 0.0  # past the check, since others follow from it
    return layer


def built(layer, seed=0):
    """Return a network with buffers and parameters that are no round numbers."""
    network = without_draws(layer).build(seed=seed, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    state = network.state_dict()
    for values in state.values():
        if values.is_floating_point():
            values.add_(torch.rand(values.shape, dtype=torch.float64, generator=generator), alpha=0.1)
    network.load_state_dict(state)
    return network


def results_of_ours(network, x):
    y = network(x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).view(y.shape)
    network.zero_grad()
    dx = network.backward(weights, input_grad=True)
    gradients = {name: parameter.grad[0].clone() for name, parameter in network.named_parameters()}
    buffers = {name: buffer.data[0].clone() for name, buffer in network.named_buffers()}
    return y, dx, gradients, buffers


def results_of_theirs(module, x):
    x = x.clone().requires_grad_(x.is_floating_point())
    y = module(x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).view(y.shape)
    if y.requires_grad:
        y.backward(weights)
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    return y.detach(), x.grad, gradients, dict(module.named_buffers())


def assert_equal(network, module, x):
    """Compare output, every gradient and buffer in train mode, then the output in eval mode."""
    rounded = isinstance(module, nn.Hardsigmoid)  # whose slope of 1/6 torch rounds to float32
    for ours, theirs in zip(results_of_ours(network, x), results_of_theirs(module, x), strict=True):
        assert_close(theirs, ours, rtol=4e-8 if rounded else 0, atol=1e-12)
    assert_close(module.eval()(x).detach(), network.eval()(x), rtol=0, atol=1e-12)
    with torch.no_grad():
        assert_close(module(x), network(x), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D input")
@pytest.mark.parametrize(("layer", "inputs"), [*EXAMPLES, *MORE, *WHOLE])
def test_to_torch_gives_the_outputs_gradients_and_names_of_the_network(layer, inputs):
    network = built(layer)
    module = to_torch(network)
    assert_close(module.state_dict(), network.state_dict(), rtol=0, atol=0)
    assert_equal(network, module, batch(inputs))


@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3D input")
@pytest.mark.parametrize(("layer", "inputs"), [*EXAMPLES, *MORE, *WHOLE])
def test_from_torch_gives_them_back(layer, inputs):
    module = to_torch(built(layer))
    network = from_torch(module)
    assert repr(network.module) == repr(from_torch(to_torch(network)).module)
    assert_close(network.state_dict(), dict(module.state_dict()), rtol=0, atol=0)
    assert_equal(network, module, batch(inputs))


THEIRS = [
    (nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.BatchNorm2d(2), nn.ReLU(inplace=True)), (1, 4, 5)),
    (nn.Sequential(nn.ConvTranspose1d(2, 4, 3, stride=2, output_padding=1, groups=2), nn.GroupNorm(2, 4)), (2, 3)),
    (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3), nn.PReLU(), nn.LogSoftmax(1)), (1, 4, 4)),
    (nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, momentum=None)), nn.Tanh()), (3,)),
    (nn.Sequential(nn.ReflectionPad2d((1, 0, 1, 1)), nn.Upsample(scale_factor=2.0), nn.AvgPool2d(2)), (2, 3, 3)),
    (nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True), (3, 4)),
    (nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", batch_first=True, norm_first=True, bias=False), (3, 4)),
    (nn.Sequential(nn.Linear(3, 2), nn.Sequential(), Residual(nn.Sequential())), (3,)),
    (nn.Sequential(nn.InstanceNorm2d(2, affine=True, track_running_stats=True), nn.Unflatten(1, (1, 2))), (2, 2, 3)),
]


@pytest.mark.parametrize(("theirs", "inputs"), THEIRS)
def test_from_torch_gives_the_outputs_and_gradients_of_the_module(theirs, inputs):
    module = copy.deepcopy(theirs).double()
    assert_equal(from_torch(module), module, batch(inputs))


def test_repeated_modules_without_parameters_stay_in_both_places():
    act = nn.Tanh()
    network = from_torch(nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act))
    assert repr(network.module).count("Tanh()") == 2


HAVE_A_TWIN = {twin.ours.partition(":")[2] for twin in TWINS} - {"transformer_block", "self_attention", "pad"}
"""Names of layers; those left out have one for some settings alone."""

OF_TORCH = {name.lower() for name in dir(nn)}


@pytest.mark.parametrize(("layer", "inputs"), EXAMPLES)
def test_every_layer_with_a_twin_or_a_namesake_becomes_a_module_of_torch(layer, inputs):
    name = chainrule.label(layer)
    is_container = name in {"sequential", "residual", "parallel", "mlp"}
    if name in HAVE_A_TWIN or (name.replace("_", "") in OF_TORCH and not is_container):
        assert not isinstance(to_torch(layer_built(layer)), LayerModule)
    if name in WITHOUT:
        assert isinstance(to_torch(layer_built(layer)), LayerModule)


def layer_built(layer):
    return copy.deepcopy(layer).build(seed=0)


def test_the_table_has_one_line_for_each_pair():
    pairs = [(twin.ours, theirs) for twin in TWINS for theirs in (twin.theirs, *twin.also)]
    assert len({theirs for _, theirs in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "layer",
    [
        pad(1),
        self_attention(4, 2, 1),
        self_attention(4, 2, rotary_base=100.0),
        transformer_block(4, 2, norm="rms_norm"),
        transformer_block(4, 2, activation=swiglu()),
    ],
)
def test_settings_that_torch_lacks_keep_the_layer(layer):
    assert twin_of_ours(layer) is None


def test_dropout_stays_active():
    module = to_torch(sequential(dropout(0.25), transformer_block(4, 2, dropout=0.5)).build())
    assert module[0].p == 0.25
    assert (module[1].dropout.p, module[1].self_attn.dropout) == (0.5, 0.5)
    network = from_torch(module)
    assert (network.module.modules[0].p, network.module.modules[1].drop2.p) == (0.25, 0.5)


def test_frozen_parameters_and_modes_are_kept_both_ways():
    network = sequential(linear(2, 2), batch_norm(2)).build().freeze("0.*")
    network.module.modules[1].eval()
    module = to_torch(network)
    assert [parameter.requires_grad for parameter in module.parameters()] == [False, False, True, True]
    assert (module.training, module[0].training, module[1].training) == (True, True, False)
    again = from_torch(module)
    assert again.frozen == {"0.weight", "0.bias"}
    assert [layer.training for layer in again.module.modules] == [True, False]


class Center(identity):
    """Subtract a running mean that is not saved."""

    same_in_eval = False

    def __init__(self):
        self.mean = chainrule.Buffer(2, persistent=False)

    def forward(self, x):
        if self.training:
            self.mean.data.lerp_(x.mean(1), 0.5)
        return x - self.mean.data.unsqueeze(1)


def test_buffers_that_are_not_saved_are_kept_both_ways():
    network = sequential(linear(3, 2), Center()).build(seed=0)
    x = torch.randn(5, 3)
    network(x)
    expected = network.eval()(x)
    assert network.module.modules[1].mean.data.any()
    assert_close(to_torch(network)(x), expected)
    assert_close(from_torch(to_torch(network)).eval()(x), expected)


def test_tied_weights_stay_tied():
    first, second = linear(2, 2, bias=False), linear(2, 2, bias=False)
    second.weight = first.weight
    network = sequential(first, tanh(), second).build(dtype=torch.float64)
    module = to_torch(network)
    assert len(list(module.parameters())) == 1
    assert_equal(network, module, batch((2,)))


def test_neither_shares_memory_nor_draws_from_the_generator():
    network = linear(2, 2).build()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    module = to_torch(network)
    assert torch.equal(torch.rand(1), expected)
    back = from_torch(module)
    with torch.no_grad():
        module.weight.zero_()
    assert network.parameters()[0].data.any()
    assert back.parameters()[0].data.any()


def tied():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    return module


def changed(change):
    module = nn.Sequential(nn.Linear(2, 2), nn.TransformerEncoderLayer(2, 1, 2, 0.5, batch_first=True))
    change(module)
    return module


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


same = nn.BatchNorm1d(2, affine=False)
REFUSED = [
    (nn.Sequential(same, same), "a tensor must belong to one module, got 0.running_mean as 1.running_mean too."),
    (nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 2), nn.LPPool1d(2, 2)), "1 must have a twin here, got Bilinear."),
    (nn.Sequential(nn.Sequential(nn.ReLU(), nn.LSTM(2, 2))), "0.1 must have a twin here, got LSTM."),
    (Doubled(2, 2), "the module must have a twin here, got Doubled."),
    (nn.Sequential(nn.MaxPool2d(2, return_indices=True)), "0 must have return_indices=False, got MaxPool2d with True."),
    (nn.Embedding(3, 2, max_norm=1.0), "the module must have max_norm=None, got Embedding with 1.0."),
    (nn.TransformerEncoderLayer(4, 2), "the module must have self_attn.batch_first=True, got TransformerEncoderLayer"),
    (
        nn.Sequential(nn.Upsample(2, mode="bicubic")),
        "0, Upsample, does not fit its twin: upsample: mode must be one of",
    ),
    (nn.Sequential(Residual()), "0, Residual, does not fit its twin: residual: needs at least one module."),
    (nn.Sequential(nn.Softmax()), "0, Softmax, does not fit its twin: softmax: dim must be an integer, got None."),
    (tied(), "a tensor must belong to one module, got 0.weight as 1.weight too."),
    (nn.LazyLinear(2), "the module must have its shapes, got LazyLinear before its first call. Call the module once."),
    (
        changed(lambda whole: whole[0].register_forward_hook(print)),
        "0 must compute as its class does, got Linear with hook",
    ),
    (
        changed(lambda whole: whole[1].linear1.register_forward_hook(print)),
        "1.linear1 must compute as its class does, got",
    ),
    (
        changed(lambda whole: whole.register_full_backward_pre_hook(print)),
        "the module must compute as its class does, got Sequential with hooks. Remove what was added.",
    ),
    (
        changed(lambda whole: whole[0].weight.register_hook(print)),
        "0 must compute as its class does, got Linear with hooks of",
    ),
    (
        changed(lambda whole: setattr(whole[0], "forward", torch.relu)),
        "0 must compute as its class does, got Linear with a forward of its own. Remove what was added.",
    ),
    (
        changed(lambda whole: setattr(whole[1].dropout1, "p", 0.25)),
        "1 must have one value of self_attn.dropout and dropout.p and dropout1.p and dropout2.p, got "
        "TransformerEncoderLayer with 0.5, 0.5, 0.25, 0.5. transformer_block has one for all.",
    ),
    (
        changed(lambda whole: setattr(whole[1].self_attn, "dropout", 0.0)),
        "1 must have one value of self_attn.dropout and ",
    ),
    (
        changed(lambda whole: setattr(whole[1], "dropout", nn.Identity())),
        "1 must have a module Dropout as dropout, got TransformerEncoderLayer with Identity",
    ),
    (
        changed(lambda whole: setattr(whole[1], "linear1", Doubled(2, 2))),
        "1 must have a module Linear as linear1, got TransformerEncoderLayer with Doubled",
    ),
    (
        changed(lambda whole: setattr(whole[1].self_attn, "add_zero_attn", True)),
        "1 must have self_attn.add_zero_attn=False, got TransformerEncoderLayer with True.",
    ),
    (
        nn.Sequential(nn.Linear(2, 2, dtype=torch.float32), nn.Linear(2, 2, dtype=torch.float64)),
        "parameters must have one dtype and device, got 2 kinds.",
    ),
    (nn.Sequential(nn.modules.container.OrderedDict(first=nn.ReLU())), "the module must name its modules 0, 1, …, got"),
    (linear(2, 2), "module must be one of torch.nn, got Linear("),
]


def test_a_module_that_is_stepped_during_backward_is_translated():
    module = nn.Linear(2, 2)
    chainrule_torch.optimizer("adam", module.parameters(), release=True)
    assert_close(from_torch(module).state_dict(), dict(module.state_dict()))


def test_a_block_with_dropouts_that_differ_stays_one_of_ours():
    network = transformer_block(4, 2, dropout=0.5).build()
    network.module.drop1.p = 0.0
    assert isinstance(to_torch(network), LayerModule)


@pytest.mark.parametrize(("module", "message"), REFUSED)
def test_what_has_no_twin_is_refused_in_one_line(module, message):
    with pytest.raises(ChainruleError, match=f"^{re.escape(f'from_torch: {message}')}") as got:
        from_torch(module)
    assert "\n" not in str(got.value)


def test_what_is_no_single_network_is_refused_in_one_line():
    with pytest.raises(ChainruleError, match=r"^to_torch: network must be a single one, got an ensemble of 2\. Take"):
        to_torch(linear(2, 1).build(seeds=[0, 1]))
    with pytest.raises(ChainruleError, match=r"^to_torch: network must be a built one, got Linear.* Call build\(\)"):
        to_torch(linear(2, 1))
