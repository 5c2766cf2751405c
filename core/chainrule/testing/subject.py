"""`Subject`: a component to check, with its example instances."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, TypeAlias

import torch
from torch import Tensor

from chainrule import registry
from chainrule.arguments import shown
from chainrule.base.loss import Loss
from chainrule.base.module import Module
from chainrule.base.wrapper import layers_of
from chainrule.calls import explained, signature_of
from chainrule.errors import ChainruleError, ContractError, ShapeError, label
from chainrule.registry.component import Component
from chainrule.registry.kinds import kind_named, kinds_of_class

Reference: TypeAlias = Callable[[Any, Tensor, Sequence[Tensor]], Iterable[Tensor]]
"""An independent implementation in float64: ``(rule, parameter, gradients) -> the parameter after each step``."""


@dataclass(frozen=True)
class Subject:
    """A component to check, with its name and a factory of example instances.

    Attributes:
        kind: such as "optimizers".
        name: as shown in reports.
        component: the class or factory.
        make_examples: returns new instances at every call.
        reference: an independent implementation of an optimizer's rule.
    """

    kind: str
    name: str
    component: Any
    make_examples: Callable[[], Sequence[Any]] = field(repr=False)
    reference: Reference | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """Kind and name, such as "optimizers:lion"."""
        return f"{self.kind}:{self.name}"


@explained
def subject(
    component: str | type | Callable[..., Any],
    /,
    *args: Any,
    kind: str | None = None,
    reference: Reference | None = None,
    input_shape: Sequence[int] | int | None = None,
    inputs: Tensor | None = None,
    **settings: Any,
) -> Subject:
    """Return the Subject for a registered component, a class or a factory.

    Args:
        component: a registered name, such as "optimizers:lion" or "lion", or a class or factory.
        args: positional arguments of the one instance to check; without any arguments, `examples()` are checked.
        kind: the kind of component; required if it cannot be inferred, as for most factories.
        reference: for an optimizer, an independent implementation of its rule.
        input_shape: for a layer created with arguments, the shape of one example input, or its only size; (4,) by
            default.
        inputs: in place of input_shape, a tensor (N, …) of inputs, as from `Module.examples`.
        settings: keyword arguments of the instance to check.

    Raises:
        ChainruleError: if the component is unknown, is an instance, or is of another kind; if its kind cannot be
            inferred or has no use for an argument; or if both input_shape and inputs are given.
    """
    if input_shape is not None and inputs is not None:
        raise ChainruleError(
            f"subject: one of input_shape and inputs must be left out, got {input_shape} and a tensor of shape "
            f"{tuple(inputs.shape)}. The inputs have a shape."
        )
    if isinstance(component, str):
        record = _resolved(component, kind)
        found, kind, name = registry.load(record), record.kind, record.name
    else:
        found = component
        name = label(component) if isinstance(component, type) else getattr(component, "__name__", repr(component))
        kind = kind_named(kind) if kind is not None else _kind_of(component)
        if (kinds := kinds_of_class(component)) and kind not in kinds:
            raise ChainruleError(
                f"{name}: must be one of the {kind}, got one of the {' or '.join(kinds)}. Leave the kind out."
            )
    _expect_use(kind, reference=reference, input_shape=input_shape, inputs=inputs)

    def examples() -> Sequence[Any]:
        of_class = not args and not settings and hasattr(found, "examples")
        if kind in ("layers", "activations"):
            given = inputs if inputs is not None else (4,) if input_shape is None else input_shape
            made = _examples_of_layer(found) if of_class else [(found(*args, **settings), given)]
            return [_with_inputs(*_parts(name, example, "instance", "inputs")) for example in made]
        if kind in ("losses", "metrics"):
            samples = _examples_of(found if hasattr(found, "examples") else type(found(*args, **settings)))
            samples += _further_examples_of_loss(found) if kind == "losses" and of_class else []
            return [
                _with_rows(loss if of_class else found(*args, **settings), prediction, target)
                for loss, prediction, target in (
                    _parts(name, sample, "instance", "prediction", "target") for sample in samples
                )
            ]
        instances = _examples_of(found) if of_class else [found(*args, **settings)]
        if kind == "optimizers":
            for rule in instances:
                layers_of(rule)  # which refuses what is no rule
        return instances

    return Subject(kind, name, found, examples, reference)


def _resolved(name: str, kind: str | None) -> Component:
    if kind is None:
        return registry.resolve(name)
    kind = kind_named(kind)
    record = registry.resolve(name if ":" in name else f"{kind}:{name}")
    if record.kind != kind:
        raise ChainruleError(f"{name}: must be one of the {kind}, got one of the {record.kind}. Leave the kind out.")
    return record


def _expect_use(kind: str, **given: Any) -> None:
    """Raise ChainruleError unless components of the kind have a use for the arguments that are given."""
    modules = ("layers", "activations")
    for name, value in given.items():
        kinds = ("optimizers",) if name == "reference" else modules
        if value is not None and kind not in kinds:
            raise ChainruleError(f"subject: {name} must be left out but for {' and '.join(kinds)}, got it for {kind}.")
    if given["reference"] is not None and not callable(given["reference"]):
        raise ChainruleError(
            f"subject: reference must be a function (rule, parameter, gradients), got {shown(given['reference'])}."
        )
    if given["inputs"] is not None and not isinstance(given["inputs"], Tensor):
        raise ChainruleError(f"subject: inputs must be a tensor (N, …), got {shown(given['inputs'])}. Make it one.")


def _examples_of(component: Any) -> list[Any]:
    """Return what `examples` of a class returns.

    Raises:
        ContractError: if there is no such method, or it returns no list.
    """
    if not hasattr(component, "examples"):
        raise ContractError(f"{label(component)}: a component must have examples(), got none. Inherit from its kind.")
    made = component.examples()
    if not isinstance(made, Iterable):
        raise ContractError(f"{label(component)}: examples() must return a list, got {shown(made)}. Return one.")
    return list(made)


def _parts(name: str, example: Any, *parts: str) -> tuple[Any, ...]:
    """Return an example of several parts.

    Raises:
        ContractError: if it has others.
    """
    if not isinstance(example, tuple | list) or len(example) != len(parts):
        raise ContractError(
            f"{name}: each of examples() must be a tuple ({', '.join(parts)}), got {shown(example)}. Return these."
        )
    return tuple(example)


def _examples_of_layer(layer: Any) -> list[Any]:
    """Return the examples of a layer; where these are its parent's, one with further axes too, if it may have them."""
    made = _examples_of(layer)
    if _inherits_examples(layer, Module) and not made[0][0].parameters():
        with suppress(ShapeError):
            made[0][0].output_shape((3, 4))
            made.append((layer(), (3, 4)))
    return made


def _further_examples_of_loss(loss: Any) -> list[tuple[Any, Any, Any]]:
    """Return an example with further axes for a loss whose examples are its parent's, if it takes them."""
    if not _inherits_examples(loss, Loss):
        return []
    made, *_ = loss.examples()[0]
    generator = torch.Generator("cpu").manual_seed(0)
    prediction, target = torch.randn(2, 4, 3, 2, generator=generator, dtype=torch.float64, device="cpu")
    try:
        made(prediction, target)
    except Exception:  # noqa: BLE001 - it is a loss of fewer axes
        return []
    return [(loss(reduction="mean"), prediction, target)]


def _inherits_examples(component: Any, parent: Any) -> bool:
    return getattr(component.examples, "__func__", None) is parent.examples.__func__


def _with_inputs(module: Any, inputs: Any) -> tuple[Any, Any]:
    """Return an example of a layer: the module, and the shape of one input or a tensor of inputs.

    Raises:
        ContractError: if they are neither.
        ShapeError: if nothing can be drawn from them.
    """
    if not isinstance(inputs, Tensor):
        inputs = (inputs,) if isinstance(inputs, Integral) else inputs
        if not isinstance(inputs, Sequence) or not all(isinstance(size, Integral) for size in inputs):
            raise ContractError(
                f"{label(module)}: the inputs of an example must be a shape or a tensor (N, …), got {shown(inputs)}. "
                "Write the shape of one input, such as (4,)."
            )
        if getattr(module, "integer_inputs", False):
            raise ShapeError(
                f"{label(module)}: an example with integer_inputs = True must have a tensor (N, …) of integers, "
                f"got the shape {tuple(inputs)}. Return (instance, tensor) from examples(), or pass inputs=…."
            )
        return module, tuple(map(int, inputs))
    different = len(torch.unique(inputs, dim=0)) if inputs.dim() and len(inputs) else 0
    if different < 2 or different < len(inputs):
        raise ShapeError(
            f"{label(module)}: the inputs of an example must be a tensor (N, …) of at least 2 rows, all different, got "
            f"{different} different rows in shape {tuple(inputs.shape)}. Leave out the repeated ones, and add others."
        )
    return module, inputs


def _with_rows(loss: Any, prediction: Any, target: Any) -> tuple[Any, Tensor, Tensor]:
    """Return an example of a loss or a metric, floating-point numbers in float64 as those of modules are.

    Raises:
        ContractError: if the prediction or the target is no tensor.
        ShapeError: if the prediction has too few values to look at.
    """
    for what, value in {"prediction": prediction, "target": target}.items():
        if not isinstance(value, Tensor):
            raise ContractError(
                f"{label(loss)}: the {what} of an example must be a tensor (N, …), got {shown(value)}. Make it one."
            )
    if prediction.dim() == 0 or len(prediction) < 2 or not prediction.numel():
        raise ShapeError(
            f"{label(loss)}: the prediction of an example must have at least 2 rows, which tell a mean from a sum, got "
            f"shape {tuple(prediction.shape)}. Add rows."
        )
    prediction, target = (each.double() if each.is_floating_point() else each for each in (prediction, target))
    return loss, prediction, target


def _kind_of(component: Any) -> str:
    if kinds := kinds_of_class(component):
        return next(iter(kinds))
    if kinds_of_class(type(component)):
        raise ChainruleError(
            f"{label(component)}: a component must be a name, a class or a factory, got an instance "
            f"{shown(component)}. Pass its class {type(component).__name__}, and its arguments after that."
        )
    if not isinstance(component, type) and hasattr(component, "parameters"):
        raise ChainruleError(
            f"{label(component)}: a component must be a name, a class or a factory, got a network. "
            "Pass the class of one of its layers."
        )
    if any(hasattr(method, "chainrule_impl") for _, method in inspect.getmembers(component)):
        return "callbacks"
    if isinstance(component, type) and _takes_one_number(component):
        return "schedules"
    raise ChainruleError(
        f"{getattr(component, '__qualname__', component)}: must inherit from a parent class such as "
        f"chainrule.Optimizer, got {shown(component)} of no kind. "
        "Inherit from one, or pass kind=… or KIND:FILE.py:Class."
    )


def _takes_one_number(cls: type) -> bool:
    """Return whether calling an instance takes one argument, as for a schedule."""
    call = vars(cls).get("__call__")
    return inspect.isfunction(call) and len(signature_of(call).parameters) == 2  # self and t
