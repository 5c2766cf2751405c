import numpy as np
import pytest
import torch

from chainrule import training_step
from chainrule.layers import linear
from chainrule.losses import cross_entropy
from chainrule.optimizers import soap
from chainrule.testing.optimizers.trials import moved, weights
from tests.oracles import assert_follows, by_array_formula


def completed(vectors):
    """Return what Householder's reflections make of unit vectors: first the orthonormal columns, up to their signs."""
    basis = np.eye(len(vectors))
    for j, column in enumerate(vectors.T):
        v = basis.T @ column
        v[j] += np.copysign(1.0, v[j])
        basis = basis - 2 * np.outer(basis @ v, v) / (v @ v)
    return basis


def reference(rule, parameter, gradients):
    beta1, beta2 = rule.betas

    def formula(theta, g, memory, t):
        theta, shape = theta - rule.lr * rule.weight_decay * theta, theta.shape
        g = g.reshape(len(g), -1) if g.ndim > 1 else g.reshape(-1, 1)
        turns = [len(shape) > 1 and size <= rule.max_side for size in g.shape]
        sides = [g @ g.T, g.T @ g]
        if t == 1:
            u, values, vt = np.linalg.svd(g, full_matrices=False)
            u, vt = u[:, values > 1e-12 * values[0]], vt[values > 1e-12 * values[0]]
            memory["h"] = [(1 - beta2) * side for side in sides]
            memory["q"] = [
                completed(basis) if turn else np.eye(len(basis)) for basis, turn in zip((u, vt.T), turns, strict=True)
            ]
            memory["m"] = memory["v"] = np.zeros_like(g)
            return theta
        left, right = memory["q"]
        m = memory["m"] = beta1 * memory["m"] + (1 - beta1) * g
        v = memory["v"] = beta2 * memory["v"] + (1 - beta2) * (left.T @ g @ right) ** 2
        d = left @ (left.T @ m @ right / (np.sqrt(v) + rule.eps)) @ right.T
        taken = t - 1
        correction = np.sqrt(1 - beta2**taken) / (1 - beta1**taken)
        memory["h"] = [beta2 * h + (1 - beta2) * side for h, side in zip(memory["h"], sides, strict=True)]
        if taken % rule.precondition_every == 0:
            memory["q"] = [
                np.linalg.qr(h @ q)[0] if turn else q
                for h, q, turn in zip(memory["h"], memory["q"], turns, strict=True)
            ]
        return theta - rule.lr * correction * d.reshape(shape)

    return by_array_formula(formula, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [
        {"betas": (0.0, 0.95)},
        {"betas": (0.95, 0.0), "precondition_every": 20},
        {"eps": 1e-2},
        {"weight_decay": 0.5},
        {"precondition_every": 2},
        {"max_side": 2},
    ],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, soap, lr=0.1, **settings)


def test_a_gradient_of_many_rows_has_one_basis_in_single_networks_and_ensembles():
    rule = soap(weight_decay=0.0)
    shapes = {"w": (2, 7, 3)}  # the first gradient's 21 × 21 matrix has rank 2
    ensemble = moved(rule, weights(rule, shapes, seeds=[0, 1, 2]), 12).flat.data.view(3, -1)
    for i in range(3):
        single = moved(rule, weights(rule, shapes, seeds=[i]), 12).flat.data
        torch.testing.assert_close(ensemble[i], single, rtol=0, atol=1e-10)


def test_the_order_of_sums_does_not_decide_what_is_beyond_the_rank_of_the_first_gradient():
    """The gradients of a softmax's scores sum to 0 over the classes, but for rounding."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(4, 6, generator=generator, dtype=torch.float64), torch.tensor([0, 2, 1, 0])
    ends = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        network = linear(6, 3).build(seed=0, dtype=torch.float64)
        step = training_step(network, cross_entropy(), soap(lr=0.01))
        for _ in range(5):
            step(x[order], y[order])
        ends.append(network.flat.data)
    torch.testing.assert_close(*ends, rtol=0, atol=1e-8)


def test_a_member_with_nan_leaves_the_others_alone():
    network, alone = linear(3, 2, bias=False).build(seeds=[0, 1]), linear(3, 2, bias=False).build(seed=1)
    both, one = (soap(precondition_every=1).attach(each) for each in (network, alone))
    for t in range(4):
        gradient = torch.randn(6, generator=torch.Generator().manual_seed(t))
        network.flat.grad.view(2, 6).copy_(gradient)
        alone.flat.grad.copy_(gradient)
        if t == 0:
            network.flat.grad[0] = torch.nan
        both.step()
        one.step()
    assert network.flat.data.view(2, 6)[0].isnan().all()
    torch.testing.assert_close(network.flat.data.view(2, 6)[1], alone.flat.data)
