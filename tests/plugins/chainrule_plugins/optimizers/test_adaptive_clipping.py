import pytest
import torch

from chainrule.layers import conv1d
from chainrule.optimizers import adaptive_clipping, sgd
from tests.oracles import around_torch, assert_follows


def reference(rule, parameter, gradients):
    theta = parameter

    def clipped(gradient):
        if gradient.dim() > 1:
            return torch.stack([shortened(*pair) for pair in zip(theta, gradient, strict=True)])
        return shortened(theta, gradient)

    def shortened(unit, gradient):
        longest = rule.clipping * max((unit**2).sum().sqrt().item(), rule.eps)
        length = (gradient**2).sum().sqrt().item()
        return gradient * (longest / length) if length > longest else gradient

    def follow(t, before, gradient, after):
        nonlocal theta
        theta = after
        return after

    return around_torch(rule, parameter, map(clipped, gradients), follow)


@pytest.mark.parametrize("settings", [{"clipping": 1.5}, {"clipping": 0.5, "eps": 2.0}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adaptive_clipping, inner=sgd(lr=0.1, momentum=0.5), **settings)


def test_each_filter_of_a_kernel_is_a_unit():
    network = conv1d(2, 3, kernel_size=2, bias=False).build(dtype=torch.float64)
    (kernel,) = network.parameters()
    before = kernel.data.clone()
    kernel.grad.fill_(1.0)
    kernel.grad[:, 0] = 1e-9
    adaptive_clipping(inner=sgd(lr=1.0), clipping=0.1).attach(network).step()
    moved = (before - kernel.data).flatten(2).norm(dim=2)
    expected = 0.1 * before.flatten(2).norm(dim=2)
    torch.testing.assert_close(moved[:, 1:], expected[:, 1:])
    torch.testing.assert_close(moved[:, 0], torch.full((1,), 2e-9, dtype=torch.float64), rtol=1e-6, atol=0)


def test_weights_of_zero_move_by_eps():
    network = conv1d(1, 1, kernel_size=4, bias=False).build(dtype=torch.float64)
    network.flat.data.zero_()
    network.flat.grad.fill_(1.0)
    adaptive_clipping(inner=sgd(lr=1.0), clipping=0.5, eps=0.01).attach(network).step()
    torch.testing.assert_close(network.flat.data.norm().item(), 0.005)
