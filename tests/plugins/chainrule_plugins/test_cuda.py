"""Every component gives on a CUDA device what it gives on the CPU, in float64."""

import copy

import pytest
import torch
from torch.testing import assert_close

import chainrule
from chainrule.activations import relu
from chainrule.layers import (
    batch_norm,
    conv2d,
    dropout,
    embedding,
    flatten,
    global_avg_pool,
    gru,
    linear,
    max_pool2d,
    sequential,
    transformer_block,
)
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam, lion, sgd
from chainrule.registry import load
from chainrule.testing.modules.trials import make_trial
from chainrule.testing.optimizers.trials import Weights
from tests.built_ins import BUILT_IN, built_in_rules

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

MODULES = [record for record in BUILT_IN if record.kind in ("layers", "activations")]
LOSSES = [record for record in BUILT_IN if record.kind == "losses"]
METRICS = [record for record in BUILT_IN if record.kind == "metrics"]


def same(found, expected):
    assert found.device.type == "cuda"
    assert_close(found.cpu(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("record", MODULES, ids=lambda record: record.key)
def test_a_module_gives_what_it_gives_on_the_cpu(record):
    for example in load(record).examples():
        trial = make_trial(example, members=2)
        module, _ = example
        network = copy.deepcopy(module).build(seeds=[0, 1], dtype=torch.float64, device="cuda")
        network.load_state_dict(trial.network.state_dict())
        expected = trial.run()
        y = network(trial.x.cuda(), per_member=True)
        grad = network.backward(trial.grad_output.cuda(), input_grad=True)
        same(y, expected.output)
        if expected.input_grad is not None:
            same(grad, expected.input_grad)
        for name, parameter in network.named_parameters():
            same(parameter.grad, expected.parameter_grads[name])


@pytest.mark.parametrize("record", LOSSES, ids=lambda record: record.key)
def test_a_loss_gives_what_it_gives_on_the_cpu(record):
    for loss, prediction, target in load(record).examples():
        other = copy.deepcopy(loss)
        same(other(prediction.cuda(), target.cuda()), loss(prediction, target))
        same(other.backward(), loss.backward())


@pytest.mark.parametrize("record", METRICS, ids=lambda record: record.key)
def test_a_metric_gives_what_it_gives_on_the_cpu(record):
    for metric, prediction, target in load(record).examples():
        same(metric(prediction.cuda(), target.cuda()), metric(prediction, target))


def step_on_both(rule, shape, **options):
    """Return what six steps make of the same parameters on the CPU and on the device, and the device's updater."""
    networks = [Weights({"0": shape}).build(seeds=[0, 1], dtype=torch.float64, device=at) for at in ("cpu", "cuda")]
    networks[1].load_state_dict(networks[0].state_dict())
    updaters = [rule.attach(networks[0]), rule.attach(networks[1], **options)]
    for t in range(6):
        for network in networks:
            grad = torch.cos(torch.arange(network.flat.grad.numel(), dtype=torch.float64) + t)
            network.flat.grad.copy_(grad)
        for updater in updaters:
            updater.step()
    return networks[1].flat.data, networks[0].flat.data, updaters[1]


@pytest.mark.parametrize("rule", built_in_rules(), ids=lambda rule: rule.__name__)
def test_a_rule_steps_as_on_the_cpu(rule):
    for example in rule.examples():
        rank = min(example.ranks)
        found, expected, _ = step_on_both(example, (4, 3, 2, 2)[:rank])
        same(found, expected)


@pytest.mark.parametrize("rule", [adam(), lion(), sgd(momentum=0.9)], ids=["adam", "lion", "sgd"])
def test_a_fused_rule_steps_as_on_the_cpu(rule):
    found, expected, updater = step_on_both(rule, (512, 512), compile=True)
    assert updater.compiled
    same(found, expected)


IMAGES = torch.randn(24, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TEXTS = torch.randint(10, (24, 6), generator=torch.Generator().manual_seed(0))
NETWORKS = {
    "convolutions": (
        lambda: sequential(
            conv2d(1, 4, 3, padding="same"),
            batch_norm(4),
            relu(),
            max_pool2d(2),
            dropout(0.2),
            flatten(),
            linear(64, 3),
        ),
        IMAGES,
    ),
    "attention": (
        lambda: sequential(
            embedding(10, 8), transformer_block(8, 2, causal=True, dropout=0.1), flatten(), linear(48, 3)
        ),
        TEXTS,
    ),
    "recurrence": (lambda: sequential(embedding(10, 4), gru(4, 5, output="last"), linear(5, 3)), TEXTS),
    "pooling": (lambda: sequential(conv2d(1, 3, 3, stride=2), relu(), global_avg_pool()), IMAGES),
}


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_as_on_the_cpu(name, compile):
    make, x = NETWORKS[name]
    y = torch.arange(len(x)) % 3
    curves = []
    for device in ("cpu", "cuda"):
        network = make().build(seeds=[0, 1], dtype=torch.float64, device=device)
        history = chainrule.fit(
            network,
            cross_entropy(weight=[0.5, 1.0, 2.0], label_smoothing=0.1),
            adam(lr=1e-2),
            train=(x.to(device), y.to(device)),
            epochs=3,
            batch_size=8,
            metrics=["accuracy"],
            compile=compile and device == "cuda",
        )
        curves.append(history["train_loss"].cpu())
    assert_close(curves[1], curves[0], rtol=1e-9, atol=1e-9)
