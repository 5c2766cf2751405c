"""The rules for matrices beside the same ones of optax and pytorch-optimizer, in float64 over 50 steps.

Where one differs, the paper decides (w is the weight decay):

| rule | library | it has | the paper has |
|---|---|---|---|
| muon | optax | ĝ and m̂ in nesterov; √max(1, columns / rows), for its (in, out) | g and m; √max(1, rows / columns) |
| scion | pytorch-optimizer | eps 1e-8 added to the rms of a vector | no eps; ours bounds the norm by 1e-7 |
| shampoo | pytorch-optimizer | the gradient averaged with the last direction, as momentum | none (Algorithm 1) |
| soap | pytorch-optimizer | at renewals columns by their eigenvalues, in float32 | their order (Algorithm 4) |
| soap | pytorch-optimizer | no decay at the first step, which only sets the bases | no such step; ours decays there |
"""

import functools

import pytest
import torch

from chainrule import create

from .test_other_libraries import by_optax, by_pytorch_optimizer, distance

pytestmark = pytest.mark.slow  # optax compiles

MATRICES = [(3, 2), (2, 3), (4, 4)]
TENSORS = [*MATRICES, (2, 2, 3), (2, 3, 2, 2)]


@pytest.fixture(autouse=True)
def _in_float64(monkeypatch):
    """Let pytorch-optimizer orthogonalize in float64 in place of bfloat16."""
    pytorch_optimizer = pytest.importorskip("pytorch_optimizer")
    for module in (pytorch_optimizer.optimizer.muon.base, pytorch_optimizer.optimizer.scion):
        exact = functools.partial(module.zero_power_via_newton_schulz_5, dtype=torch.float64)
        monkeypatch.setattr(module, "zero_power_via_newton_schulz_5", exact)


def optax_of(rule):
    """Return optax's transformation for the settings of muon."""
    import optax

    numbers = {"ns_coeffs": rule.ns_coefficients, "ns_steps": rule.ns_steps, "beta": rule.momentum, "eps": rule.eps}
    return optax.contrib.muon(rule.lr, **numbers, nesterov=rule.nesterov, weight_decay=rule.weight_decay)


OPTAX_AGREES = [
    {"nesterov": False, "eps": 1e-12},
    {"lr": 0.1, "momentum": 0.5, "nesterov": False, "eps": 1e-12, "ns_steps": 3, "weight_decay": 0.1},
]


@pytest.mark.parametrize("settings", OPTAX_AGREES, ids=str)
def test_optax_takes_the_same_steps_of_muon(settings):
    pytest.importorskip("optax")
    rule = create("optimizers", "muon", **settings)
    assert distance(rule, by_optax(optax_of(rule)), [(3, 3), (4, 4)]) <= 1e-8


@pytest.mark.parametrize(("settings", "shapes"), [({}, [(4, 4)]), ({"nesterov": False}, [(3, 2)])], ids=str)
def test_optax_differs_as_the_table_says(settings, shapes):
    pytest.importorskip("optax")
    rule = create("optimizers", "muon", **settings)
    assert distance(rule, by_optax(optax_of(rule)), shapes) > 1e-4


def theirs_of(rule, **more):
    """Return the steps of pytorch-optimizer for the settings of a rule and more."""
    name = type(rule).__name__
    common = {"lr": rule.lr, "weight_decay": rule.weight_decay, "weight_decouple": True}
    if name == "Muon":
        numbers = {"ns_steps": rule.ns_steps, "ns_coeffs": rule.ns_coefficients}
        scaling = {"use_adjusted_lr": rule.scaling == "match_rms_adamw"}
        group = {"use_muon": True, "momentum": rule.momentum, "nesterov": rule.nesterov, **numbers, **scaling}
        return by_pytorch_optimizer("Muon", group=group | common, **more)
    if name == "Scion":
        norms = pytorch_optimizer_norms()
        norm = {"norm_type": norms.AUTO if rule.norm == "spectral" else norms.SIGN, "scale": rule.scale}
        return by_pytorch_optimizer("SCION", momentum=1 - rule.momentum, **norm, **common, **more)
    if name == "Shampoo":
        numbers = {"matrix_eps": rule.eps, "preconditioning_compute_steps": rule.precondition_every}
        return by_pytorch_optimizer("Shampoo", momentum=rule.momentum, **numbers, **common, **more)
    numbers = {"betas": rule.betas, "eps": rule.eps, "precondition_frequency": rule.precondition_every}
    return by_pytorch_optimizer("SOAP", **numbers, max_precondition_dim=rule.max_side, **common, **more)


def pytorch_optimizer_norms():
    """Return the names of the norms of pytorch-optimizer's SCION."""
    from pytorch_optimizer.optimizer.scion import LMONorm

    return LMONorm


LATE = {"weight_decay": 0.0, "precondition_every": 51}
TORCH_AGREES = [
    ("muon", {}, TENSORS),
    ("muon", {"lr": 0.1, "momentum": 0.5, "nesterov": False, "scaling": "match_rms_adamw"}, TENSORS),
    ("muon", {"weight_decay": 0.1, "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)}, TENSORS),
    ("scion", {}, TENSORS),
    ("scion", {"lr": 0.01, "momentum": 0.5, "scale": 10.0, "weight_decay": 0.1}, TENSORS),
    ("scion", {"norm": "sign", "scale": 10.0, "weight_decay": 1.0}, MATRICES),
    ("shampoo", {}, [(4,), *TENSORS]),
    ("shampoo", {"lr": 0.5, "eps": 1e-2, "weight_decay": 0.1, "precondition_every": 3}, [(4,), *TENSORS]),
    ("soap", LATE, [(4,), *MATRICES]),
    ("soap", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-4, "max_side": 3, **LATE}, [(4,), *MATRICES]),
]
TORCH_DIFFERS = [
    ("shampoo", {"momentum": 0.9}, MATRICES),
    ("soap", {"weight_decay": 0.0}, [(4, 4)]),
    ("soap", {**LATE, "weight_decay": 0.1}, [(4, 4)]),
]


@pytest.mark.parametrize(("name", "settings", "shapes"), TORCH_AGREES, ids=str)
def test_pytorch_optimizer_takes_the_same_steps(name, settings, shapes):
    rule = create("optimizers", name, **settings)
    assert distance(rule, theirs_of(rule), shapes) <= 1e-8


@pytest.mark.parametrize(("name", "settings", "shapes"), TORCH_DIFFERS, ids=str)
def test_pytorch_optimizer_differs_as_the_table_says(name, settings, shapes):
    rule = create("optimizers", name, **settings)
    assert distance(rule, theirs_of(rule), shapes) > 1e-4


def test_vectors_differ_by_the_eps_of_the_table():
    rule = create("optimizers", "scion", lr=1.0)
    assert 1e-10 < distance(rule, theirs_of(rule), [(4,)]) < 1e-5
