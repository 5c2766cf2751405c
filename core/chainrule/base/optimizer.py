"""`Optimizer`: the parent class of every update rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, dataclass_transform, final

from torch import Tensor

from chainrule.base.class_attributes import check_class_attributes, check_methods
from chainrule.base.declarations import expect_schedule
from chainrule.base.settings import Settings, hyperparameter
from chainrule.base.step import Step
from chainrule.calls import ExplainsAttributes, explained
from chainrule.errors import ContractError, label

if TYPE_CHECKING:
    from chainrule.network import Network
    from chainrule.updates.updater import Updater

LearningRate: TypeAlias = float | Tensor
"""One number, or a tensor (M,) with one for each member."""

State: TypeAlias = dict[str, Tensor]
"""A rule's state for one tensor, by name."""


def present(value: float | Tensor) -> bool:
    """Return whether a term that this field scales is there: not for 0; for one value per member it always is."""
    return isinstance(value, Tensor) or value != 0


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(hyperparameter,))
class _KeywordSettings(Settings):
    """Settings that are passed by name alone, each number of which may be given per member.

    A parent of `Optimizer`, since type checkers take for settings what stands below the decorated class alone.
    """

    _keyword_only = True
    _per_member = True


class Optimizer(_KeywordSettings, ExplainsAttributes):
    """Hyperparameters and an update rule for one tensor.

    A subclass declares its hyperparameters as annotated fields and writes `update` and, if it has state, `init`. It
    never sees the network: `attach` returns an Updater that applies the rule to every parameter.
    """

    _changes = "A rate is changed by updater.set_lr(…) or a schedule; state is kept in the dict from init."

    elementwise: ClassVar[bool | None] = None
    """Whether each element's update and evaluation depend on that element alone; None to find out on attaching.

    An elementwise rule runs over flat slices of many parameters, any other over one parameter of one member at a time.
    """

    vmappable: ClassVar[bool] = True
    """Whether torch.vmap can batch a rule that is not elementwise over the members; if not, a loop does."""

    ranks: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4, 5)
    """The ranks of the parameters that the rule accepts; attaching it to another is an error."""

    decay_kind: ClassVar[Literal["none", "coupled", "decoupled", "other"]] = "none"
    """How weight_decay w acts: "coupled", g + w θ; "decoupled", θ ← θ − lr w θ; "other", such as inside LAMB's ratio.

    Coupled decay is the rule's own work. Decoupled decay is applied by `descend`: `update` returns the direction alone.
    """

    rests_at_zero_gradient: ClassVar[bool] = True
    """Whether a parameter whose gradient has always been zero stays, without weight decay; not so for noise."""

    gradient_range: ClassVar[tuple[float, float]] = (1e-15, 1e15)
    """The range of float32 gradient magnitudes for which parameters stay finite."""

    _use: ClassVar[str] = "It gets a network by attach(network), or from fit."
    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("step", "state_dict", "load_state_dict", "set_lr"),
            "The updater has it: updater = optimizer.attach(network).",
        ),
        "zero_grad": "Write network.zero_grad().",
        **dict.fromkeys(("param_groups", "add_param_group"), 'Write chainrule.param_groups({"*.bias": …, "*": …}).'),
        "learning_rate": "Write lr.",
    }

    lr: LearningRate = hyperparameter(default=1e-3, at_least=0, search=(1e-5, 1e1))
    """The learning rate; redeclare it for another default."""

    schedule: Callable[[int], float | Tensor] | None = None
    """The factor on lr at step t = 1, 2, …, one number or one for each member; None is a factor of 1."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class_attributes(cls, Optimizer)
        check_methods(cls, Optimizer, "init", "scalars", "reduce", "update", "apply", "evaluation_parameter")

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_schedule(self, "schedule", self.schedule)

    def init(self, parameter: Tensor) -> State:
        """Return the initial state for this tensor; none by default.

        For an elementwise rule every entry has the parameter's shape.
        """
        return {}

    def scalars(self, t: int) -> Mapping[str, float | Tensor]:
        """Return numbers, by name, that depend on t = 1, 2, … and the fields alone; `update` reads them from `step`.

        Plain algebra is quickest where fields are given per member; anything else is called for each member.
        """
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
        state. Fields and scalars from `step` are numbers or, where given per member, tensors: use plain algebra and
        `lerp`, which take both, and `present(field)` where a term is to be left out.
        """
        raise ContractError(
            f"{label(self)}: a rule needs an update, got none. Write update(self, parameter, grad, state, step)."
        )

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        """Change parameter in place; for a rule that is more than a direction, which then decays by itself."""
        self.descend(parameter, self.update(parameter, grad, state, step), step)

    @final
    def descend(self, parameter: Tensor, direction: Tensor, step: Step) -> None:
        """Take the step θ ← θ − lr (d + w θ) in place, where w is a decoupled weight_decay, else 0."""
        lr = step.lr
        if self.decay_kind == "decoupled" and present(decay := getattr(self, "weight_decay", 0.0)):
            parameter.mul_(1 - lr * decay)
        if isinstance(lr, Tensor):
            parameter.sub_(direction * lr)
        else:
            parameter.sub_(direction, alpha=lr)

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        """Return the values to evaluate with, where they differ from the trained ones."""
        return parameter

    @final
    @explained
    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return an Updater that applies this rule to every parameter of the network.

        Args:
            network: a built network.
            clip_norm: the largest global norm of each member's gradient; a larger gradient is scaled down to it first.
            compile: whether to compile an elementwise rule into one fused kernel, from 2¹⁶ elements on, since below it
                would be slower. A rule that cannot be compiled warns and runs eagerly.

        Raises:
            HyperparameterError: if clip_norm is not positive, or a per-member field has not one value per member.
            ShapeError: if a parameter has a rank that the rule does not accept.
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
