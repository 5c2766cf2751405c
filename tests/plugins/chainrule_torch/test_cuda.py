"""A rule steps a torch module on a CUDA device as on the CPU."""

import copy

import pytest
import torch

from chainrule_torch import optimizer

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

NAMES = ["adamw", "lion", "schedule_free_adamw", "lamb", "muon"]


def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 6, bias=False), torch.nn.Tanh(), torch.nn.Linear(6, 2, bias=False))


def train(net, stepper, scaler=None, steps=5):
    device = next(net.parameters()).device
    for t in range(steps):
        x = torch.sin(torch.arange(20.0, dtype=torch.float64) + t).view(5, 4).to(device)
        stepper.zero_grad()
        loss = net(x).square().sum()
        if scaler is None:
            loss.backward()
            stepper.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(stepper)
            scaler.update()


CASES = [
    *((name, {}) for name in NAMES),
    *((name, {"compile": True}) for name in NAMES),
    *((name, {"flatten": True}) for name in NAMES if name not in ("lamb", "muon")),  # which are not elementwise
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: "".join(value) or "plain")
def test_a_rule_steps_a_module_as_on_the_cpu(name, options):
    networks = [model().double(), copy.deepcopy(model()).double().cuda()]
    for net, own in zip(networks, ({}, options), strict=True):
        train(net, optimizer(name, net.parameters(), lr=1e-2, **own))
    for found, expected in zip(networks[1].parameters(), networks[0].parameters(), strict=True):
        assert found.device.type == "cuda"
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-11)


def test_a_step_that_the_scaler_skips_is_not_counted():
    net = model().double().cuda()
    stepper, scaler = optimizer("adamw", net.parameters(), lr=1e-2), torch.amp.GradScaler("cuda")
    train(net, stepper, scaler, steps=2)
    before = copy.deepcopy(net.state_dict())
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, float("inf"))
    scaler.scale(torch.ones((), device="cuda"))
    scaler.unscale_(stepper)
    scaler.step(stepper)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert {int(state["step"]) for state in stepper.state.values()} == {2}


def test_parameters_may_be_on_two_devices():
    net = model().double()
    net[2].cuda()
    stepper = optimizer("adamw", net.parameters(), lr=1e-2)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = [parameter.detach().cpu().clone() for parameter in net.parameters()]
    stepper.step()
    moved = [(a - b.detach().cpu()).abs() for a, b in zip(before, net.parameters(), strict=True)]
    for each in moved:
        torch.testing.assert_close(each, torch.full_like(each, 0.01), rtol=0.1, atol=0)
