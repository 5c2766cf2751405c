"""A recorded step is the step; recording itself needs a CUDA device, so here a stand-in runs the operations again."""

import copy

import pytest
import torch

import chainrule
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, lookahead, rmsprop, sgd
from chainrule.training.steps import cuda_graph
from chainrule.training.steps.cuda_graph import GraphedStep
from chainrule.training.steps.eager import TrainingStep
from tests.contracts.correct_modules import BatchNorm, Dropout

RULES = [adam(schedule=lambda t: 1 / t), rmsprop(lr=torch.tensor([1e-3, 1e-2])), sgd(lr=0.1, momentum=0.9)]


def run_again(operations):
    """Do as a CUDA graph does: warm up, and write every replay's outputs into the same tensors."""
    for _ in range(cuda_graph.WARM_UP_CALLS):
        outputs = operations()

    def replay():
        for kept, new in zip(outputs, operations(), strict=True):
            kept.copy_(new)

    return replay, outputs


def build(device="cpu"):
    layers = sequential(linear(3, 8), tanh(), BatchNorm(8), Dropout(0.3), linear(8, 2))
    return layers.build(seeds=[0, 1], dtype=torch.float64, device=device)


@pytest.mark.parametrize("rule", RULES, ids=["adam", "rmsprop", "sgd"])
def test_a_recorded_step_follows_the_same_trajectory(rule, monkeypatch):
    monkeypatch.setattr(cuda_graph, "record", run_again)
    plain = build()
    recorded = copy.deepcopy(plain)
    steps = [
        kind(network, mse(members=True), rule.attach(network, clip_norm=1.0))
        for kind, network in ((TrainingStep, plain), (GraphedStep, recorded))
    ]
    generator = torch.Generator().manual_seed(0)
    for rows in (4, 4, 3, 4, 3):  # two shapes, so two recordings, the second in the middle of training
        x, y = (torch.randn(2, rows, size, generator=generator, dtype=torch.float64) for size in (3, 2))
        outputs = [step(x, y) for step in steps]
        for ours, theirs in zip(*outputs, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(recorded.state_dict(), plain.state_dict(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(recorded.random_state(), plain.random_state(), rtol=0, atol=0)


def test_a_recording_that_does_not_read_its_numbers_anew_shows(monkeypatch):
    monkeypatch.setattr(
        "chainrule.updates.moment.TensorMoment.fill", lambda self, moment: self.__dict__.setdefault("m", moment)
    )
    with pytest.raises(AssertionError, match="not close"):
        test_a_recorded_step_follows_the_same_trajectory(RULES[0], monkeypatch)


@pytest.mark.parametrize(
    "change",
    [
        lambda network, _: setattr(network.module.modules[3], "p", 0.9),
        lambda network, _: network.freeze("0.*"),
        lambda _, updater: setattr(updater, "clip_norm", 1e-3),
        lambda _, updater: updater.set_lr(torch.tensor([0.1, 0.3])),
    ],
)
def test_settings_that_change_are_recorded_anew(change, monkeypatch):
    """The stand-in runs Python again, so a graph that would go on unchanged is one that is not recorded again."""
    recorded = []
    monkeypatch.setattr(cuda_graph, "record", lambda operations: recorded.append(1) or run_again(operations))
    network = build()
    step = GraphedStep(network, mse(members=True), sgd(lr=0.1).attach(network))
    x, y = (torch.ones(2, 4, size, dtype=torch.float64) for size in (3, 2))
    for _ in range(2):
        step.follow_settings()
        step(x, y)
    assert len(recorded) == 1
    change(network, step.updater)
    step.follow_settings()
    step(x, y)
    assert len(recorded) == 2


def test_what_is_done_every_few_steps_is_recorded_twice(monkeypatch):
    recorded = []
    monkeypatch.setattr(cuda_graph, "record", lambda operations: recorded.append(1) or run_again(operations))
    networks = [build(), build()]
    rule = lookahead(inner=adam(lr=0.1), k=3)
    plain, graphed = (
        kind(network, mse(members=True), rule.attach(network))
        for kind, network in zip((TrainingStep, GraphedStep), networks, strict=True)
    )
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 4, size, generator=generator, dtype=torch.float64) for size in (3, 2))
    for _ in range(7):
        plain(x, y)
        graphed(x, y)
    torch.testing.assert_close(networks[1].flat.data, networks[0].flat.data, rtol=1e-12, atol=1e-12)
    assert len(recorded) == 2


def test_a_network_on_the_cpu_is_refused():
    network = build()
    data = torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.float64)
    with pytest.raises(chainrule.ChainruleError, match="needs a network on a CUDA device, got one on cpu"):
        chainrule.fit(network, mse(), sgd(), train=data, cuda_graph=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rule", RULES, ids=["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_training_on_cuda_gives_what_the_cpu_gives(rule, cuda_graph):
    x = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = x[:, :2].sin()
    histories = []
    for device in ("cpu", "cuda"):
        network = build(device)
        histories.append(
            chainrule.fit(
                network,
                mse(),
                rule,
                train=(x.to(device), y.to(device)),
                epochs=3,
                batch_size=8,
                cuda_graph=cuda_graph and device == "cuda",
            )["train_loss"].cpu()
        )
    torch.testing.assert_close(histories[1], histories[0], rtol=1e-9, atol=1e-9)
