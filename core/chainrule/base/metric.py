"""`Metric`: the parent class of every metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias, dataclass_transform, final

import torch
from torch import Tensor

from chainrule.base.class_attributes import check_class_attributes, check_methods
from chainrule.base.ensemble_outputs import is_of_ensemble, is_of_single
from chainrule.base.input_tensors import expect_dense, expect_input
from chainrule.base.metric_total import MetricTotal
from chainrule.base.settings import Settings, hyperparameter
from chainrule.calls import ExplainsAttributes, explained
from chainrule.errors import ShapeError, label


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(hyperparameter,))
class Metric(Settings, ExplainsAttributes, ABC):
    """A quality of the predictions for a whole split, one number for each member.

    A subclass declares its settings as annotated fields and writes `sums`, what adds up over the batches, and `value`,
    what follows from the sums over all of them; both see the member axis. A member whose prediction has a NaN has
    diverged, and its value is NaN.
    """

    _keyword_only = True
    _use: ClassVar[str] = "Make the metric first: accuracy()(prediction, target)."
    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("update", "compute", "reset"), "chainrule.evaluate(…, metrics=[…]) goes over the batches."),
    }

    takes: ClassVar[Literal["any", "probabilities"]] = "any"
    """What single outputs are, as a threshold of 0.5 has it; `fit` warns if the loss takes them for scores."""

    joins_rows: ClassVar[bool] = False
    """Whether `sums` returns rows (M, N, …) to be joined over the batches, where no sum would do, as for ranks.

    They take memory for a whole split.
    """

    one_number: ClassVar[bool] = True
    """Whether the value is one number for each member, as a curve needs; not so for a confusion matrix, (M, C, C)."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class_attributes(cls, Metric)
        check_methods(cls, Metric, "sums", "value")

    @abstractmethod
    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        """Return by name what adds up over batches, tensors (M, …) in float64 or numbers; raise ShapeError for others.

        Shapes: prediction (M, N, …), target the same for each member, (M, N, …)
        """

    @abstractmethod
    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        """Return the value (M,) for the sums over all batches, float64 tensors (M, …), or () for what were numbers."""

    @final
    @explained
    def __call__(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the value for these rows alone.

        Shapes: prediction (N, …) with a target that fits it, result (); of an ensemble's output (M, N, …) and a target
        that its members share, or with per_member=True one for each, result (M,)

        Raises:
            ShapeError: if prediction and target do not fit the metric.
        """
        for name, tensor in (("prediction", prediction), ("target", target)):
            expect_input(self, name, tensor)
            expect_dense(self, name, tensor, prediction.device)
        if per_member and is_of_single(prediction) and prediction.dim() < 3:
            raise ShapeError(
                f"{label(self)}: per_member must be False for a single network's prediction {tuple(prediction.shape)}, "
                "got True. Leave it out."
            )
        given = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        is_ensemble = per_member or is_of_ensemble(prediction)
        if not is_ensemble:
            prediction, target = prediction.unsqueeze(0), target.unsqueeze(0)
        elif not per_member:
            target = target.expand(len(prediction), *target.shape)
        if prediction.dim() < 2 or prediction.shape[:2] != target.shape[:2] or not prediction.shape[1]:
            raise ShapeError(
                f"{label(self)}: prediction and target must have the same rows, at least one, got {given}"
                f"{' of an ensemble' if is_ensemble else ''}. Pair each prediction with a target."
            )
        total = MetricTotal(self, len(prediction))
        total.add(prediction, target)
        return total.value() if is_ensemble else total.value()[0]

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        """Return instances for the conformance kit, each with a sample prediction (N, …) and a target that fits it."""
        generator = torch.Generator("cpu").manual_seed(0)
        scores = torch.randn(12, 3, generator=generator, dtype=torch.float64, device="cpu")
        classes = torch.randint(3, (12,), generator=generator, device="cpu")
        return [(cls(), scores, classes)]


MetricLike: TypeAlias = Metric | Callable[[Tensor, Tensor], Tensor]
"""A metric, or a function (prediction, target) -> (M,), the mean over the rows of a batch."""
