"""Checks on layers and activations: saved states, copies and representations."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import torch

from chainrule.base.module import named_modules
from chainrule.network import Network
from chainrule.testing.check import CheckFailed, NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_no_error
from chainrule.testing.modules.trials import Example, Trial, make_trial


@check("layers", "activations", cause="a tensor that forward uses and that is no Parameter, so no state holds it.")
def state_holds_all_that_matters(example: Example) -> None:
    """A network that loads this one's state_dict evaluates to the same output: the state holds all that was learned."""
    for members in (1, 3):
        trial = make_trial(example, members=members)
        trained = copy.deepcopy(trial.network)
        trained.module.forward(trial.x)
        trained.module.backward(trial.grad_output)
        other = make_trial(example, members=members, seed=7).network
        other.load_state_dict(trained.state_dict())
        outputs = [network.eval().module.forward(trial.x) for network in (other, trained)]
        expect_close("the output of a network with the same state", *outputs, of=trial.x)


@check("layers", "activations", cause="a __deepcopy__ or __getstate__ that shares or forgets something.")
def deepcopy_is_equal_and_apart(example: Example) -> None:
    """A deepcopy gives the same results, and changing it leaves the original unchanged."""
    trial = make_trial(example, members=3)
    _expect_equal_and_apart("a deepcopy", trial, copy.deepcopy(trial.network))


@check("layers", "activations", cause="a lambda, a local class or an open file as an attribute.")
def pickle_is_equal_and_apart(example: Example) -> None:
    """A built module survives pickling, as workers of a sweep and checkpoints need."""
    if any("<locals>" in type(inner).__qualname__ for _, inner in named_modules(example[0])):
        raise NotApplicable("its class stands inside a function, where pickle cannot find it")
    trial = make_trial(example, members=3)
    with expect_no_error("pickling the built module"):
        copied = pickle.loads(pickle.dumps(trial.network))  # noqa: S301 - it was pickled here
    _expect_equal_and_apart("a pickled copy", trial, copied)


def _expect_equal_and_apart(what: str, trial: Trial, copied: Network) -> None:
    expected = trial.network.eval().module.forward(trial.x).clone()
    expect_close(f"the output of {what}", copied.eval().module.forward(trial.x), expected, of=trial.x)
    for parameter in copied.parameters():
        parameter.data.add_(1.0)
    after = trial.network.module.forward(trial.x)
    expect_close(f"the original's output after a change of {what}", after, expected, of=trial.x)


@check("layers", "activations", cause="an argument that is not kept as an attribute of the same name.")
def repr_makes_the_same_again(example: Example) -> None:
    """The repr is one line of Python that creates a module with the same settings, so that reports can be read."""
    module, _ = example
    shown = repr(module)
    expect("\n" not in shown, f"repr must be one line, got {shown!r}.")
    known: dict[str, Any] = {"torch": torch}
    for _, inner in named_modules(module):
        for value in (inner, *vars(inner).values()):
            known[type(value).__name__] = type(value)
    try:
        again = eval(shown, known)  # noqa: S307 - the component's own text
    except Exception as error:
        raise CheckFailed(f"repr must be Python that makes the module, got {shown}, raising {error!r}.") from error
    expect(repr(again) == shown, f"repr must stay the same when evaluated, {shown}, got {again!r}.")
    got, expected = ([tuple(p.shape) for p in each.parameters()] for each in (again, module))
    expect(got == expected, f"{shown} must make parameters of shapes {expected}, got {got}.")
