"""Checks on layers and activations: state between passes, and random numbers."""

from __future__ import annotations

import copy

from chainrule.base.buffer import Buffer
from chainrule.base.module import named_held
from chainrule.base.random_numbers import Random
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_different
from chainrule.testing.modules.trials import Example, make_trial
from chainrule.training.steps.snapshot import Snapshot, undeclared_tensors


@check("layers", "activations", cause="an attribute set in forward, or a tensor changed in place; declare a Buffer.")
def passes_keep_declared_state_only(example: Example) -> None:
    """A forward and backward pass changes no attribute or tensor of the module except declared state.

    Undeclared state is missing from saved states, shared by all members, and unknown to compiled steps.
    """
    trial = make_trial(example, members=3)
    for mode in (True, False):
        module = trial.module()
        module.train(mode)
        parts = [inner for _, inner in module.named_modules()]
        before, tensors = Snapshot(parts), undeclared_tensors(parts)
        values = {name: tensor.clone() for name, tensor in tensors.items()}
        module.forward(trial.x)
        if mode:
            module.backward(trial.grad_output)
        name = "train" if mode else "eval"
        changed = before.difference()
        expect(changed is None, f"a pass in {name} mode must change declared state only, got a change of {changed}.")
        for path, tensor in tensors.items():
            expect_close(f"{path} after a pass in {name} mode", tensor, values[path])


@check("layers", "activations", cause="an update of running statistics, or a draw, outside if self.training.")
def eval_mode_changes_nothing(example: Example) -> None:
    """Forward in eval mode changes no buffer and draws no random numbers, so that evaluation never affects training."""
    network = copy.deepcopy(make_trial(example, members=3).network)
    if not list(named_held(network.module, Buffer)) and not network.random_state():
        raise NotApplicable("it has neither buffers nor random numbers")
    buffers = {name: buffer.data.clone() for name, buffer in network.named_buffers()}
    streams = network.random_state()
    network.eval()
    for _ in range(2):
        network.module.forward(make_trial(example, members=3).x)
    for name, buffer in network.named_buffers():
        expect_close(f"the buffer {name} after evaluating", buffer.data, buffers[name])
    for name, state in network.random_state().items():
        drawn = int(state["counter"] - streams[name]["counter"])
        expect(not drawn, f"{name} must not draw in eval mode, got {drawn} draws.")


@check("layers", "activations", cause="a mask drawn once and kept, or one of shape (1, …) shared by all members.")
def draws_differ_by_member_and_call(example: Example) -> None:
    """Members with equal inputs get different random numbers, as do successive calls.

    A constant mask does not regularize, and a shared mask reduces an ensemble to one network.
    """
    network = copy.deepcopy(make_trial(example, members=2, rows=16).network)
    streams = list(named_held(network.module, Random))
    if not streams:
        raise NotApplicable("it draws no random numbers")
    x = make_trial(example, members=2, rows=16).x
    x = x[:1].expand_as(x).contiguous()
    for parameter in network.parameters():
        parameter.data.copy_(parameter.data[:1].expand_as(parameter.data))
    first = network.module.forward(x).clone()
    second = network.module.forward(x).clone()
    what = "the output for equal inputs"
    expect_different(what, first[0], first[1], "two members must draw different numbers, got the same output.")
    expect_different(what, second, first, "two calls must draw different numbers, got the same output.")


@check("layers", "activations", cause="state held in neither state_dict nor random_state.")
def training_continues_from_a_saved_state(example: Example) -> None:
    """A network that loads another's state_dict and random_state continues its training bit for bit."""
    trial = make_trial(example, members=3)
    trained, other = copy.deepcopy(trial.network), make_trial(example, members=3, seed=7).network
    trained.module.forward(trial.x)
    trained.module.backward(trial.grad_output)
    other.load_state_dict(trained.state_dict())
    other.load_random_state(trained.random_state())
    outputs = [network.module.forward(trial.x) for network in (other, trained)]
    expect_close("the train-mode output of a network with the loaded state", *outputs, of=trial.x)
