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
"""What a rule remembers of one tensor, by name."""


@dataclasses.dataclass(slots=True)
class Step:
    """What a rule is told of the moment: the step's number t from 1, its learning rate, and its scalars by name.

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

    A subclass declares its hyperparameters as annotated fields and writes `update`; where it remembers something,
    `init` too. It never sees the network: `attach` returns an Updater that applies the rule everywhere.
    """

    elementwise: ClassVar[bool] = True
    """Whether each element's update depends on that element alone; the rule then runs over tensors of any shape."""

    vmappable: ClassVar[bool] = True
    """Whether torch.vmap can carry a rule that is not elementwise over the members; if not, a loop does."""

    ranks: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4, 5)
    """Ranks of the parameters that the rule is for; attaching it to another is an error."""

    decay_kind: ClassVar[Literal["none", "coupled", "decoupled", "other"]] = "none"
    """How weight_decay w acts: as a gradient g + w θ (coupled), or beside it as θ ← θ − lr w θ (decoupled)."""

    rests_at_zero_gradient: ClassVar[bool] = True
    """Whether a parameter stays as it is while its gradient is zero from the first step on and nothing decays."""

    gradient_range: ClassVar[tuple[float, float]] = (1e-15, 1e15)
    """Between which sizes of a float32 gradient the parameter stays finite."""

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
        """Return the state with which the rule starts on this tensor; by default none.

        Of an elementwise rule every entry has the parameter's shape.
        """
        return {}

    def scalars(self, t: int) -> Mapping[str, float]:
        """Return by name what depends on the step's number t = 1, 2, … alone; `update` finds it in `step`."""
        return {}

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Mapping[str, Tensor]:
        """Return 0-dim tensors to be summed over all parameters of a member in the rule's group.

        `update` finds the sums in `step`. Called for every parameter, once a step, before any of them moves. It may
        change state in place, as `update` may. A number of the whole network is kept as a 0-dim state in each: equal
        sums keep them equal.
        """
        return {}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        """Return the direction d of θ ← θ − lr·d.

        It may change the tensors in state in place; it must not change parameter or grad, nor rebind entries of state.
        Scalars from `step` and per-member fields are numbers or tensors: use them in plain algebra only.
        """
        raise NotImplementedError(f"{type(self).__name__} must define update or apply.")

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        """Change parameter in place; overridden by a rule that needs more than a direction."""
        direction = self.update(parameter, grad, state, step)
        if isinstance(step.lr, Tensor):
            parameter.sub_(direction * step.lr)
        else:
            parameter.sub_(direction, alpha=step.lr)

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        """Return the values with which to evaluate, where they are not those that are trained."""
        return parameter

    @final
    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return an Updater that applies this rule to every parameter of the network.

        Args:
            network: a built network.
            clip_norm: largest global norm of each member's gradient; a longer one is scaled down to it first.
            compile: whether to send an elementwise rule through torch.compile as one fused kernel; it takes effect from
                2¹⁶ elements, since below it would be slower. A rule that cannot be compiled warns and runs as it is.

        Raises:
            HyperparameterError: if clip_norm is not positive, or a per-member field has not one value per member.
            ChainruleError: if compile is asked for and the machine has no compiler.
        """
        from chainrule.updates.updater import Updater

        return Updater(network, {"*": self}, clip_norm=clip_norm, compile=compile)

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances that the conformance kit and the documentation use."""
        return [cls()]

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        """Return pairs of rules that must move a parameter alike, such as this one without decay and its base."""
        return []
