"""Every sample of torch's own data base of modules that has a twin here: all that a pass gives, in float64."""

import copy
import inspect
import re
import warnings

import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError, Loss, registry

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db, no_batch_dim_reference_fn

PADS = {
    f"{kind}{axes}d": ("layers:pad", {"mode": mode})
    for kind, mode in [
        ("CircularPad", "circular"),
        ("ConstantPad", "constant"),
        ("ReflectionPad", "reflect"),
        ("ReplicationPad", "replicate"),
        ("ZeroPad", "constant"),
    ]
    for axes in (1, 2, 3)
}
TWINS = {
    "CELU": "activations:celu",
    "ELU": "activations:elu",
    "GELU": "activations:gelu",
    "GLU": "activations:glu",
    "Hardshrink": "activations:hardshrink",
    "Hardswish": "activations:hardswish",
    "Hardtanh": "activations:hardtanh",
    "LeakyReLU": "activations:leaky_relu",
    "LogSigmoid": "activations:log_sigmoid",
    "LogSoftmax": "activations:log_softmax",
    "Mish": "activations:mish",
    "PReLU": "activations:prelu",
    "ReLU": "activations:relu",
    "ReLU6": "activations:relu6",
    "SELU": "activations:selu",
    "Sigmoid": "activations:sigmoid",
    "SiLU": "activations:silu",
    "Softmax": "activations:softmax",
    "Softmin": "activations:softmin",
    "Softplus": "activations:softplus",
    "Softshrink": "activations:softshrink",
    "Softsign": "activations:softsign",
    "Tanh": "activations:tanh",
    "Tanhshrink": "activations:tanhshrink",
    "Threshold": "activations:threshold",
    "Conv1d": "layers:conv1d",
    "AdaptiveAvgPool1d": "layers:adaptive_avg_pool1d",
    "AdaptiveAvgPool2d": "layers:adaptive_avg_pool2d",
    "AdaptiveMaxPool2d": "layers:adaptive_max_pool2d",
    "AvgPool1d": "layers:avg_pool1d",
    "AvgPool2d": "layers:avg_pool2d",
    **dict.fromkeys(["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"], "layers:batch_norm"),
    "Conv2d": "layers:conv2d",
    "ConvTranspose1d": "layers:conv_transpose1d",
    "ConvTranspose2d": "layers:conv_transpose2d",
    "Embedding": "layers:embedding",
    "GroupNorm": "layers:group_norm",
    **dict.fromkeys(["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"], "layers:instance_norm"),
    "LayerNorm": "layers:layer_norm",
    "Linear": "layers:linear",
    "MaxPool1d": "layers:max_pool1d",
    "MaxPool2d": "layers:max_pool2d",
    "RMSNorm": "layers:rms_norm",
    "BCELoss": "losses:bce",
    "GRU": "layers:gru",
    "LSTM": "layers:lstm",
    "RNN": "layers:rnn",
    "BCEWithLogitsLoss": "losses:bce_with_logits",
    "CrossEntropyLoss": "losses:cross_entropy",
    "HuberLoss": "losses:huber",
    "KLDivLoss": "losses:kl_div",
    "L1Loss": "losses:l1",
    "MSELoss": "losses:mse",
    "MultiMarginLoss": "losses:multi_margin",
    "NLLLoss": "losses:nll",
    "PoissonNLLLoss": "losses:poisson_nll",
    "SmoothL1Loss": "losses:smooth_l1",
    "SoftMarginLoss": "losses:soft_margin",
    **PADS,
}
"""Modules of torch.nn and the components that are the same, some of them with these settings."""

REFUSED = {
    r"^(Softmax|Softmin|LogSoftmax)-.*scalar$": "a number without axes",
    r"^BatchNorm.d-.*zero_batch$": "an empty batch has no mean",
    r"^(RNN|LSTM|GRU)-.*batch_first=False": "the batch's axis is the first everywhere",
    r"^LSTM-.*proj_size=2": "a linear layer behind an lstm projects its output, not its state",
    r"^MaxPool.d-.*return_indices$": "an output is one tensor",
    r"^KLDivLoss-[19]-scalar": "an input above 0 is no logarithm of a probability",
    r"^KLDivLoss-.*batchmean$": "reductions are those of every loss; kl_div's docstring gives the rest",
}
"""Samples that raise a ChainruleError on purpose, by a pattern of their names, and why."""

WITHOUT_COUNTERPART = [("batch_first", True), ("proj_size", 0)]
"""Arguments that components here do not have, with the values by which torch's do what these do."""

NOTHING_COUNTS = "CrossEntropyLoss-20-2d_ignore_index_mean"
"""The sample in which every target is ignored, where torch's mean is NaN and ours 0."""


def samples():
    for info in module_db:
        name = info.name.removeprefix("nn.")
        if name in TWINS:
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(0)
                found = info.module_inputs_func(
                    info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
                )
            for number, sample in enumerate(found):
                desc = sample.desc
                if issubclass(info.module_cls, torch.nn.RNNBase):
                    if len(sample.forward_input.args) > 1:
                        continue  # a first state; a module takes one tensor
                    options = sample.constructor_input.kwargs
                    desc = f"no_batch batch_first={options['batch_first']} proj_size={options.get('proj_size', 0)}"
                yield pytest.param(info.module_cls, sample, id=f"{name}-{number}-{desc}")


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("theirs", "sample"), list(samples()))
def test_a_sample_gives_what_torch_gives(theirs, sample, request):
    name = request.node.callspec.id
    arguments = sample.constructor_input.args
    options = {key: value for key, value in sample.constructor_input.kwargs.items() if key != "inplace"}
    settings = {key: value for key, value in options.items() if (key, value) not in WITHOUT_COUNTERPART}
    twin = theirs(*arguments, **options).double()
    given = (*sample.forward_input.args, *sample.forward_input.kwargs.values())
    inputs = [tensor.detach().clone() for tensor in given]
    is_one = (
        "no_batch" in name
        or re.search("MaxPool2d-.*3d_input", name)
        or inputs[0].dim() == 0
        or inspect.unwrap(sample.reference_fn) is no_batch_dim_reference_fn
    )
    rows = [tensor.unsqueeze(0) for tensor in inputs] if is_one else inputs
    state = copy.deepcopy(twin.state_dict())

    def results():
        ours = component_like(theirs, arguments, settings)
        return of_loss(ours, *rows) if isinstance(ours, Loss) else of_module(ours, rows[0], state)

    if any(re.search(pattern, name) for pattern in REFUSED):
        with pytest.raises(ChainruleError):
            results()
        return
    leaf = inputs[0].requires_grad_(inputs[0].is_floating_point())
    output = twin(leaf, *inputs[1:])
    leaves = [one for one in (leaf, *twin.parameters()) if one.requires_grad]
    output = output[0] if isinstance(output, tuple) else output  # without the last states of a recurrent layer
    weights = torch.linspace(-1, 2, output.numel(), dtype=torch.float64).view(output.shape)
    expected = [output, *torch.autograd.grad(output, leaves, weights)]
    if not isinstance(twin, torch.nn.modules.loss._Loss):
        expected += twin.buffers()
    if name == NOTHING_COUNTS:
        expected = [one.nan_to_num(0.0) for one in expected]
    for found, one in zip(results(), expected, strict=True):
        assert_close(found.reshape(one.shape), one.detach(), rtol=1e-10, atol=1e-12, equal_nan=True)


def component_like(theirs, arguments, settings):
    """Return the component of torch's arguments, by their names where some of its settings are given."""
    twin = TWINS[theirs.__name__]
    if isinstance(twin, str):
        return registry.create(*twin.split(":"), *arguments, **settings)
    key, given = twin
    named = inspect.signature(theirs).bind(*arguments, **settings).arguments
    return registry.create(*key.split(":"), **named, **given)


def of_module(module, x, state):
    """Return output, dL/dx if there is one, parameter gradients and buffers, from the twin's state on."""
    network = module.build(dtype=torch.float64)
    network.load_state_dict(state)
    y = network(x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=torch.float64).view(y.shape)
    grad = network.backward(weights, input_grad=True)
    gradients = (parameter.grad[0] for parameter in network.parameters())
    buffers = (buffer.data[0] for _, buffer in network.named_buffers())
    return [y, *([] if grad is None else [grad]), *gradients, *buffers]


def of_loss(loss, prediction, target):
    """Return the value and dL/dprediction."""
    value = loss(prediction, target)
    weights = torch.linspace(-1, 2, value.numel(), dtype=torch.float64).view(value.shape)
    return [value, loss.backward(weights)]
