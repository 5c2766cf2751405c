import pytest
import torch

from chainrule_lab.gallery.surfaces import SURFACES


@pytest.fixture(params=SURFACES, ids=lambda surface: surface.name)
def surface(request):
    return request.param


def test_gradients_are_those_of_autograd(surface):
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    surface.value(points).sum().backward()
    torch.testing.assert_close(surface.gradient(points.detach()), points.grad)


def test_the_minimum_is_0_with_no_gradient_and_no_lower_point_around(surface):
    minimum = torch.tensor(surface.minimum, dtype=torch.float64)
    assert surface.value(minimum) == pytest.approx(0, abs=1e-12)
    assert surface.gradient(minimum).abs().max() < 1e-9
    around = minimum + torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert surface.value(around).min() > 0


def test_start_and_minimum_are_in_view_and_the_corners_just_so(surface):
    left, bottom = surface.corner
    ends = torch.tensor([surface.start, surface.minimum, surface.corner], dtype=torch.float64)
    assert surface.in_view(ends).all()
    outside = torch.tensor([[left - 1e-9, bottom], [left, bottom + surface.side + 1e-9]], dtype=torch.float64)
    assert not surface.in_view(outside).any()
