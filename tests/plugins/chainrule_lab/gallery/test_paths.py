import math

import pytest
import torch

from chainrule import Optimizer, ShapeError, registry
from chainrule.optimizers import adam, ema, lamb, sgd
from chainrule_lab.gallery.paths import RATES, paths, point_shape, walk
from chainrule_lab.gallery.surfaces import SURFACES


def by_hand(step, surface, steps):
    """Return the points of a rule written out in numbers, by ``step(gradient, t)``, the change of the point."""
    point, points = torch.tensor(surface.start, dtype=torch.float64), []
    for t in range(steps + 1):
        points.append(point)
        point = point + step(surface.gradient(point), t + 1)
    return torch.stack(points)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_gradient_descent_goes_down_the_gradient(surface):
    every = walk(sgd(), SURFACES, [1e-4, 1e-3], 20)
    expected = by_hand(lambda g, _: -1e-3 * g, surface, 20)
    torch.testing.assert_close(every[:, SURFACES.index(surface), 1], expected)


def test_adams_path_is_that_of_its_formula():
    rosenbrock = SURFACES[0]
    m, v = torch.zeros(2, 2, dtype=torch.float64)

    def step(g, t):
        m.mul_(0.9).add_(0.1 * g)
        v.mul_(0.999).add_(0.001 * g * g)
        return -0.05 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)

    (path,) = paths(adam(), [rosenbrock], [0.05], 100)
    torch.testing.assert_close(path.points, by_hand(step, rosenbrock, 100))
    assert path.value == float(rosenbrock.value(path.points[-1]))
    assert path.distance == pytest.approx(math.dist(path.points[-1].tolist(), rosenbrock.minimum))


def test_a_path_is_drawn_where_the_rule_evaluates():
    every = walk(ema(inner=sgd(), decay=0.5), SURFACES[:1], [1e-4], 1)
    moved = walk(sgd(), SURFACES[:1], [1e-4], 1)
    torch.testing.assert_close(every[1], (moved[0] + moved[1]) / 2)


def test_a_rule_with_norms_sees_its_own_member_only():
    together = walk(lamb(), SURFACES, RATES, 5)
    alone = walk(lamb(), SURFACES[1:2], RATES[12:13], 5)
    torch.testing.assert_close(together[:, 1:2, 12:13], alone)


def test_the_drawn_rate_ends_lowest_of_those_in_view_and_those_that_end_higher_are_counted():
    bowl = SURFACES[-1]  # along the steep axis, gradient descent diverges for lr > 2 / 100
    (path,) = paths(sgd(), [bowl], [1e-5, 1e-3, 1e-2, 1e-1, 1.0], 200)
    assert (path.rate, path.diverged, path.tried, path.diverges) == (1e-2, 2, 5, False)
    assert path.ends_in_view


def test_a_rate_whose_path_leaves_the_view_is_passed_over():
    bowl, rule, rates = SURFACES[-1], sgd(momentum=0.9), [1e-4, 0.0376]
    every = walk(rule, [bowl], rates, 200)[:, 0]
    ends = bowl.value(every[-1])
    assert ends[1] < ends[0]
    assert bowl.in_view(every).all(0).tolist() == [True, False]
    (path,) = paths(rule, [bowl], rates, 200)
    assert path.rate == 1e-4


@pytest.mark.usefixtures("third_party")
def test_a_rule_that_climbs_diverges_at_every_rate():
    (path,) = paths(registry.get("optimizers", "climbing")(), SURFACES[:1], [1e-3, 1.0], 50)
    assert path.diverges
    assert path.rate == 1e-3


def test_where_every_rate_leaves_the_view_the_lowest_end_is_drawn():
    (path,) = paths(sgd(), SURFACES[:1], [1e3, 1e4], 50)
    assert path.diverges
    assert not path.ends_in_view
    assert path.value == math.inf


@pytest.mark.usefixtures("third_party")
def test_a_rule_for_matrices_gets_the_point_as_one():
    rule = registry.get("optimizers", "matrices")()
    assert point_shape(rule) == (1, 2)
    start, after = walk(rule, SURFACES[:1], [0.1], 1)[:, 0, 0]
    gradient = SURFACES[0].gradient(start)
    torch.testing.assert_close(after, start - 0.1 * gradient / gradient.norm())


@pytest.mark.usefixtures("third_party")
def test_a_rule_for_numbers_alone_is_refused():
    with pytest.raises(ShapeError, match="numbers: ranks must have one from 1 on"):
        point_shape(registry.get("optimizers", "numbers")())


@pytest.mark.usefixtures("third_party")
def test_noise_is_the_same_for_all_members_and_again():
    rule = registry.get("optimizers", "noisy")()
    first, second = (walk(rule, SURFACES[:1], [0.0, 1e-3, 1e-3], 5) for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first[:, :, 1], first[:, :, 2])
    assert not torch.equal(first[0, :, 1], first[1, :, 1])


def test_where_those_in_view_diverge_the_lowest_end_out_of_view_is_drawn():
    class Jump(Optimizer):
        """Climb at a rate below 1; else go far away and come back to the minimum at (1, 1)."""

        def update(self, parameter, grad, state, step):
            return torch.where(step.lr < 1, -grad, (parameter - 1 - 100 * step["first"]) / step.lr)

        def scalars(self, t):
            return {"first": float(t == 1)}

    (path,) = paths(Jump(), SURFACES[:1], [1e-4, 1.0], 2)
    assert (path.rate, path.value, path.diverged) == (1.0, 0, 1)
