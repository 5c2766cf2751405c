"""Layers as modules of PyTorch."""

import copy
import io
import re

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from chainrule import BackwardError, Buffer, ChainruleError, Module, Parameter, ShapeError, registry
from chainrule.activations import identity, log_softmax, relu, sigmoid, tanh
from chainrule.initializers import ones
from chainrule.layers import batch_norm, dropout, embedding, linear, positional_embedding, sequential, upsample
from chainrule_torch import as_torch_module, from_torch

EXAMPLES = [
    pytest.param(layer, inputs, id=f"{name}-{number}")
    for kind in ("layers", "activations")
    for name in registry.names(kind)
    for number, (layer, inputs) in enumerate(registry.get(kind, name).examples())
]


def batch(*shape, requires_grad=False):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_(requires_grad)


def doubled(layer):
    torch.manual_seed(0)
    return as_torch_module(layer).double()


@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["by a product", "whole"])
@pytest.mark.parametrize(("layer", "inputs"), EXAMPLES)
def test_gradcheck_passes_for_every_registered_layer(layer, inputs, fast):
    """Fast, it checks a product of the Jacobian with random vectors, and otherwise each of its elements."""
    module = doubled(layer)
    x = inputs.clone() if isinstance(inputs, torch.Tensor) else batch(3, *inputs)
    x.requires_grad_(x.is_floating_point())
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}

    def output(x, *_):
        torch.manual_seed(1)
        for name, buffer in module.named_buffers():
            buffer.copy_(buffers[name])
        return module(x)

    assert torch.autograd.gradcheck(output, (x, *module.parameters()), fast_mode=fast)


@pytest.mark.parametrize(("layer", "inputs"), EXAMPLES)
def test_names_values_and_outputs_are_those_of_the_network(layer, inputs):
    network = copy.deepcopy(layer).build(seed=3, dtype=torch.float64).eval()
    module = as_torch_module(network)
    assert not module.training
    state = module.state_dict()
    assert list(network.state_dict()) == sorted(state, key=list(network.state_dict()).index)
    assert all(torch.equal(state[name], values) for name, values in network.state_dict().items())
    assert {name for name, _ in module.named_buffers()} == {name for name, _ in network.named_buffers()}
    x = inputs if isinstance(inputs, torch.Tensor) else batch(3, *inputs)
    assert_close(module(x), network(x), rtol=0, atol=1e-14)
    network.load_state_dict(doubled(layer).state_dict())
    module.load_state_dict(network.state_dict())
    assert_close(module(x), network(x), rtol=0, atol=1e-14)


def test_it_trains_in_a_model_of_torch_as_the_module_of_torch_does():
    theirs = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Linear(4, 2)).double()
    ours = copy.deepcopy(theirs)
    ours[0], ours[1], ours[3] = doubled(linear(3, 4)), doubled(batch_norm(4)), doubled(linear(4, 2))
    ours.load_state_dict(theirs.state_dict())
    for model in (theirs, ours):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for seed in range(5):
            x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=1e-12)


def test_several_calls_before_backward_keep_their_own_tensors():
    module, x, other = doubled(sequential(linear(2, 2), tanh())), batch(3, 2, requires_grad=True), batch(5, 2)
    y = module(x)
    module(other)
    (y.sum() + module(y).sum()).backward()
    weight, bias = module.get_parameter("0.weight"), module.get_parameter("0.bias")
    leaf = x.detach().clone().requires_grad_()
    first = torch.tanh(nn.functional.linear(leaf, weight, bias))
    expected = torch.autograd.grad(first.sum() + torch.tanh(nn.functional.linear(first, weight, bias)).sum(), leaf)[0]
    assert_close(x.grad, expected)


def test_a_graph_that_is_kept_gives_its_gradients_again():
    module, x = doubled(sequential(linear(2, 2), sigmoid())), batch(3, 2, requires_grad=True)
    y = module(x).sum()
    first = torch.autograd.grad(y, x, retain_graph=True)
    assert torch.equal(torch.autograd.grad(y, x)[0], first[0])


class KeepsItsOwnWay:
    """Squares, by the protocol alone."""

    training = needs_input_grad = True

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, grad_output):
        return 2 * self.x * grad_output

    def named_children(self):
        return []

    own_parameters = named_children


def test_a_layer_by_the_protocol_alone_keeps_the_tensors_of_each_call():
    module, x = as_torch_module(KeepsItsOwnWay()), batch(3, 2, requires_grad=True)
    y = module(x)
    module(torch.zeros(3, 2))
    y.sum().backward()
    assert_close(x.grad, 2 * x.detach())


def test_an_in_place_change_of_what_is_saved_raises():
    x = batch(3, 2, requires_grad=True)
    module = doubled(linear(2, 2))
    y = module(x)
    with torch.no_grad():
        module.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match=r"modified inplace|is a view"):
        as_torch_module(sigmoid())(x).mul_(2)


def test_dropout_follows_the_generator_of_torch():
    module, x = as_torch_module(dropout()), torch.ones(50, 4)
    torch.manual_seed(5)
    first, second = module(x), module(x)
    torch.manual_seed(5)
    assert torch.equal(module(x), first)
    assert not torch.equal(first, second)
    assert torch.equal(module.eval()(x), x)


def test_a_recomputed_forward_draws_the_same():
    model = nn.Sequential(as_torch_module(dropout()), nn.Linear(4, 4), as_torch_module(dropout())).double()
    grads = []
    for recompute in (False, True):
        x = torch.ones(50, 4, dtype=torch.float64, requires_grad=True)
        torch.manual_seed(5)
        y = checkpoint(model, x, use_reentrant=False) if recompute else model(x)
        grads.append(torch.autograd.grad(y.square().sum(), x)[0])
    assert torch.equal(*grads)


def test_dropout_behind_an_embedding_draws_floats():
    module = doubled(sequential(embedding(3, 2), dropout(0.2)))
    assert module(torch.tensor([[0, 1, 2]])).unique().numel() > 2


def test_first_values_follow_the_generator_of_torch():
    torch.manual_seed(0)
    first, second = as_torch_module(linear(2, 2)), as_torch_module(linear(2, 2))
    assert not torch.equal(first.weight, second.weight)
    torch.manual_seed(0)
    assert torch.equal(as_torch_module(linear(2, 2)).weight, first.weight)


def test_copies_and_files_are_independent_of_the_original():
    module, x = doubled(sequential(linear(2, 3), batch_norm(3))), batch(4, 2)
    before = module(x)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (copy.deepcopy(module), torch.load(file, weights_only=False)):
        with torch.no_grad():
            next(other.parameters()).add_(1)
        other(x).sum().backward()
        assert other.get_parameter("0.weight").grad is not None
        assert not torch.equal(other(x), before)
        assert torch.equal(module(x), before)
        assert next(module.parameters()).grad is None


def test_the_layer_itself_stays_as_it_is():
    network = linear(2, 2).build()
    network.freeze("bias")
    before = {name: values.clone() for name, values in network.state_dict().items()}
    module = as_torch_module(network)
    assert not module.bias.requires_grad
    module(torch.ones(3, 2)).sum().backward()
    assert module.bias.grad is None
    with torch.no_grad():
        module.weight.zero_()
    assert_close(network.state_dict(), before)
    assert not network.parameters()[0].grad.any()


def test_a_second_backward_raises():
    x = batch(3, 2, requires_grad=True)
    (grad,) = torch.autograd.grad(as_torch_module(tanh())(x).sum(), x, create_graph=True)
    with pytest.raises(BackwardError, match=r"^tanh: a gradient must be differentiated once only, got a second") as got:
        grad.square().sum().backward()
    assert "\n" not in str(got.value)


def test_eval_mode_passes_gradients_where_it_computes_the_same():
    x = batch(3, 2, requires_grad=True)
    module = doubled(sequential(linear(2, 2), relu()))
    expected = torch.autograd.grad(module(x).sum(), x)
    assert torch.equal(torch.autograd.grad(module.eval()(x).sum(), x)[0], expected[0])
    y = doubled(sequential(linear(2, 2), batch_norm(2))).eval()(x)
    message = r"^sequential: backward must .* got eval mode, in which batch_norm has no gradient\. Call train"
    with pytest.raises(BackwardError, match=message):
        y.sum().backward()


def test_layers_inside_follow_the_modes_of_the_submodules_that_hold_their_parts():
    module, x = as_torch_module(sequential(linear(2, 2), batch_norm(2))).double(), batch(3, 2)
    module.get_submodule("1").eval()
    expected = nn.functional.linear(x, module.get_parameter("0.weight"), module.get_parameter("0.bias"))
    for one in (module, copy.deepcopy(module), as_torch_module(from_torch(module))):
        assert_close(one(x), expected, rtol=1e-5, atol=0)
        assert one.get_buffer("1.num_batches_tracked") == 0
        with pytest.raises(BackwardError, match=r"batch_norm has no gradient\. Use to_torch\(network\), leave"):
            one(x).sum().backward()
    module.train()(x)
    assert module.get_buffer("1.num_batches_tracked") == 1


def test_a_layer_without_parts_follows_the_submodule_around_it():
    module, x = as_torch_module(sequential(linear(2, 2), sequential(dropout(0.5), linear(2, 2)))).eval(), batch(9, 2)
    x = x.float()
    assert torch.equal(module(x), module(x))
    module.get_submodule("1").train()
    assert not torch.equal(module(x), module(x))


class Growing(Module):
    """Multiply by the number of batches so far."""

    same_in_eval = False

    def __init__(self):
        self.count = Buffer()

    def forward(self, x):
        if self.training:
            self.count.data.add_(1)
        return x * self.count.data

    def backward(self, grad_output):
        return grad_output * self.count.data if self.training else grad_output


def test_backward_has_the_mode_and_the_buffers_of_its_own_forward():
    module, x = as_torch_module(Growing()), torch.ones(1, 2, requires_grad=True)
    y = module(x) + 10 * module(x)
    with torch.no_grad():
        module.eval()(x)
    y.sum().backward()
    assert x.grad.tolist() == [[21, 21]]
    assert module.count == 2


def test_buffers_move_with_the_module_and_change_in_train_mode_alone():
    module, x = as_torch_module(batch_norm(2)).double(), batch(6, 2)
    module(x)
    assert module.running_mean.dtype is torch.float64
    assert_close(module.running_mean, 0.1 * x.mean(0))
    assert module.num_batches_tracked == 1
    module.eval()(x)
    assert module.num_batches_tracked == 1
    assert "table" not in as_torch_module(positional_embedding(4, 2, learned=False)).state_dict()


def test_under_autocast_it_computes_in_the_dtype_of_its_parameters():
    module = nn.Sequential(nn.Linear(3, 4), as_torch_module(linear(4, 2)))
    with torch.autocast("cpu", torch.bfloat16):
        y = module(torch.ones(2, 3))
    assert y.dtype is torch.float32
    y.sum().backward()
    assert module[1].weight.grad.dtype is torch.float32


def test_it_gives_shapes_alone_on_the_device_of_no_memory():
    module = as_torch_module(sequential(linear(2, 3), batch_norm(3), dropout())).to("meta")
    y = module(torch.ones(4, 2, device="meta"))
    y.sum().backward()
    assert y.shape == (4, 3)
    assert module.get_parameter("0.weight").grad.is_meta


class Named(Module):
    """Has a part of a name that every nn.Module has."""

    def __init__(self):
        self.type = Parameter(1, init=ones(), fan_in=1, fan_out=1)

    def forward(self, x):
        return x

    def backward(self, grad_output):
        return grad_output


REFUSED = [
    (linear(2, 1).build(seeds=[0, 1]), "a network must be a single one, got an ensemble of 2. Take network.member(i)."),
    (linear(2, 1).build(seeds=[0, 1]).module, "a layer must be of a single network, got one of 2 members. Take a lay"),
    (nn.Linear(2, 1), "layer must be a module, got Linear of torch.nn. Pass one of"),
    (Named(), 'a part must not be named as an attribute of nn.Module, got "type". Rename it.'),
]


@pytest.mark.parametrize(("layer", "message"), REFUSED)
def test_what_cannot_be_a_module_is_refused_in_one_line(layer, message):
    with pytest.raises(ChainruleError, match=f"^{re.escape(f'as_torch_module: {message}')}") as got:
        as_torch_module(layer)
    assert "\n" not in str(got.value)


INPUTS = [
    (torch.ones(3, 2, dtype=torch.float64), "x must have the parameters' dtype torch.float32, got torch.float64. Conv"),
    (torch.ones(3, 2, dtype=torch.int64), "x must have floats, got torch.int64. Convert it with x.float()."),
    (torch.ones(3, 4), "x must have shape (N, …, 2), got (N, 4)"),
    (torch.ones(()), "x must be a tensor with the batch axis in front, got a number. Pass a batch."),
    ([1.0], "x must be a tensor with the batch axis in front, got a list. Pass a batch."),
]


@pytest.mark.parametrize(("x", "message"), INPUTS)
def test_an_input_that_does_not_fit_is_refused_in_one_line(x, message):
    with pytest.raises(ShapeError, match=f"^linear: {re.escape(message)[:40]}") as got:
        as_torch_module(linear(2, 2))(x)
    assert "\n" not in str(got.value)


class CountsBoth(identity):
    """Count forwards, and hundreds of backwards."""

    def __init__(self):
        self.count = Buffer(1)

    def forward(self, x):
        if self.training:
            self.count.data.add_(1)
        return x * 1

    def backward(self, grad_output):
        self.count.data.add_(100)
        return grad_output


def test_what_a_backward_changes_in_a_buffer_stays():
    module = as_torch_module(CountsBoth())
    module(torch.ones(2, 3, requires_grad=True)).sum().backward()
    assert dict(module.named_buffers())["count"].item() == 101


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_it_trains_within_torch_compile():
    model = nn.Sequential(
        nn.Linear(6, 6), as_torch_module(sequential(linear(6, 8), batch_norm(8), dropout(0.5)))
    ).double()
    ends = []
    for prepared in (lambda module: module, torch.compile):
        own = copy.deepcopy(model)
        called, optimizer = prepared(own), torch.optim.SGD(own.parameters(), lr=0.1)
        torch.manual_seed(1)
        for _ in range(2):
            optimizer.zero_grad()
            called(batch(5, 6)).square().sum().backward()
            optimizer.step()
        own.eval()
        with torch.no_grad():
            ends.append((own.state_dict(), called(batch(4, 6))))
    assert_close(*ends, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [False, True])
def test_torch_export_takes_it_and_leaves_it_as_it_was(training):
    module = doubled(sequential(linear(6, 8), batch_norm(8), dropout(0.5))).train(training)
    before = copy.deepcopy(module)
    program = torch.export.export(module, (batch(5, 6),), dynamic_shapes=({0: torch.export.Dim("n", min=2)},)).module()
    outputs = []
    for each in (before, copy.deepcopy(module), program):
        torch.manual_seed(1)
        outputs.append((each(batch(7, 6)), dict(each.named_buffers())))
    assert_close(outputs[1], outputs[0], rtol=0, atol=0)
    assert_close(outputs[2], outputs[0], rtol=0, atol=1e-14)


def test_torch_export_takes_log_probabilities_of_few_rows_and_of_many():
    module, rows = doubled(log_softmax()), {0: torch.export.Dim("n", min=2)}
    program = torch.export.export(module, (batch(5, 3),), dynamic_shapes=(rows,)).module()
    assert_close(program(batch(70, 3)), module(batch(70, 3)), rtol=0, atol=1e-14)


def test_torch_export_takes_images_of_any_size():
    module, size = doubled(upsample(size=4, mode="bilinear")), torch.export.Dim("h", min=2, max=64)
    program = torch.export.export(module, (batch(1, 1, 5, 6),), dynamic_shapes=({2: size},)).module()
    assert_close(program(batch(1, 1, 9, 6)), module(batch(1, 1, 9, 6)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("transform", [torch.func.grad, torch.vmap])
def test_transforms_of_functions_are_refused(transform):
    module = doubled(linear(2, 1))
    with pytest.raises(
        ChainruleError, match=r"as_torch_module: a layer must be .*, got a call in one, as grad or vmap\."
    ):
        transform(lambda x: module(x).sum())(batch(3, 2))
