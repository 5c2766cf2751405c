"""Checks on layers and activations: state_dict, copies and repr."""

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


@check("layers", "activations", cause="a tensor used by forward that is not a Parameter and so not in state_dict.")
def state_holds_all_that_matters(example: Example) -> None:
    """A network that loads another's state_dict gives the same output: the state_dict holds all that was learned."""
    for members in (1, 3):
        trial = make_trial(example, members=members)
        trained, other = trial.trained(), make_trial(example, members=members, seed=7).network.eval()
        other.load_state_dict(trained.state_dict())
        outputs = [network.module.forward(trial.x) for network in (other, trained)]
        expect_close("the output of a network with the same state", *outputs, of=trial.x)


@check("layers", "activations", cause="a __deepcopy__ or __getstate__ that shares or omits an attribute.")
def deepcopy_is_equal_and_apart(example: Example) -> None:
    """A deepcopy gives the same output, and changing it leaves the original unchanged."""
    trial = make_trial(example, members=3)
    _expect_equal_and_apart("a deepcopy", trial, copy.deepcopy(trial.network))


@check("layers", "activations", cause="a lambda, a local class or an open file as an attribute.")
def pickle_is_equal_and_apart(example: Example) -> None:
    """A pickled copy of a built module gives the same output and is independent; sweeps and checkpoints rely on it."""
    if any("<locals>" in type(inner).__qualname__ for _, inner in named_modules(example[0])):
        raise NotApplicable("its class is local to a function, so pickle cannot import it")
    trial = make_trial(example, members=3)
    with expect_no_error("pickling the built module"):
        copied = pickle.loads(pickle.dumps(trial.network))  # noqa: S301 - pickled on this line
    _expect_equal_and_apart("a pickled copy", trial, copied)


def _expect_equal_and_apart(what: str, trial: Trial, copied: Network) -> None:
    expected = trial.network.eval().module.forward(trial.x).clone()
    expect_close(f"the output of {what}", copied.eval().module.forward(trial.x), expected, of=trial.x)
    for parameter in copied.parameters():
        parameter.data.add_(1.0)
    after = trial.network.module.forward(trial.x)
    expect_close(f"the original's output after a change to {what}", after, expected, of=trial.x)


@check("layers", "activations", cause="an argument not stored as an attribute of the same name.")
def repr_makes_the_same_again(example: Example) -> None:
    """The repr is one line of Python that evaluates to a module of the same settings and output, as reports require."""
    module, _ = example
    shown = repr(module)
    expect("\n" not in shown, f"repr must be one line, got {shown!r}.")
    known: dict[str, Any] = {"torch": torch}
    for _, inner in named_modules(module):
        for value in (inner, *vars(inner).values()):
            known[type(value).__name__] = type(value)
    try:
        again = eval(shown, known)  # noqa: S307 - the component's own repr
    except Exception as error:
        raise CheckFailed(f"repr must evaluate to a module, got {shown}, which raises {error!r}.") from error
    expect(repr(again) == shown, f"the evaluated repr must have the repr {shown}, got {again!r}.")
    got, expected = ([tuple(p.shape) for p in each.parameters()] for each in (again, module))
    expect(got == expected, f"the evaluated repr {shown} must have parameters of shapes {expected}, got {got}.")
    trial, other = make_trial(example), make_trial((again, example[1])).network
    other.load_state_dict(trial.network.state_dict())
    outputs = [network.eval().module.forward(trial.x) for network in (other, trial.network)]
    expect_close(f"the output of the evaluated repr {shown}", *outputs, of=trial.x)
