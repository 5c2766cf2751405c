import math

import torch

from chainrule.tasks import two_spirals


def test_points_lie_near_the_spiral_of_their_class():
    for x, y in two_spirals().splits(0):
        r = torch.linspace(0.1, 1, 2000)
        distances = []
        for label in (0, 1):
            angle = 2 * math.pi * r + math.pi * label
            spiral = torch.stack([r * angle.cos(), r * angle.sin()], 1)
            distances.append(torch.cdist(x, spiral).min(1).values)
        own = torch.where(y == 0, *distances)
        assert own.max() < 5 * 0.08
        assert (own < torch.where(y == 1, *distances)).float().mean() > 0.95
        assert abs(y.float().mean() - 0.5) < 0.01


def test_the_network_is_deep_and_narrow():
    matrices = [tuple(p.shape) for p in two_spirals().network().parameters() if len(p.shape) == 2]
    assert matrices == [(8, 2), *[(8, 8)] * 4, (2, 8)]
