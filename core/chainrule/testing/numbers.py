"""The numbers behind one pass in float64: input, saved tensors, output, and every gradient computed in three ways."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from chainrule.base.module import named_modules
from chainrule.errors import label
from chainrule.formulas import gradient_formulas
from chainrule.testing.check import NotApplicable
from chainrule.testing.compare import TO_AUTOGRAD, TO_DIFFERENCES, central_difference, expect, relative_error
from chainrule.testing.losses.gradients import traced_gradient
from chainrule.testing.losses.trials import LossExample, expect_defined, with_reduction
from chainrule.testing.losses.trials import gradient as loss_gradient
from chainrule.testing.modules.gradients import traced_gradients
from chainrule.testing.modules.trials import Example, Trial, given, make_trial, shape_of

ROWS = 3
"""The rows of the batch, the last of which repeats the first where examples come with their inputs."""


MANY = 500
"""The entries up to which central differences take no time to speak of."""


@dataclass(frozen=True)
class Gradient:
    """One gradient: for each entry what backward, central differences and autograd give.

    Attributes:
        name: "x", "prediction", or the dotted name of a parameter.
        formula: its part of the docstring's section Backward.
        hand: what backward computes; all others have its shape.
        difference: by central differences.
        autograd: None where autograd does not reach it.
        error: the relative error of hand, absolute below 1: to difference, or where it is only too great there, to
            autograd.
        agrees: whether hand is as close to both as the conformance kit demands.
    """

    name: str
    formula: str
    hand: Tensor
    difference: Tensor
    autograd: Tensor | None
    error: Tensor
    agrees: Tensor


@dataclass(frozen=True)
class Numbers:
    """One pass of a component's first small example.

    Attributes:
        example: its repr.
        about: what is computed.
        given: the tensors that go in, by symbol.
        saved: the tensors that forward saved for backward, by name.
        returned: what comes out, by symbol.
        gradients: the compared gradients.
        notes: what could not be computed, and why.
    """

    example: str
    about: str
    given: Mapping[str, Tensor]
    saved: Mapping[str, Tensor]
    returned: Mapping[str, Tensor]
    gradients: list[Gradient]
    notes: list[str]

    @property
    def agree(self) -> bool:
        """Whether every entry of every gradient agrees."""
        return all(bool(gradient.agrees.all()) for gradient in self.gradients)


def numbers_of_module(examples: Sequence[Example]) -> Numbers:
    """Return the numbers of a layer or activation, of L = Σ y · dL/dy for a drawn dL/dy.

    Raises:
        CheckFailed: if the output is NaN, or a gradient lacks the shape of its tensor.
    """
    example = _small(examples, lambda one: ROWS * prod(shape_of(one)) + sum(prod(p.shape) for p in one[0].parameters()))
    trial = make_trial(example, rows=ROWS)
    module, notes = trial.module(), []
    output = module.forward(trial.x)
    saved = dict(_saved_in(module))
    autograd, reason = _unless_untraceable(lambda: traced_gradients(trial))
    done = trial.run()
    tensors = {name: parameter.data for name, parameter in trial.network.named_parameters()}
    hand = dict(done.parameter_grads)
    if trial.x.is_floating_point():
        hand = {"x": given(done.input_grad), **hand}
        tensors = {"x": trial.x, **tensors}
    else:
        notes.append("x holds integers, which have no derivative, so there is no dL/dx.")
    formulas = _formulas(trial, list(hand))
    gradients = [
        _compared(name, formulas[name], hand[name], central_difference(trial.scalar(), at), autograd.get(name))
        for name, at in tensors.items()
    ]
    notes += reason or [
        f"autograd does not reach {gradient.name}." for gradient in gradients if gradient.autograd is None
    ]
    parameters = {name: parameter.data for name, parameter in trial.network.named_parameters()}
    ins = {"x": trial.x, **parameters, "dL/dy": trial.grad_output}
    about = f"{ROWS} rows in float64. L is the sum of y · dL/dy, with x and dL/dy drawn at random."
    outs = _alone({"y": output})
    return Numbers(repr(trial.network.module), about, _alone(ins), _alone(saved), outs, gradients, notes)


def numbers_of_loss(examples: Sequence[LossExample]) -> Numbers:
    """Return the numbers of a loss with its first rows.

    Raises:
        CheckFailed: if a term is NaN, or the gradient lacks the shape of the prediction.
    """
    loss, prediction, target = example = _small(examples, lambda one: one[1][:ROWS].numel())
    expect_defined(example)
    target = target[:ROWS].to(torch.float64 if target.is_floating_point() else target.dtype)
    prediction = prediction[:ROWS].to(torch.float64, copy=True)
    terms = with_reduction(loss, "none")(prediction, target)
    value = loss(prediction, target)
    saved = dict(_saved_in(loss))
    autograd, notes = _unless_untraceable(lambda: {"prediction": traced_gradient(loss, prediction, target)})
    hand = loss_gradient(loss, prediction, target)
    difference = central_difference(lambda: loss(prediction, target).sum(), prediction)
    formula = gradient_formulas(type(loss), ["prediction"])["prediction"]
    gradient = _compared("prediction", formula, hand, difference, autograd.get("prediction"))
    ins, outs = {"prediction": prediction, "target": target}, {"terms": terms, "L": value}
    about = f"{len(prediction)} rows in float64."
    return Numbers(repr(loss), about, ins, _alone(saved), outs, [gradient], notes)


def _small(examples: Sequence[Any], entries: Callable[[Any], int]) -> Any:
    """Return the first example with at most MANY entries to differentiate by, or the one with the fewest."""
    return next((one for one in examples if entries(one) <= MANY), min(examples, key=entries))


def _compared(name: str, formula: str, hand: Tensor, difference: Tensor, autograd: Tensor | None) -> Gradient:
    expect(
        hand.shape == difference.shape,
        f"dL/d{name} must have shape {tuple(difference.shape)}, got {tuple(hand.shape)}.",
    )
    to_difference = relative_error(hand, difference)
    to_autograd = relative_error(hand, hand if autograd is None else autograd)
    close, exact = to_difference <= TO_DIFFERENCES, to_autograd <= TO_AUTOGRAD
    error = torch.where(close & ~exact, to_autograd, to_difference)
    own = {"hand": hand, "difference": difference, "error": error, "agrees": close & exact}
    if name != "prediction":  # a module's have the member axis, of the one member
        own = {key: tensor[0] for key, tensor in own.items()}
        autograd = None if autograd is None else autograd[0]
    return Gradient(name, formula, own["hand"], own["difference"], autograd, own["error"], own["agrees"])


def _unless_untraceable(traced: Callable[[], dict[str, Tensor]]) -> tuple[dict[str, Tensor], list[str]]:
    """Return autograd's gradients, or none of them and the reason."""
    try:
        return traced(), []
    except NotApplicable as reason:
        return {}, [f"autograd: {str(reason).rstrip('.')}."]


def _formulas(trial: Trial, names: list[str]) -> dict[str, str]:
    """Return the formula of each gradient from the docstring of the module that holds the parameter."""
    found: dict[str, str] = {}
    for prefix, module in named_modules(trial.network.module):
        own = {name: f"{prefix}.{name}" if prefix else name for name, _ in module.own_parameters()}
        keys = ["x", *own] if "x" in names or prefix else [*own]
        for key, text in gradient_formulas(type(module), keys).items():
            if key in own or not prefix:
                found.setdefault(own.get(key, key), text)
    return {name: found.get(name, "") for name in names}


def _saved_in(component: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield what a module and the modules inside it, or a loss, have saved, named as backward names it."""
    parts = named_modules(component) if hasattr(component, "named_children") else [("", component)]
    for prefix, part in parts:
        saved = getattr(part, "_saved", None) or ()
        names = _unpacked_names(part)
        if len(names) != len(saved):
            names = [str(position) for position in range(1, len(saved) + 1)]
        for name, tensor in zip(names, saved, strict=True):
            if isinstance(tensor, Tensor):
                yield f"{name} of {prefix} ({label(part)})" if prefix else name, tensor


def _unpacked_names(part: Any) -> list[str]:
    """Return the names to which backward, or a loss's gradient, assigns saved_tensors(); empty if it does not."""
    try:
        function = type(part).backward if hasattr(part, "named_children") else type(part).gradient
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, as for compiled code
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "self.saved_tensors()":
            target = node.targets[0]
            return [ast.unparse(one) for one in target.elts] if isinstance(target, ast.Tuple) else []
    return []


def _alone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors without the member axis of the one member."""
    return {name: tensor[0] if tensor.shape[:1] == (1,) else tensor for name, tensor in tensors.items()}
