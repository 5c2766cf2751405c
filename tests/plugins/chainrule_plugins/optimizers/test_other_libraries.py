"""The rules beside the same ones of optax and pytorch-optimizer, in float64 over 50 steps, where these are installed.

Where one differs, the equation of the paper decides (w is the weight decay):

| rule | library | it has | the paper has |
|---|---|---|---|
| adafactor | optax, pytorch-optimizer | momentum averages α u | no momentum (Algorithm 4); alike for a fixed α |
| adam_mini | pytorch-optimizer | float32; one v per tensor unless named as a transformer's | one per output neuron |
| adan | optax | (1 − b2) δ and (1 − b2) v | b2 there, 1 − β₂ in the paper's letters (Algorithm 1); alike at ½ |
| adan | pytorch-optimizer | θ / (1 + lr w) unless decoupled | the same (Algorithm 1); ours is decoupled |
| yogi | optax, pytorch-optimizer | m̂, v̂; optax's m starts at 1e-6 | m, v (Algorithm 2); alike at β₁ = β₂ = 0 |
| lars | optax | ‖g + w θ‖ | ‖g‖ + w ‖θ‖ (Algorithm 1); alike without decay |
| lars | pytorch-optimizer | vectors and scalars left out | all parameters (Algorithm 1) |
| lamb | pytorch-optimizer | v; lr / (1 − β₁ᵗ); decay outside r; ‖θ‖ ≤ 10 | m̂, v̂; decay in r (Algorithm 2) |
| adopt | pytorch-optimizer | clip at t^¼ | (t − 1)^¼ in our t, since its first gradient is g₀ (Algorithm 2) |
| dadapt_adam | optax | lr √(1 − β₂ᵗ) / (1 − β₁ᵗ) | lr, as in the authors' code; alike where lr undoes it |
| prodigy | optax | lr and eps as in the rows above and below | lr; eps by dₖ (Algorithm 4) |
| prodigy | pytorch-optimizer | eps by the new d | eps by dₖ (Algorithm 4) |
| mars | pytorch-optimizer | (√v + eps) / √(1 − β₂ᵗ) | √v̂ + eps (MARS-AdamW) |
"""

import pytest
import torch

from chainrule import create
from chainrule.testing.optimizers.trials import draw_gradients, weights
from tests.oracles import shown_alike, torchs_scalars_in_float64

pytestmark = pytest.mark.slow  # optax compiles

SHAPES = [(), (4,), (3, 2), (2, 2, 3)]
STEPS = 50


def distance(rule, theirs, shapes=SHAPES):
    """Return the largest relative distance on the way from another library's function of start and gradients."""
    network = weights(rule, shapes)
    updater, found, gradients = rule.attach(network), [], []
    start = [parameter.data[0].clone() for parameter in network.parameters()]
    for t in range(1, STEPS + 1):
        draw_gradients(network, t)
        if hasattr(rule, "d0"):
            network.flat.grad.add_(0.5)  # on a way that leads somewhere, the estimated distance grows
        gradients.append([parameter.grad[0].clone() for parameter in network.parameters()])
        updater.step()
        found.append([parameter.data[0].clone() for parameter in network.parameters()])
    ours, expected = (
        torch.stack([torch.cat([one.flatten() for one in row]) for row in path])
        for path in (found, theirs(start, gradients))
    )
    return ((ours - expected).abs() / expected.abs().clamp_min(1)).max().item()


def by_optax(transformation):
    """Return the positions of a transformation of optax as a function of start and gradients."""
    import jax
    import optax

    def theirs(start, gradients):
        with jax.enable_x64(True):
            params, passed = [jax.numpy.asarray(one.numpy()) for one in start], []
            state, update = transformation.init(params), jax.jit(transformation.update)
            for row in gradients:
                updates, state = update([jax.numpy.asarray(one.numpy()) for one in row], state, params)
                params = optax.apply_updates(params, updates)
                passed.append([torch.tensor(one.__array__()) for one in params])
        return passed

    return theirs


def by_pytorch_optimizer(name, *, group=None, **settings):
    """Return the positions of an optimizer of pytorch-optimizer, of one group if any, by start and gradients."""
    import pytorch_optimizer

    def theirs(start, gradients):
        params, passed = [torch.nn.Parameter(one.clone()) for one in start], []
        taken = params if group is None else [{"params": params, **group}]
        if name == "AdamMini":  # which takes a model
            taken = torch.nn.ParameterList(params)
        optimizer = getattr(pytorch_optimizer, name)(taken, foreach=False, **settings)
        for row in gradients:
            for param, gradient in zip(params, row, strict=True):
                param.grad = gradient.clone()
            with torchs_scalars_in_float64():
                optimizer.step()
            passed.append([param.detach().clone() for param in params])
        return passed

    return theirs


def estimating(rule, rate):
    """Return optax's transformation for a rule that estimates the distance to the solution, and a learning rate."""
    import optax

    kind = {"Prodigy": optax.contrib.prodigy, "DadaptAdam": optax.contrib.dadapt_adamw}[type(rule).__name__]
    return kind(rate, rule.betas, eps=rule.eps, estim_lr0=rule.d0, weight_decay=rule.weight_decay)


def optax_of(rule):
    """Return optax's transformation for the settings of a rule."""
    import optax

    numbers = dict(zip(("b1", "b2", "b3"), getattr(rule, "betas", ()), strict=False))
    numbers |= {"eps": rule.eps} if hasattr(rule, "eps") else {}
    name, decay, lr = type(rule).__name__.lower(), rule.weight_decay, optax.scale_by_learning_rate(rule.lr)
    if name == "adafactor":
        return optax.adafactor(
            rule.lr,
            min_dim_size_to_factor=1,
            decay_rate=rule.decay_rate,
            multiply_by_parameter_scale=rule.relative_step,
            clipping_threshold=rule.clip_threshold,
            momentum=rule.momentum or None,
            dtype_momentum="float64",
            weight_decay_rate=rule.lr * decay or None,
            eps=rule.eps[0],
        )
    if name == "schedulefreesgd":
        return optax.contrib.schedule_free_sgd(rule.lr, b1=rule.momentum, weight_decay=decay)
    if name == "schedulefreeadamw":
        return optax.contrib.schedule_free_adamw(rule.lr, **numbers, weight_decay=decay)
    if name == "lars":
        return optax.lars(rule.lr, decay, trust_coefficient=rule.trust_coefficient, momentum=rule.momentum)
    if name == "lamb":
        return optax.lamb(rule.lr, **numbers, weight_decay=decay)
    if hasattr(rule, "d0"):
        beta1, beta2 = rule.betas
        return estimating(rule, lambda count: rule.lr * (1 - beta1 ** (count + 1)) / (1 - beta2 ** (count + 1)) ** 0.5)
    directions = {
        "adabelief": lambda: optax.scale_by_belief(**numbers, eps_root=rule.eps),
        "adan": lambda: optax.scale_by_adan(**numbers),
        "adopt": lambda: optax.contrib.scale_by_adopt(**numbers),
        "ademamix": lambda: optax.contrib.scale_by_ademamix(**numbers, alpha=rule.alpha),
        "amsgrad": lambda: optax.scale_by_amsgrad(**numbers),
        "lion": lambda: optax.scale_by_lion(**numbers),
        "signsgd": optax.scale_by_sign,
        "signum": lambda: optax.chain(optax.ema(rule.momentum, debias=False), optax.scale_by_sign()),
        "yogi": lambda: optax.scale_by_yogi(**numbers, initial_accumulator_value=rule.initial_accumulator),
    }
    return optax.chain(directions[name](), optax.add_decayed_weights(decay), lr)


FIXED_STEP = {"lr": 0.1, "relative_step": False, "clip_threshold": 0.5, "momentum": 0.9, "weight_decay": 0.1}
OPTAX_AGREES = [
    ("adabelief", {}),
    ("adabelief", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}),
    ("adafactor", {}),
    ("adafactor", {**FIXED_STEP, "lr": 0.005}),  # small, since optax takes β₂ in float32
    ("adan", {"betas": (0.98, 0.5, 0.99)}),
    ("adan", {"lr": 0.1, "betas": (0.9, 0.5, 0.9), "eps": 1e-4, "weight_decay": 0.1}),
    ("ademamix", {}),
    ("ademamix", {"lr": 0.1, "betas": (0.8, 0.99, 0.9), "alpha": 2.0, "eps": 1e-4, "weight_decay": 0.1}),
    ("adopt", {}),
    ("adopt", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}),
    ("amsgrad", {"maximum_of_corrected": True}),
    ("amsgrad", {"lr": 0.1, "betas": (0.8, 0.9), "maximum_of_corrected": True, "weight_decay": 0.1}),
    ("dadapt_adam", {}),
    ("dadapt_adam", {"betas": (0.8, 0.99), "d0": 1e-3, "lr": 0.5, "eps": 1e-2, "weight_decay": 0.1}),
    ("lamb", {}),
    ("lamb", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}),
    ("lars", {}),
    ("lars", {"lr": 5.0, "momentum": 0.5, "trust_coefficient": 0.01}),
    ("lion", {}),
    ("lion", {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("prodigy", {"eps": 1e-14}),
    ("prodigy", {"betas": (0.8, 0.99), "d0": 1e-3, "lr": 0.5, "eps": 1e-14, "weight_decay": 0.1}),
    ("schedule_free_adamw", {}),
    ("schedule_free_adamw", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}),
    ("schedule_free_sgd", {}),
    ("schedule_free_sgd", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}),
    ("signsgd", {}),
    ("signsgd", {"lr": 0.1, "weight_decay": 0.1}),
    ("signum", {}),
    ("signum", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}),
    ("yogi", {"betas": (0.0, 0.0)}),
    ("yogi", {"betas": (0.0, 0.0), "lr": 0.1, "initial_accumulator": 0.1, "eps": 1e-2, "weight_decay": 0.1}),
]
OPTAX_DIFFERS = [
    ("adan", {}),
    ("lars", {"weight_decay": 0.1}),
    ("prodigy", {"d0": 1e-3, "eps": 1.0}),
    ("yogi", {}),
]
OPTAX_DIFFERS = [("adafactor", {"momentum": 0.9}), ("adan", {}), ("lars", {"weight_decay": 0.1}), ("yogi", {})]


@pytest.mark.parametrize(("name", "settings"), OPTAX_AGREES, ids=shown_alike)
def test_optax_takes_the_same_steps(name, settings):
    pytest.importorskip("optax")
    rule = create("optimizers", name, **settings)
    assert distance(rule, by_optax(optax_of(rule))) <= 1e-8


@pytest.mark.parametrize(("name", "settings"), OPTAX_DIFFERS, ids=shown_alike)
def test_optax_differs_as_the_table_says(name, settings):
    pytest.importorskip("optax")
    rule = create("optimizers", name, **settings)
    assert distance(rule, by_optax(optax_of(rule))) > 1e-4


@pytest.mark.parametrize("name", ["dadapt_adam", "prodigy"])
def test_optax_corrects_biases_that_the_table_names(name):
    pytest.importorskip("optax")
    rule = create("optimizers", name, d0=1e-3)
    assert distance(rule, by_optax(estimating(rule, rule.lr))) > 1e-4


MATRICES = SHAPES[2:]
ADOPTS_CLIP = {"clip_lambda": lambda t: (t - 1) ** 0.25}
DECOUPLED = {"weight_decouple": True}
WARM_UPS = {"alpha_warmup": 20, "beta3_warmup": 20}
ADAFACTORS = {"betas": (None, 0.999), "decay_rate": -0.8}
ADAFACTORS_MOMENTUM = {**ADAFACTORS, "betas": (0.9, 0.999), "momentum_dtype": torch.float64}
TORCH_AGREES = [
    ("adabelief", "AdaBelief", {}, {}, SHAPES),
    ("adabelief", "AdaBelief", {"lr": 0.1, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}, {}, SHAPES),
    ("adafactor", "AdaFactor", {}, ADAFACTORS, SHAPES),
    ("adafactor", "AdaFactor", FIXED_STEP, {**ADAFACTORS_MOMENTUM, "scale_parameter": False}, SHAPES),
    ("adan", "Adan", {}, {}, SHAPES),
    ("adan", "Adan", {"lr": 0.1, "betas": (0.9, 0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1}, DECOUPLED, SHAPES),
    ("ademamix", "AdEMAMix", {}, {}, SHAPES),
    ("ademamix", "AdEMAMix", {"lr": 0.1, "weight_decay": 0.1, **WARM_UPS}, {"t_alpha_beta3": 20} | DECOUPLED, SHAPES),
    ("adopt", "ADOPT", {}, ADOPTS_CLIP, SHAPES),
    ("adopt", "ADOPT", {"lr": 0.1, "betas": (0.8, 0.99), "weight_decay": 0.1}, ADOPTS_CLIP | DECOUPLED, SHAPES),
    ("dadapt_adam", "DAdaptAdam", {}, {}, SHAPES),
    ("dadapt_adam", "DAdaptAdam", {"d0": 1e-3, "lr": 0.5, "eps": 1e-2, "weight_decay": 0.1}, DECOUPLED, SHAPES),
    ("came", "CAME", {}, {}, SHAPES),
    ("came", "CAME", {"lr": 0.01, "betas": (0.8, 0.9, 0.99), "clip_threshold": 0.5, "weight_decay": 0.1}, {}, SHAPES),
    ("lamb", "Lamb", {"betas": (0.9, 0.0), "eps": 1e-14, "weight_decay": 0.0}, {"adam_debias": True}, SHAPES),
    ("lars", "LARS", {}, {}, MATRICES),
    ("lars", "LARS", {"lr": 5.0, "momentum": 0.5, "trust_coefficient": 0.01, "weight_decay": 0.1}, {}, MATRICES),
    ("lion", "Lion", {}, {}, SHAPES),
    ("lion", "Lion", {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.1}, {}, SHAPES),
    ("mars", "MARS", {}, {"optimize_1d": True}, SHAPES),
    ("mars", "MARS", {"lr": 0.1, "gamma": 0.5, "eps": 1e-14, "weight_decay": 0.1}, {"optimize_1d": True}, SHAPES),
    ("prodigy", "Prodigy", {"eps": 1e-14}, {}, SHAPES),
    ("prodigy", "Prodigy", {"d0": 1e-3, "lr": 0.5, "eps": 1e-14, "weight_decay": 0.1}, {}, SHAPES),
    ("schedule_free_adamw", "ScheduleFreeAdamW", {}, {}, SHAPES),
    ("schedule_free_adamw", "ScheduleFreeAdamW", {"lr": 0.1, "betas": (0.8, 0.99), "weight_decay": 0.1}, {}, SHAPES),
    ("schedule_free_sgd", "ScheduleFreeSGD", {}, {}, SHAPES),
    ("schedule_free_sgd", "ScheduleFreeSGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}, {}, SHAPES),
    ("signum", "SignSGD", {}, {}, SHAPES),
    ("signum", "SignSGD", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}, DECOUPLED, SHAPES),
    ("yogi", "Yogi", {"betas": (0.0, 0.0)}, {}, SHAPES),
    ("yogi", "Yogi", {"betas": (0.0, 0.0), "lr": 0.1, "initial_accumulator": 0.1, "weight_decay": 0.1}, {}, SHAPES),
]
TORCH_DIFFERS = [
    ("adafactor", "AdaFactor", {"momentum": 0.9}, ADAFACTORS_MOMENTUM, SHAPES),
    ("adam_mini", "AdamMini", {"lr": 0.1}, {}, MATRICES),
    ("adan", "Adan", {"lr": 0.1, "weight_decay": 0.5}, {}, SHAPES),
    ("adopt", "ADOPT", {}, {}, SHAPES),
    ("lamb", "Lamb", {}, {}, SHAPES),
    ("lars", "LARS", {}, {}, SHAPES),
    ("mars", "MARS", {"eps": 1e-2}, {"optimize_1d": True}, SHAPES),
    ("prodigy", "Prodigy", {"d0": 1e-3, "eps": 1.0}, {}, SHAPES),
    ("yogi", "Yogi", {}, {}, SHAPES),
]


def theirs_of(rule, kind, more):
    """Return the steps of pytorch-optimizer for the settings of a rule and more."""
    settings = {name: value for name, value in vars(rule).items() if name != "schedule"}
    if isinstance(settings.get("eps"), tuple):
        settings |= zip(("eps1", "eps2"), settings.pop("eps"), strict=True)
    return by_pytorch_optimizer(kind, **(settings | more))


@pytest.mark.parametrize(("name", "kind", "settings", "more", "shapes"), TORCH_AGREES, ids=shown_alike)
def test_pytorch_optimizer_takes_the_same_steps(name, kind, settings, more, shapes):
    pytest.importorskip("pytorch_optimizer")
    rule = create("optimizers", name, **settings)
    assert distance(rule, theirs_of(rule, kind, more), shapes) <= 1e-8


@pytest.mark.parametrize(("name", "kind", "settings", "more", "shapes"), TORCH_DIFFERS, ids=shown_alike)
def test_pytorch_optimizer_differs_as_the_table_says(name, kind, settings, more, shapes):
    pytest.importorskip("pytorch_optimizer")
    rule = create("optimizers", name, **settings)
    assert distance(rule, theirs_of(rule, kind, more), shapes) > 1e-4
