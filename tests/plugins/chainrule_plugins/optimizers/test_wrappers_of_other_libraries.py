"""The wrappers beside those of optax and pytorch-optimizer, in float64 over 50 steps, where these are installed.

Where one differs, the paper decides:

| wrapper | library | it has | the paper has |
|---|---|---|---|
| adaptive_clipping | optax | columns of matrices unless told the axes | the weights into one unit (eq. 3), our rows |
| adaptive_clipping | pytorch-optimizer | rank 3 along its second axis alone | all weights into one unit (eq. 3) |
| grokfast | pytorch-optimizer | lr / (1 + lamb) unless normalize_lr=False | lr |
| grokfast | pytorch-optimizer | Adam with max(√v̂, eps) | √v̂ + eps (Kingma & Ba, Algorithm 1) |
"""

import pytest
import torch

from chainrule.optimizers import (
    accumulate,
    adam,
    adamw,
    adaptive_clipping,
    gradient_centralization,
    grokfast,
    sgd,
    trust_ratio,
)
from tests.oracles import shown_alike

from .test_other_libraries import SHAPES, by_optax, by_pytorch_optimizer, distance

pytestmark = pytest.mark.slow  # optax compiles

MATRICES, KERNELS = [(3, 2), (4, 5)], [(2, 2, 3), (3, 2, 4)]


def of_optax(name, **settings):
    """Return optax's transformation for a wrapper around Adam, at a rate of 0.1, with these settings."""
    import optax

    if name == "accumulate":
        inner = optax.adamw(lambda count: 0.1 / (count + 1), weight_decay=0.1)
        return optax.MultiSteps(inner, settings["k"]).gradient_transformation()
    first = {"adaptive_clipping": optax.adaptive_grad_clip, "gradient_centralization": optax.centralize}
    if name in first:
        return optax.chain(first[name](**settings), optax.adam(0.1))
    return optax.chain(optax.scale_by_adam(), optax.scale_by_trust_ratio(**settings), optax.scale_by_learning_rate(0.1))


def decaying(t):
    return 1 / t


OPTAX_AGREES = [
    (accumulate(inner=adamw(lr=0.1, weight_decay=0.1, schedule=decaying), k=1), {"k": 1}, SHAPES),
    (accumulate(inner=adamw(lr=0.1, weight_decay=0.1, schedule=decaying), k=4), {"k": 4}, SHAPES),
    (adaptive_clipping(inner=adam(lr=0.1)), {"clipping": 0.01}, SHAPES[:2]),
    (adaptive_clipping(inner=adam(lr=0.1)), {"clipping": 0.01, "axis": 1}, MATRICES),
    (adaptive_clipping(inner=adam(lr=0.1), clipping=0.5, eps=1.0), {"clipping": 0.5, "eps": 1.0, "axis": 1}, MATRICES),
    (adaptive_clipping(inner=adam(lr=0.1), clipping=0.5), {"clipping": 0.5, "axis": (1, 2)}, KERNELS),
    (gradient_centralization(inner=adam(lr=0.1)), {}, SHAPES),
    (trust_ratio(inner=adam(lr=0.1)), {}, SHAPES),
    (trust_ratio(inner=adam(lr=0.1), trust_coefficient=0.1), {"trust_coefficient": 0.1}, SHAPES),
]
OPTAX_DIFFERS = [(adaptive_clipping(inner=adam(lr=0.1), clipping=0.5), {"clipping": 0.5}, MATRICES)]
NAMES = {
    "Accumulate": "accumulate",
    "AdaptiveClipping": "adaptive_clipping",
    "GradientCentralization": "gradient_centralization",
    "TrustRatio": "trust_ratio",
}


@pytest.mark.parametrize(("rule", "settings", "shapes"), OPTAX_AGREES, ids=shown_alike)
def test_optax_takes_the_same_steps(rule, settings, shapes):
    pytest.importorskip("optax")
    assert distance(rule, by_optax(of_optax(NAMES[type(rule).__name__], **settings)), shapes) <= 1e-8


@pytest.mark.parametrize(("rule", "settings", "shapes"), OPTAX_DIFFERS, ids=shown_alike)
def test_optax_differs_as_the_table_says(rule, settings, shapes):
    pytest.importorskip("optax")
    assert distance(rule, by_optax(of_optax(NAMES[type(rule).__name__], **settings)), shapes) > 1e-4


def around_sgd(change):
    """Return the positions of torch's SGD with gradients that a function of parameter and gradient changes."""

    def theirs(start, gradients):
        params, passed = [torch.nn.Parameter(one.clone()) for one in start], []
        optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        for row in gradients:
            for param, gradient in zip(params, row, strict=True):
                param.grad = change(param.detach(), gradient.clone())
            optimizer.step()
            passed.append([param.detach().clone() for param in params])
        return passed

    return theirs


def clipped(clipping, eps):
    from pytorch_optimizer import agc

    return lambda param, gradient: agc(param, gradient, agc_eps=eps, agc_clip_val=clipping)


def centered(param, gradient):
    from pytorch_optimizer import centralize_gradient

    centralize_gradient(gradient)
    return gradient


INNER = sgd(lr=0.1, momentum=0.9)


@pytest.mark.parametrize(("clipping", "eps"), [(0.01, 1e-3), (0.5, 1.0)])
@pytest.mark.parametrize("shapes", [SHAPES[:3], [(2, 3, 2, 2)]], ids=shown_alike)
def test_pytorch_optimizer_clips_the_same(clipping, eps, shapes):
    pytest.importorskip("pytorch_optimizer")
    rule = adaptive_clipping(inner=INNER, clipping=clipping, eps=eps)
    assert distance(rule, around_sgd(clipped(clipping, eps)), shapes) <= 1e-8


def test_pytorch_optimizer_clips_kernels_of_one_dimension_as_the_table_says():
    pytest.importorskip("pytorch_optimizer")
    assert distance(adaptive_clipping(inner=INNER, clipping=0.5), around_sgd(clipped(0.5, 1e-3)), KERNELS) > 1e-4


def test_pytorch_optimizer_centers_the_same():
    pytest.importorskip("pytorch_optimizer")
    assert distance(gradient_centralization(inner=INNER), around_sgd(centered)) <= 1e-8


GROKFAST = {"betas": (0.9, 0.99), "eps": 1e-14, "lr": 0.1, "weight_decay": 0.1}


@pytest.mark.parametrize(("alpha", "lamb"), [(0.98, 2.0), (0.5, 0.3)])
def test_pytorch_optimizer_amplifies_the_same(alpha, lamb):
    pytest.importorskip("pytorch_optimizer")
    settings = {"grokfast_alpha": alpha, "grokfast_lamb": lamb, "normalize_lr": False}
    theirs = by_pytorch_optimizer("GrokFastAdamW", **GROKFAST, **settings)
    assert distance(grokfast(inner=adamw(**GROKFAST), alpha=alpha, lamb=lamb), theirs) <= 1e-8


def test_pytorch_optimizer_amplifies_at_another_rate_as_the_table_says():
    pytest.importorskip("pytorch_optimizer")
    assert distance(grokfast(inner=adamw(**GROKFAST)), by_pytorch_optimizer("GrokFastAdamW", **GROKFAST)) > 1e-4
