"""Test the signatures of rules as torch's optimizers, from which configuration tools take their settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

import chainrule
from chainrule.optimizers import adamw, sgd
from chainrule.registry import lookup
from chainrule_torch import optim, optimizer


@pytest.fixture
def own_catalogue() -> Iterator[None]:
    lookup._of_process.clear()
    yield
    lookup._of_process.clear()


def test_a_signature_has_the_settings_of_the_rule() -> None:
    parameters = inspect.signature(optim.lion).parameters
    assert {"params", "lr", "schedule", "betas", "weight_decay", "maximize"} <= parameters.keys()
    assert "settings" not in parameters
    assert parameters["betas"].default == (0.9, 0.99)
    assert parameters["betas"].annotation == tuple[float, float]
    assert (parameters["release"].annotation, parameters["release"].default) == (bool, False)
    assert inspect.signature(optim.adam).parameters["weight_decay"].default == 0.0  # that beside the rule


def test_all_defaults_may_be_given() -> None:
    parameter = Parameter(torch.ones(2, 2))
    for kind, needed in ((optim.muon, {}), (optim.lookahead, {"inner": adamw(weight_decay=0.1)})):
        own = inspect.signature(kind).parameters.values()
        defaults = {each.name: each.default for each in own if each.default is not each.empty}
        stepper = kind([parameter], **needed, **defaults)
        assert stepper.defaults == kind([parameter], **needed).defaults


def test_a_wrapper_takes_the_settings_of_the_rule_inside() -> None:
    bound = inspect.signature(optim.lookahead).bind([], inner=sgd(), momentum=0.5)
    assert bound.arguments["settings"] == {"momentum": 0.5}


@pytest.mark.usefixtures("own_catalogue")
def test_a_rule_with_unknown_annotations_and_one_made_by_a_function_have_signatures() -> None:
    @chainrule.register("optimizers", "torch_hinted")
    class TorchHinted(chainrule.Optimizer):
        """Descend."""

        def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
            return grad

    TorchHinted.__annotations__["lr"] = "Unimported"  # as of what a module imports for type checkers alone
    chainrule.register("optimizers", "torch_made", lambda **settings: sgd(**settings))
    for name, known in (("torch_hinted", True), ("torch_made", False)):
        parameter = Parameter(torch.ones(2))
        stepper = optimizer(name, [parameter], lr=0.5)
        assert ("lr" in inspect.signature(type(stepper)).parameters) == known
        parameter.grad = torch.ones(2)
        stepper.step()
        assert torch.equal(parameter, torch.full((2,), 0.5))
