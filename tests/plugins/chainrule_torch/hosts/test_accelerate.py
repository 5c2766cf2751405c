"""Test that accelerate trains with rules as it does with torch's optimizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from chainrule_torch import optim

from .small import RULES, batches, decayed, loss_of, network, plain_loop, stepper_for, weights, whole_loss

accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed; the extra hosts has it")


def prepared(name: str, **settings: Any) -> tuple[Any, ...]:
    accelerator = accelerate.Accelerator(cpu=True, **settings)
    net = network(name)
    stepper = stepper_for(net, name)
    return accelerator, *accelerator.prepare(net, stepper, batches(), decayed(stepper))


def epoch(accelerator: Any, net: Any, stepper: Any, loader: Any) -> None:
    for x, y in loader:
        with accelerator.accumulate(net):
            accelerator.backward(loss_of(net, x, y))
            stepper.step()
            stepper.zero_grad()


@pytest.fixture(autouse=True)
def fresh_state() -> Any:
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", RULES)
def test_trains_as_a_plain_loop_and_goes_on_from_a_saved_state(name: str, accumulate: int, tmp_path: Path) -> None:
    settings = {"gradient_accumulation_steps": accumulate, "step_scheduler_with_optimizer": False}
    accelerator, net, stepper, loader, schedule = prepared(name, **settings)
    epoch(accelerator, net, stepper, loader)
    schedule.step()
    accelerator.save_state(str(tmp_path))
    epoch(accelerator, net, stepper, loader)
    torch.testing.assert_close(weights(net), plain_loop(name, accumulate=accumulate), rtol=0, atol=0)
    accelerator.load_state(str(tmp_path))
    epoch(accelerator, net, stepper, loader)
    torch.testing.assert_close(weights(net), plain_loop(name, accumulate=accumulate), rtol=0, atol=0)


@pytest.mark.parametrize("name", RULES)
def test_trains_in_mixed_precision(name: str) -> None:
    accelerator, net, stepper, loader, _ = prepared(name, mixed_precision="bf16")
    before = whole_loss(network(name))
    for _ in range(3):
        epoch(accelerator, net, stepper, loader)
    assert {one.dtype for one in net.parameters()} == {torch.float32}
    assert whole_loss(net) < before


def test_lets_a_rule_evaluate_with_its_own_parameters() -> None:
    accelerator, net, stepper, loader, _ = prepared("schedule_free_adamw")
    epoch(accelerator, net, stepper, loader)
    before = weights(net)
    stepper.eval()
    assert not all(map(torch.equal, weights(net), before))
    stepper.train()
    assert all(map(torch.equal, weights(net), before))


def test_starts_from_weights_that_are_loaded_after_preparing() -> None:
    """Preparing loads the optimizer's own state into it; the rule must start at the weights of its first step."""
    accelerator, net, stepper, loader, _ = prepared("schedule_free_adamw")
    with torch.no_grad():
        for one in net.parameters():
            one.add_(1)
    other = network("schedule_free_adamw")
    other.load_state_dict(net.state_dict())
    theirs = stepper_for(other, "schedule_free_adamw")
    for x, y in batches():
        loss_of(other, x, y).backward()
        theirs.step()
        theirs.zero_grad()
    epoch(accelerator, net, stepper, loader)
    assert all(map(torch.equal, weights(net), weights(other)))


def test_a_saved_model_has_every_parameter_though_they_are_flattened(tmp_path: Path) -> None:
    accelerator = accelerate.Accelerator(cpu=True)
    net = network("adam")
    net, stepper = accelerator.prepare(net, optim.adamw(net.parameters(), flatten=True))
    epoch(accelerator, net, stepper, batches())
    accelerator.save_model(net, str(tmp_path))
    saved = pytest.importorskip("safetensors.torch").load_file(tmp_path / "model.safetensors")
    torch.testing.assert_close(saved, dict(net.state_dict()), rtol=0, atol=0)
