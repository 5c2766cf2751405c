"""The reasons for skips are strict both ways: a fact behind each skip, and a skip wherever the fact holds."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest
from torch import Tensor

from chainrule import LearningRate, Loss, Optimizer, ShapeError, Splits, hyperparameter
from chainrule.registry import load
from chainrule.testing import CHECKS, Check, Result, Subject, run, subject
from chainrule_lab.tasks.circle import Circle
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.initializers.uniform import Uniform
from chainrule_plugins.losses.cross_entropy import CrossEntropy
from chainrule_plugins.optimizers.sgd import Sgd
from tests.built_ins import BUILT_IN

from . import correct_modules, correct_rules
from .skips import SKIPS, Skip, assert_justified, justified_reason


class ForVectors(correct_rules.Qhm):
    ranks = (1,)


class WithoutRest(correct_rules.Langevin):
    decay_kind = "decoupled"
    weight_decay: float = hyperparameter(default=0.0, at_least=0)


class PositiveRate(Sgd):
    lr: LearningRate = hyperparameter(default=1e-3, above=0)


class Repeating(Circle):
    distinct_rows = False

    def splits(self, seed: int) -> Splits:
        splits = super().splits(seed)
        return splits._replace(validation=splits.train)


class Unmeasured(Circle):
    metrics: ClassVar = {}


RIGHT = [*map(load, BUILT_IN), *correct_rules.RULES, *correct_modules.COMPONENTS]
SUBJECTS = [subject(one) for one in (*RIGHT, ForVectors, WithoutRest, PositiveRate, Repeating, Unmeasured)]
NAMED = {check.name: check for check in CHECKS}
CASES = [pytest.param(skip, NAMED[name], id=f"{name}-{skip.reason}") for skip in SKIPS for name in skip.checks]


def skipped(check: Check, reason: str) -> Subject:
    """Return a component that the check must skip for this reason."""
    return next(one for one in SUBJECTS if one.kind in check.kinds and justified_reason(one.component, check) == reason)


def result(target: Subject, check: Check, outcome: str, detail: str = "") -> Result:
    return Result(target.label, check.name, outcome, detail, 0.0)


@pytest.mark.parametrize(("skip", "check"), CASES)
def test_each_reason_is_that_for_which_the_check_skips_some_component(skip: Skip, check: Check) -> None:
    target = skipped(check, skip.reason)
    found = run(target, check)
    assert_justified(target, check, found)
    assert re.fullmatch(skip.reason, found.detail)


@pytest.mark.parametrize(("skip", "check"), CASES)
def test_a_check_that_runs_though_its_reason_holds_is_reported(skip: Skip, check: Check) -> None:
    target = skipped(check, skip.reason)
    for found in (result(target, check, "passed"), result(target, check, "skipped", "another reason")):
        with pytest.raises(AssertionError, match=f"{check.name} must be skipped with the reason"):
            assert_justified(target, check, found)


@pytest.mark.parametrize(("skip", "check"), CASES)
def test_a_skip_of_a_component_of_which_no_reason_holds_is_reported(skip: Skip, check: Check) -> None:
    target = next(one for one in SUBJECTS if one.kind in check.kinds and not justified_reason(one.component, check))
    with pytest.raises(AssertionError, match=rf"{check.name} must not be skipped, got .* which nothing explains"):
        assert_justified(target, check, result(target, check, "skipped", skip.reason))


class Undocumented(Tanh):
    """Squash each value."""


class Particular(Tanh):
    """Squash each of four values.

    Shapes:   any
    """

    def output_shape(self, input_shape: tuple) -> tuple:
        if input_shape and input_shape[-1] not in (4, None, ...):
            raise ShapeError(f"particular: x must have shape (…, 4), got {input_shape}. Reshape it.")
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        self.output_shape(tuple(x.shape[2:]))
        return super().forward(x)


class ConstantThoughItDraws(Uniform):
    def std(self, fan_in: int, fan_out: int) -> float:
        return 0.0


class ProbabilitiesAlone(CrossEntropy):
    """Take class indices without an example of them.

    Shapes:   logits (N, C), target class indices (N,)
    """

    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        return [example for example in super().examples() if example[2].is_floating_point()]


class IndicesUndocumented(CrossEntropy):
    """Take class indices without a word of them."""


class NoIdentities(Sgd):
    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        return []


class NoScalars(Sgd):
    def scalars(self, t: int) -> dict[str, float]:
        return {}


UNEXPLAINED, LEFT_OUT = "must not be skipped", "must be skipped with the reason"


@pytest.mark.parametrize(
    ("component", "name", "message"),
    [
        (Undocumented, "wrong_shapes_raise", UNEXPLAINED),
        (Particular, "wrong_shapes_raise", LEFT_OUT),
        (ConstantThoughItDraws, "another_seed_gives_other_values", UNEXPLAINED),
        (ProbabilitiesAlone, "wrong_class_indices_raise", UNEXPLAINED),
        (IndicesUndocumented, "wrong_class_indices_raise", LEFT_OUT),
        (NoIdentities, "declared_identities_hold", UNEXPLAINED),
        (NoScalars, "scalars_depend_on_t_alone", UNEXPLAINED),
    ],
)
def test_a_component_that_contradicts_its_skips_is_reported(component: type, name: str, message: str) -> None:
    target = subject(component)
    found = run(target, NAMED[name])
    assert found.outcome != "failed", found.detail
    with pytest.raises(AssertionError, match=f"{name} {message}"):
        assert_justified(target, NAMED[name], found)


def test_a_surprise_that_a_general_reason_explains_is_reported() -> None:
    target, check = subject(Sgd), NAMED["declared_identities_hold"]
    with pytest.raises(AssertionError, match="is listed as a surprise, but"):
        assert_justified(
            target, check, run(target, check), {("optimizers:sgd", check.name): "identities.. declares none"}
        )
