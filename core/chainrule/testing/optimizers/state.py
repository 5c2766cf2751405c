"""Checks on optimizers: state, side effects and resuming."""

from __future__ import annotations

import copy
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.random_streams import random_stream
from chainrule.network import Network
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close
from chainrule.testing.optimizers.fresh_process import in_fresh_process
from chainrule.testing.optimizers.trials import (
    STEPS,
    Alone,
    Factors,
    changed,
    expect_same,
    inner_of,
    moved,
    shapes_for,
    take,
    weights,
)
from chainrule.updates.chain import Chain
from chainrule.updates.updater import Updater

WARM_UP = Factors((0.2, 0.4, 0.6, 0.8, 1.0))
"""A warm-up during which runs are interrupted."""


@check("optimizers", cause="mul_, add_ or another in-place operation on grad or parameter, or on a view of them.")
def update_changes_only_its_state(rule: Optimizer) -> None:
    """`update` leaves parameter and grad unchanged, and `apply` leaves grad unchanged.

    Gradients are read again, by logs and other rules.
    """
    for shape in shapes_for(rule).values():
        parameter, grad = torch.randn(2, *shape, generator=random_stream(0, "tensors"), dtype=torch.float64).unbind()
        before, given = parameter.clone(), grad.clone()
        alone = Alone(rule, parameter)
        expect_close("the parameter after init", parameter, before, of=before)
        for t in range(1, 2 * alone.chain.stride + 1):
            gradient, steps = alone.steps(grad, t)
            kept = gradient.clone()
            if type(inner_of(rule)).update is not Optimizer.update and alone.chain.reaches_inner(steps):
                alone.chain.direction(parameter, gradient, alone.states, steps)
            expect_close(f"the parameter after update at step {t}", parameter, before, of=before)
            alone.chain.apply(parameter, gradient, alone.states, steps)
            expect_close(f"grad after step {t}", grad, given, of=given)
            expect_close(f"the inner rule's gradient after step {t}", gradient, kept, of=given)
            before = parameter.clone()


@check("optimizers", cause="an init that returns the parameter or one tensor twice, another dtype, or a growing list.")
def state_keeps_its_form(rule: Optimizer) -> None:
    """The state keeps its names, shapes, dtypes and memory addresses; its entries and the parameter share no memory.

    Floating-point entries have the parameter's dtype. Nothing grows on the rule or its class: a step's memory is fixed.
    """
    for dtype in (torch.float32, torch.float64):
        for shape in shapes_for(rule).values():
            parameter = torch.randn(shape, generator=random_stream(0, "tensors"), dtype=torch.float64).to(dtype)
            alone = Alone(rule, parameter)
            state = alone.state
            _expect_own_memory(state, parameter)
            form = _form(state)
            for name, entry in state.items():
                fits = not entry.is_floating_point() or entry.dtype == dtype
                expect(fits, f"state[{name!r}] of a parameter of {dtype} must have that dtype, got {entry.dtype}.")
            attributes = _attributes(rule)
            for t in range(1, 2 * STEPS + 1):
                grad = torch.randn(shape, generator=random_stream(t, "gradient"), dtype=torch.float64).to(dtype)
                alone.step(grad, t)
                expect(_form(state) == form, f"the state after step {t} must be {form}, got {_form(state)}.")
            now = _attributes(rule)
            expect(now == attributes, f"attributes of the rule and its class must remain {attributes}, got {now}.")


def _form(state: dict[str, Tensor]) -> dict[str, Any]:
    """Return the names, shapes, dtypes and memory addresses of a state."""
    return {name: (tuple(entry.shape), entry.dtype, entry.data_ptr()) for name, entry in state.items()}


def _expect_own_memory(state: dict[str, Tensor], parameter: Tensor) -> None:
    places = {"the parameter": parameter.untyped_storage().data_ptr()}
    for name, entry in state.items():
        place = entry.untyped_storage().data_ptr()
        shared = [other for other, taken in places.items() if taken == place]
        expect(not shared, f"state[{name!r}] must not share memory, got that of {''.join(shared[:1])}. Use clone().")
        places[f"state[{name!r}]"] = place


def _attributes(rule: Optimizer) -> dict[str, str]:
    """Return the data attributes of the rule and its classes, as text."""
    own = {name: repr(value) for name, value in vars(rule).items()}
    for kind in type(rule).__mro__[: type(rule).__mro__.index(Optimizer)]:
        data = {name: value for name, value in vars(kind).items() if not name.startswith("__") and not callable(value)}
        own |= {name: repr(value) for name, value in data.items() if not isinstance(value, classmethod | staticmethod)}
    return own


@check("optimizers", cause="a counter or moment kept on the rule, its class or the module instead of in state.")
def runs_are_deterministic(rule: Optimizer) -> None:
    """Two runs of one rule are bit-identical, as is a run of a copy made before the first."""
    fresh = copy.deepcopy(rule)
    first = moved(rule, weights(rule)).state_dict()
    for what, again in (("a second run", rule), ("a run of an earlier copy", fresh)):
        expect_same(f"after {what}, as after the first,", moved(again, weights(rule)).state_dict(), first)


@check("optimizers", cause="torch.rand_like or another draw from the global generator; use a generator seeded by t.")
def no_global_randomness_is_touched(rule: Optimizer) -> None:
    """Attaching and stepping draw nothing from the global generators of torch, numpy and Python.

    Otherwise the choice of rule would change the order of batches, and results would depend on earlier draws.
    """
    before = _random_states()
    moved(rule, weights(rule))
    for name, state in _random_states().items():
        expect(state == before[name], f"the global generator of {name} must be unchanged, got a draw in {STEPS} steps.")


def _random_states() -> dict[str, Any]:
    states: dict[str, Any] = {"torch": torch.get_rng_state().tolist(), "Python": random.getstate()}
    if "numpy" in sys.modules:
        states["numpy"] = [str(part) for part in sys.modules["numpy"].random.get_state()]
    return states


@check("optimizers", cause="state on the rule or its class, shared by all updaters of the rule.")
def updaters_do_not_interact(rule: Optimizer) -> None:
    """Two updaters of one rule that step alternately on two networks act as each would alone, bit for bit."""
    networks = [weights(rule, seeds=[seed]) for seed in (0, 1)]
    updaters = [rule.attach(network) for network in networks]
    for _ in range(STEPS):
        for updater in updaters:
            take(updater, 1)
    for network in networks:
        alone = moved(copy.deepcopy(rule), weights(rule, seeds=network.seeds))
        what = f"of network {network.seeds[0]} stepping in turn with another, as alone,"
        expect_same(what, network.state_dict(), alone.state_dict())


@check("optimizers", cause="a counter on the rule, or a value recomputed by init, in place of an entry in state.")
def resumes_to_the_bit(rule: Optimizer) -> None:
    """A run saved to a file after 0, 1 or 4 of 8 steps and loaded continues bit for bit.

    This holds under the rule's own schedule and in the middle of a warm-up; the file is loaded with weights_only=True.
    """
    for one in (rule, changed(rule, schedule=WARM_UP)):
        expected = moved(copy.deepcopy(one), weights(one), 8).state_dict()
        for done in (0, 1, 4):
            network = weights(one)
            updater = copy.deepcopy(one).attach(network)
            take(updater, done)
            resumed, goes_on = _through_a_file(copy.deepcopy(one), network, updater)
            take(goes_on, 8 - done)
            expect_same(f"resumed after step {done} of 8, as without a break,", resumed.state_dict(), expected)


def _through_a_file(rule: Optimizer, network: Network, updater: Updater) -> tuple[Network, Updater]:
    """Return a new network and updater that loaded the state of the given ones from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.pt"
        torch.save({"network": network.state_dict(), "updater": updater.state_dict()}, path)
        saved = torch.load(path, weights_only=True)
    other = weights(rule)
    other.flat.data.zero_()
    attached = rule.attach(other)
    other.load_state_dict(saved["network"])
    attached.load_state_dict(saved["updater"])
    return other, attached


@check("optimizers", limit=1, cause="state that exists only in this process: a global, a counter, a hash or an id.")
def resumes_in_a_fresh_process(rule: Optimizer) -> None:
    """A run of the first example, saved after 4 of 8 steps of a warm-up, continues bit for bit in another process.

    That process receives only the pickled rule and the saved states, like the restart of an interrupted job.
    """
    rule = changed(rule, schedule=WARM_UP)
    network = weights(rule)
    updater = rule.attach(network)
    take(updater, 4)
    with tempfile.TemporaryDirectory() as folder:
        got = in_fresh_process(rule, updater, 4, Path(folder))
    take(updater, 4)
    expect_same("resumed after step 4 of 8 in a fresh process, as here,", got, network.state_dict())


@check("optimizers", cause="an evaluation_parameter that changes its arguments in place.")
def evaluation_changes_nothing(rule: Optimizer) -> None:
    """evaluation_parameter changes neither parameter nor state.

    A run must not depend on how often it is evaluated.
    """
    if not Chain(rule).evaluates_elsewhere:
        raise NotApplicable("the rule does not override evaluation_parameter")
    for shape in shapes_for(rule).values():
        parameter = torch.randn(shape, generator=random_stream(0, "tensors"), dtype=torch.float64)
        alone = Alone(rule, parameter)
        state = alone.state
        for t in range(1, STEPS + 1):
            alone.step(torch.randn(shape, generator=random_stream(t, "gradient"), dtype=torch.float64), t)
            before, kept = parameter.clone(), {name: entry.clone() for name, entry in state.items()}
            alone.chain.evaluation_parameter(parameter, alone.states)
            expect_close(f"the parameter after evaluation at step {t}", parameter, before, of=before)
            for name, entry in state.items():
                expect_close(f"state[{name!r}] after evaluation at step {t}", entry, kept[name], of=kept[name])
