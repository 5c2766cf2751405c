"""`Module`: the parent class of every layer and activation."""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self, TypeAlias, TypeVar, final, get_origin

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.buffer import Buffer
from chainrule.base.class_attributes import check_class_attributes, check_methods
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random
from chainrule.base.saved_tensors import KeepsForBackward
from chainrule.base.setting_values import equal
from chainrule.calls import Explained, explained, signature_of
from chainrule.errors import ArgumentError, ChainruleError, ContractError, label

if TYPE_CHECKING:
    from chainrule.network import Network

Held = TypeVar("Held")

Shape: TypeAlias = tuple[int | EllipsisType | None, ...]
"""The shape of one example: sizes, None for an unknown size, ... for any number of unknown axes."""


class Module(Explained, KeepsForBackward):
    """A differentiable map whose backward is written by hand.

    A constructor only declares; `build` allocates. Axis 0 of every tensor is the member axis: x is (M, N, …), a
    parameter (M, *shape). A single model has M = 1, so a module is written once for models and ensembles.
    """

    needs_input_grad: bool = True
    """False where dL/dx is not used; backward may then return None. To be read in backward only."""

    integer_inputs: ClassVar[bool] = False
    """Whether x holds integers, such as the indices of an embedding; a network refuses the other kind."""

    batch_independent: ClassVar[bool] = True
    """Whether each row of the output depends on its row of the input alone; not so for batch norm, nor around it."""

    same_in_eval: ClassVar[bool] = True
    """Whether eval mode gives the same output as train mode; not so for dropout, nor around it."""

    finite: ClassVar[bool] = True
    """Whether inputs of 0 and up to ±1e4 give finite outputs and gradients in float32; not so for exp."""

    shows_nan: ClassVar[bool] = True
    """Whether a row of NaN has NaN in its output; not so for a layer that fills in missing values, or counts."""

    gives: ClassVar[Literal["any", "probabilities", "same"]] = "any"
    """What outputs are; where they are probabilities, as of softmax, `fit` warns if the loss takes scores.

    "same" is for a layer that gives entries of its input in another shape or order, or their means.
    """

    _use: ClassVar[str] = "A module is called once it is built: network = module.build(), network(x)."
    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("to", "cpu", "cuda"), 'A device is chosen when it is built: build(device="cuda").'),
        **dict.fromkeys(("float", "double"), "A dtype is chosen when it is built: build(dtype=torch.float64)."),
        **dict.fromkeys(
            ("state_dict", "load_state_dict", "zero_grad", "freeze", "member", "summary", "named_parameters"),
            "The network has it, which build() returns.",
        ),
        "fit": "Write chainrule.fit(module.build(seed=0), loss, optimizer, train=(x, y)).",
        **dict.fromkeys(("append", "add"), "Modules are given at once: sequential(linear(2, 8), relu())."),
        "predict": "Build it and call it: network = module.build(seed=0), network.eval()(x).",
        "compile": "Write chainrule.fit(…, compile=True).",
        **dict.fromkeys(("layers", "modules", "apply"), "Write module.named_modules()."),
        **dict.fromkeys(("clone", "copy"), "Write copy.deepcopy(module)."),
        "requires_grad_": 'Build it, and keep parameters out of training with network.freeze("*.bias").',
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class_attributes(cls, Module)
        check_methods(cls, Module, "forward", "backward", "output_shape")
        for name, value in vars(cls).items():
            if isinstance(value, Parameter | Buffer | Random | Module):
                raise ContractError(
                    f"{label(cls)}: {name} must be made by __init__, got a {type(value).__name__} of the class, which "
                    f"its instances would share. Write self.{name} = … there."
                )

    if not TYPE_CHECKING:  # type checkers refuse a call by themselves

        def __call__(self, *_: object, **__: object) -> NoReturn:
            """Raise ArgumentError, which names what is called instead."""
            raise ArgumentError(
                f"{label(self)}: a module must be built before it is called, got a call of the module itself. "
                "Write network = module.build(), network(x); inside another module, module.forward(x)."
            )

        # Without arguments, so that a module is not taken for a schedule, a metric or an initializer.
        __call__.__signature__ = inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)])

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map x (M, N, …) to y (M, N, …); save what backward needs with `save_for_backward`."""

    @abstractmethod
    def backward(self, grad_output: Tensor) -> Tensor | None:
        """Add to each parameter's grad, and return dL/dx in the shape of x; None where x holds integers.

        `saved_tensors()` returns what forward saved.
        """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one output for the shape of one input; raise ShapeError if the input does not fit.

        `build` calls it with ``(...,)``, since the input is not known then; `chainrule.ops.expect_shape` takes such
        shapes, and ``(None, None)`` for any two axes.
        """
        return input_shape

    def named_children(self) -> Iterable[tuple[str, ModuleLike]]:
        """Return the modules held as attributes, or in lists, tuples and dicts of these, each with its name."""
        return list(held(self, ModuleLike))

    def own_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Return the parameters held as attributes, or in lists, tuples and dicts of these, each with its name."""
        return list(held(self, Parameter))

    @final
    @explained
    def named_modules(self) -> Iterator[tuple[str, ModuleLike]]:
        """Yield this module and all inside it, depth first, each with its dotted name; this one's is empty."""
        return named_modules(self)

    @final
    @explained
    def parameters(self) -> list[Parameter]:
        """Return every parameter inside, each once."""
        return [parameter for _, parameter in named_parameters(self)]

    @final
    @explained
    def train(self, mode: bool = True) -> None:
        """Switch this module and all modules inside it to train mode, or with False to eval mode."""
        for _, module in named_modules(self):
            module.training = mode

    @final
    @explained
    def eval(self) -> None:
        """Switch this module and all modules inside it to eval mode, in which forward saves nothing."""
        self.train(False)

    @final
    @explained
    def build(
        self,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        members: int | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> Network:
        """Check the shapes, allocate and initialize every parameter, and return the network.

        Args:
            seed: the seed of a single network, or of all members; 0 if not given.
            seeds: the seeds of an ensemble, one per member; member i starts as the single network with seeds[i] does.
            members: the number of members of an ensemble that share a seed, and so start alike and see the same
                batches, to compare settings that are given per member.
            dtype: the parameters' dtype; torch's default dtype if not given.
            device: the parameters' device, on which their first values do not depend.

        Raises:
            ShapeError: if neighbouring modules do not fit.
            ChainruleError: if seeds are given beside seed or members, or the module is already built.
        """
        from chainrule.network import Network

        return Network(self, seed=seed, seeds=seeds, members=members, dtype=dtype, device=device)

    @classmethod
    def examples(cls) -> Sequence[tuple[Any, tuple[int, ...] | Tensor]]:
        """Return instances for the conformance kit and the documentation, each with an input's shape or some inputs.

        For a shape, that of one input without the batch axis, the kit draws normal numbers. Where these would not do,
        as for integers or for a logarithm, give a tensor (N, …) of at least two inputs, all different: batches are made
        of its rows, in several orders and with repetitions. By default it is one of input shape (4,), to which the kit
        adds one of (3, 4) where there are no parameters and `output_shape` takes it.
        """
        return [(cls(), (4,))]

    def __copy__(self) -> Self:
        # A shallow copy would share the parameters; and a __deepcopy__ of one's own may begin with a copy.
        other = type(self).__new__(type(self))
        vars(other).update(copy.deepcopy(self.__getstate__()))
        return other

    def __repr__(self) -> str:
        shown = []
        for name, argument in signature_of(type(self)).parameters.items():
            value = getattr(self, name, argument.default)
            if isinstance(argument.default, bool) and (value is None or isinstance(value, Parameter)):
                value = value is not None  # bias=True leaves a parameter of that name, bias=False None
            if not isinstance(value, Parameter) and not equal(value, argument.default):
                shown.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def held(owner: object, kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the objects of a kind that are attributes of the owner, or in lists, tuples and dicts of these, by name.

    The name of an item has its index or key after a dot: ``blocks.0``, ``heads.mean``.
    """
    for name, value in vars(owner).items():
        yield from _inside(name, value, kind)


def _inside(name: str, value: object, kind: type) -> Iterator[tuple[str, Any]]:
    if value is None or isinstance(value, bool | int | float | str | Tensor):
        return
    if _is_a(value, kind) and not isinstance(get_origin(value) or value, type):  # a class has the methods too
        yield name, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _inside(f"{name}.{index}", item, kind)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(f"{name}.{key}", item, kind)


def _is_a(value: object, kind: type) -> bool:
    """Return isinstance(value, kind), without the slow comparison with a protocol where one method decides."""
    if kind is not ModuleLike or isinstance(value, Module):
        return isinstance(value, kind)
    try:
        return hasattr(value, "forward") and isinstance(value, kind)
    except Exception:  # noqa: BLE001  # of an object whose attributes are entries of a dict, say
        return False


def parts_inside(owner: object) -> Iterator[tuple[str, object]]:
    """Yield the modules, parameters, buffers and streams that the owner holds, in objects and sets of its own too."""
    found = list(vars(owner).items())
    seen = {id(owner)}
    while found:
        name, value = found.pop()
        if id(value) in seen or isinstance(value, Tensor | type):
            continue
        seen.add(id(value))
        if isinstance(value, Parameter | Buffer | Random | Module):
            yield name, value
        elif isinstance(value, list | tuple | set | frozenset):
            found += [(f"{name}.{index}", item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            found += [(f"{name}.{key}", item) for key, item in value.items()]
        elif hasattr(value, "__dict__") and not callable(value):
            found += [(f"{name}.{key}", item) for key, item in vars(value).items()]


def named_held(module: ModuleLike, kind: type[Held]) -> Iterator[tuple[str, Held]]:
    """Yield every object of a kind that the modules inside hold, with its dotted name; a shared one once."""
    seen: set[int] = set()
    for prefix, inner in named_modules(module):
        for name, value in held(inner, kind):
            if id(value) not in seen:
                seen.add(id(value))
                yield f"{prefix}.{name}" if prefix else name, value


def named_modules(module: ModuleLike, prefix: str = "") -> Iterator[tuple[str, ModuleLike]]:
    """Yield the module and all inside it, depth first, each with its dotted name; the outermost one's is empty.

    Raises:
        ChainruleError: if a module holds itself, or one that holds it.
    """
    return _modules_within(module, prefix, ())


def _modules_within(
    module: ModuleLike, prefix: str, around: tuple[ModuleLike, ...]
) -> Iterator[tuple[str, ModuleLike]]:
    yield prefix, module
    around = (*around, module)
    for name, child in module.named_children():
        if any(child is one for one in around):
            raise ChainruleError(
                f"{label(module)}: {name} must be a part of the module, got {shown(child)} around it. "
                "Pass what it needs to know to its constructor."
            )
        yield from _modules_within(child, f"{prefix}.{name}" if prefix else name, around)


def named_parameters(module: ModuleLike) -> Iterator[tuple[str, Parameter]]:
    """Yield every parameter inside with its dotted name; a shared one once, under its first name."""
    seen = set()
    for prefix, inner in named_modules(module):
        for name, parameter in inner.own_parameters():
            if parameter not in seen:
                seen.add(parameter)
                yield f"{prefix}.{name}" if prefix else name, parameter
