"""Trajectories part where they do, and the variant that makes them one is found."""

import pytest
import torch

from chainrule import Optimizer, create, hyperparameter
from chainrule.optimizers import adam, adamw, lookahead, rmsprop, sgd
from chainrule_torch.comparison.explanation import explained_by
from chainrule_torch.comparison.peers import peer_named, translated
from chainrule_torch.comparison.trajectory import SHAPES, by, parting, shapes_of, walk

from .planted import PLANTED

TOLERANCE = 1e-12


def compared(rule, peer, steps=50):
    """Return where the rule and a peer part, and what explains it."""
    shapes = shapes_of(rule)
    ours, theirs = walk(by(rule), shapes, steps), walk(peer.start, shapes, steps)
    found = parting(ours, theirs, shapes, TOLERANCE)
    decay = peer.weight_decay
    return found, explained_by(rule, theirs, found, shapes, tolerance=TOLERANCE, their_decay=decay)


@pytest.fixture
def planted(request):
    """Return the function that gives the peer with a planted difference."""
    file = request.path.with_name("planted.py")
    return lambda kind: peer_named(f"{file}:{kind.__name__}", "adam", adam(), {})


@pytest.mark.parametrize("kind", PLANTED, ids=lambda kind: kind.__name__)
def test_the_first_step_of_a_planted_difference_is_found(kind, planted):
    shapes = shapes_of(adam())
    walks = (walk(start, shapes, 50) for start in (by(adam()), planted(kind).start))
    assert parting(*walks, shapes, TOLERANCE).first == PLANTED[kind][0]


def slow_unless_first_without_variant(kind):
    """Return the marks of a planted difference; where no variant has it, every two are tried, which takes seconds."""
    without = [kind for kind, (_, variant) in PLANTED.items() if variant is None]
    return pytest.mark.slow if kind in without[1:] else ()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=slow_unless_first_without_variant(kind), id=kind.__name__) for kind in PLANTED],
)
def test_the_variant_that_has_a_planted_difference_is_found(kind, planted):
    _, variant = PLANTED[kind]
    _, explanation = compared(adam(), planted(kind))
    assert set(explanation.closing) == ({variant} if variant else set())


def test_what_was_planted_in_is_equal(request):
    file = request.path.with_name("planted.py")
    found, _ = compared(adam(), peer_named(f"{file}:Adam", "adam", adam(), {}))
    assert found.first is None
    assert found.largest < 1e-14


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("adadelta", {}),
        ("adagrad", {"initial_accumulator": 0.1, "lr_decay": 0.01}),
        ("adam", {}),
        ("adamax", {}),
        ("adamw", {"weight_decay": 0.1}),
        ("amsgrad", {"weight_decay": 0.1}),
        ("asgd", {"t0": 5}),
        ("nadam", {"weight_decay": 0.1}),
        ("radam", {"weight_decay": 0.1}),
        ("rmsprop", {"momentum": 0.9, "centered": True}),
        ("rprop", {"eta_minus": 0.4}),
        ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ],
)
def test_torchs_optimizers_get_the_settings_of_ours_and_walk_the_same_way(name, settings):
    rule = create("optimizers", name, lr=0.02, **settings)
    peer = peer_named("torch", name, rule, {})
    shapes = shapes_of(rule)
    ours, theirs = walk(by(rule), shapes, 50), walk(peer.start, shapes, 50)
    assert parting(ours, theirs, shapes, TOLERANCE).first is None
    assert (ours[-1] - ours[0]).abs().max() > 1e-3
    assert not set(peer.left_out) - {"eps_inside", "maximum_of_corrected"}


@pytest.mark.parametrize("name", ["adagrad", "adamax", "rmsprop"])
def test_the_other_coupling_of_torchs_decay_is_what_closes_the_gap(name):
    rule = create("optimizers", name, weight_decay=0.1)
    _, explanation = compared(rule, peer_named("torch", name, rule, {}))
    assert set(explanation.closing) == {"decay 0.1 coupled: g + w θ"}


@pytest.mark.parametrize(
    ("rule", "other", "variant"),
    [
        (rmsprop(), rmsprop(eps_inside=True), "eps_inside=True"),
        (sgd(momentum=0.9), sgd(momentum=0.9, nesterov=True), "nesterov=True"),
        (adam(), adamw(), "decay 0.01 decoupled: θ − lr w θ"),
        (sgd(weight_decay=0.1), sgd(), "no decay"),
        (lookahead(inner=adam()), lookahead(inner=adamw()), "decay 0.01 decoupled: θ − lr w θ"),
    ],
    ids=str,
)
def test_a_variant_of_a_built_in_rule_is_found(rule, other, variant):
    shapes = shapes_of(rule)
    theirs = walk(by(other), shapes, 20)
    found = parting(walk(by(rule), shapes, 20), theirs, shapes, TOLERANCE)
    explanation = explained_by(rule, theirs, found, shapes, tolerance=TOLERANCE, their_decay=0.01)
    assert variant in explanation.closing


def test_two_variants_at_once_are_found():
    class Started(Optimizer):
        betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
        eps: float = 1e-8
        start: float = 0.0
        inside: float = 0.0

        def init(self, parameter):
            return {"v": torch.full_like(parameter, self.start)}

        def update(self, parameter, grad, state, step):
            v = state["v"].lerp_(grad * grad, 1 - self.betas[1])
            return grad / ((v + self.inside).sqrt() + self.eps)

    rule, other = Started(), Started(start=0.1, inside=1e-8, eps=0.0)
    shapes = shapes_of(rule)
    theirs = walk(by(other), shapes, 20)
    found = parting(walk(by(rule), shapes, 20), theirs, shapes, TOLERANCE)
    explanation = explained_by(rule, theirs, found, shapes, tolerance=TOLERANCE, their_decay=0.0)
    assert list(explanation.closing) == ["eps inside the root: √(v + eps), and v started at 0.1"]


def test_what_parts_is_named_with_its_values():
    ours = torch.zeros(3, 15, dtype=torch.float64)
    theirs = ours.clone()
    theirs[1, 5] = 0.5  # weight[1, 2]
    theirs[2, 13] = torch.nan  # bias[1]
    found = parting(ours, theirs, SHAPES, 1e-3)
    assert (found.first, found.element, found.ours, found.theirs) == (2, "weight[1, 2]", 0.0, 0.5)
    assert found.differences.tolist() == [0.0, 0.5, float("inf")]
    assert parting(theirs, theirs, SHAPES, 0.0).first is None


def test_settings_are_translated_and_those_that_are_not_are_told():
    settings, left_out = translated(rmsprop(decay=0.8), ["params", "lr", "alpha", "eps"])
    assert settings == {"lr": 1e-3, "alpha": 0.8, "eps": 1e-8}
    assert set(left_out) == {"momentum", "centered", "eps_inside", "weight_decay"}
    settings, left_out = translated(adamw(), ["learning_rate", "b1", "b2", "weight_decouple", "eps", "weight_decay"])
    assert settings == {
        "learning_rate": 1e-3,
        "b1": 0.9,
        "b2": 0.999,
        "weight_decouple": True,
        "eps": 1e-8,
        "weight_decay": 0.01,
    }
    assert left_out == {}


@pytest.mark.slow  # optax compiles
@pytest.mark.parametrize(
    ("library", "name", "settings", "variants"),
    [
        ("optax", "adam", {}, None),
        ("optax", "adamw", {"weight_decay": 0.1}, None),
        ("optax", "yogi", {"initial_accumulator": 1e-6}, {"m and v started at 1e-06, and with both bias corrections"}),
        ("pytorch_optimizer", "adabelief", {"weight_decay": 0.1}, None),
    ],
)
def test_other_libraries_get_the_settings_too(library, name, settings, variants):
    pytest.importorskip(library)
    rule = create("optimizers", name, **settings)
    found, explanation = compared(rule, peer_named(library, name, rule, {}))
    assert (found.first is None) == (variants is None)
    assert variants is None or variants <= set(explanation.closing)
