import numpy as np
import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import shampoo
from tests.oracles import assert_follows, by_array_formula


def reference(rule, parameter, gradients):
    """Return the positions by the product of all roots, as one matrix on the flattened gradient."""

    def inverse_root(h, order):
        u, s, vt = np.linalg.svd(h)
        return u * s ** (-1 / order) @ vt

    def formula(theta, g, memory, t):
        order = g.ndim
        sums = memory.setdefault("sums", [rule.eps * np.eye(size) for size in g.shape])
        for axis, h in enumerate(sums):
            others = [i for i in range(order) if i != axis]
            h += np.tensordot(g, g, axes=(others, others))
        if t % rule.precondition_every == 0:
            product = np.ones((1, 1))
            for h in sums:
                product = np.kron(product, inverse_root(h, 2 * order))
            memory["product"] = product
        d = (memory["product"] @ g.ravel()).reshape(g.shape) if "product" in memory else np.zeros_like(g)
        b = memory["b"] = rule.momentum * memory.get("b", 0.0) + d
        return theta - rule.lr * (b + rule.weight_decay * theta)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"momentum": 0.9}, {"eps": 1.0}, {"weight_decay": 0.5}, {"precondition_every": 4}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, shampoo, **settings)


def test_a_member_with_nan_leaves_the_others_alone():
    network, alone = linear(3, 2, bias=False).build(seeds=[0, 1]), linear(3, 2, bias=False).build(seed=1)
    for t in range(4):
        gradient = torch.randn(6, generator=torch.Generator().manual_seed(t))
        if t == 0:
            both, one = shampoo().attach(network), shampoo().attach(alone)
        network.flat.grad.view(2, 6).copy_(gradient)
        alone.flat.grad.copy_(gradient)
        if t == 1:
            network.flat.grad[0] = torch.nan
        both.step()
        one.step()
    assert network.flat.data.view(2, 6)[0].isnan().all()
    torch.testing.assert_close(network.flat.data.view(2, 6)[1], alone.flat.data)
