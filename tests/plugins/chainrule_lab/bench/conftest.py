"""Outcomes that no training has made."""

import math

import numpy as np
import pytest

from chainrule_lab.bench.contenders import BASELINES
from chainrule_lab.bench.results import Outcome, Point


def made(contender, task="digits_mlp", *, track="B", horizon=1, level=0.2, shift=0.0, diverged=0, decays=(0.0, 0.1)):
    """An outcome whose test losses are level + shift, with the same noise for each seed, the last ones diverged."""
    noise = np.random.default_rng(0).normal(0, 0.01, 20)
    own = np.random.default_rng(sum(map(ord, contender))).normal(0, 0.002, 20)
    test = (level + shift + noise + own).tolist()
    tried = {
        Point.of({"lr": 10.0**i, "weight_decay": decay}, schedule): [loss, loss + 0.01, loss + 0.02]
        for i, loss in zip(range(-3, 2), (0.9, 0.4, level + shift, 0.5, math.inf), strict=True)
        for decay in decays
        for schedule in ("constant", "cosine")
    }
    test[20 - diverged :] = [math.inf] * diverged
    curves = [[8 * loss, 2 * loss, 1.5 * loss, loss] for loss in test]
    chosen = Point.of({"lr": 0.1, "weight_decay": 0.0}, "constant")
    return Outcome(
        task, contender, track, horizon, tried, chosen, [], test, [0.9] * 20, [loss / 2 for loss in test], curves
    )


@pytest.fixture
def outcome():
    return made


@pytest.fixture(scope="session")
def benchmark_outcomes():
    """Six baselines and two optimizers, one of them better and one worse, on two tasks."""
    return [
        made(name, task, shift=shift, diverged=diverged)
        for task in ("digits_mlp", "noisy_quadratic")
        for name, shift, diverged in [*((name, 0.0, 0) for name in BASELINES), ("Good", -0.05, 0), ("Bad", 0.0, 12)]
    ]
