"""`Optimizer`: the parent class of every update rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, dataclass_transform, final

from torch import Tensor

from chainrule.base.settings import Settings, hyperparameter
from chainrule.errors import HyperparameterError, label

if TYPE_CHECKING:
    from chainrule.network import Network
    from chainrule.updates.updater import Updater

LearningRate: TypeAlias = float | Tensor
"""One number, or a tensor (M,) with one for each member."""

State: TypeAlias = dict[str, Tensor]
"""A rule's state for one tensor, by name."""


@dataclasses.dataclass(slots=True)
class Step:
    """The step's number t from 1, its learning rate, and the rule's scalars and sums by name.

    In a compiled kernel or a captured graph these are 0-dim tensors.
    """

    t: int | Tensor
    lr: float | Tensor
    values: Mapping[str, float | Tensor]

    def __getitem__(self, name: str) -> float | Tensor:
        return self.values[name]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(hyperparameter,))
class _KeywordSettings(Settings):
    """Settings that are passed by name alone."""

    _keyword_only = True


class Optimizer(_KeywordSettings):
    """Hyperparameters and an update rule for one tensor.

    A subclass declares its hyperparameters as annotated fields and writes `update` and, if it has state, `init`. It
    never sees the network: `attach` returns an Updater that applies the rule to every parameter.
    """

    elementwise: ClassVar[bool] = True
    """Whether each element's update depends on that element alone; the rule then runs over flat slices."""

    vmappable: ClassVar[bool] = True
    """Whether torch.vmap can batch a rule that is not elementwise over the members; if not, a loop does."""

    ranks: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4, 5)
    """The ranks of the parameters that the rule accepts; attaching it to another is an error."""

    decay_kind: ClassVar[Literal["none", "coupled", "decoupled", "other"]] = "none"
    """How weight_decay w acts: through the gradient, g + w θ (coupled), or beside it, θ ← θ − lr w θ (decoupled)."""

    rests_at_zero_gradient: ClassVar[bool] = True
    """Whether a parameter whose gradient has always been zero stays as it is, without weight decay."""

    gradient_range: ClassVar[tuple[float, float]] = (1e-15, 1e15)
    """The range of float32 gradient magnitudes for which parameters stay finite."""

    lr: LearningRate = hyperparameter(default=1e-3, at_least=0, search=(1e-5, 1e1), per_member=True)
    """The learning rate; redeclare it for another default."""

    schedule: Callable[[int], float] | None = None
    """The factor on lr at step t = 1, 2, …; None is a factor of 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule is not None and not callable(self.schedule):
            raise HyperparameterError(
                f"{label(self)}: schedule must be a callable t -> factor, got {self.schedule!r}. "
                "Pass one such as chainrule.schedules.constant()."
            )

    def init(self, parameter: Tensor) -> State:
        """Return the initial state for this tensor; none by default.

        For an elementwise rule every entry has the parameter's shape.
        """
        return {}

    def scalars(self, t: int) -> Mapping[str, float]:
        """Return the numbers, by name, that depend on t = 1, 2, … alone; `update` reads them from `step`."""
        return {}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Mapping[str, Tensor]:
        """Return 0-dim tensors to be summed over all parameters of a member in the rule's group.

        Called once a step for every parameter, before any of them moves; `update` reads the sums from `step`. It may
        change state in place, as `update` may. State of the whole network is kept as a 0-dim entry per parameter, which
        equal sums keep equal.
        """
        return {}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        """Return the direction d of θ ← θ − lr·d.

        It may change the tensors in state in place, but neither parameter nor grad, and must not rebind entries of
        state. Scalars from `step` and per-member fields are numbers or tensors: use plain algebra, which takes both.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update or apply.")

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        """Change parameter in place; for a rule that is more than a direction."""
        direction = self.update(parameter, grad, state, step)
        if isinstance(step.lr, Tensor):
            parameter.sub_(direction * step.lr)
        else:
            parameter.sub_(direction, alpha=step.lr)

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        """Return the values to evaluate with, where they differ from the trained ones."""
        return parameter

    @final
    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return an Updater that applies this rule to every parameter of the network.

        Args:
            network: a built network.
            clip_norm: the largest global norm of each member's gradient; a larger gradient is scaled down to it first.
            compile: whether to compile an elementwise rule into one fused kernel, from 2¹⁶ elements on, since below it
                would be slower. A rule that cannot be compiled warns and runs eagerly.

        Raises:
            HyperparameterError: if clip_norm is not positive, or a per-member field has not one value per member.
            ChainruleError: if compile=True and the machine has no compiler.
        """
        from chainrule.updates.updater import Updater

        return Updater(network, {"*": self}, clip_norm=clip_norm, compile=compile)

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        """Return pairs of equivalent rules, such as this one without decay and its base, for the conformance kit."""
        return []
