"""The components that torch.nn has too, each with the settings and inputs of a small and of a large pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

WINDOWS_GOAL = 1.1
"""The most times as long as torch's that convolutions and pooling may take, eagerly."""

GOAL = 2.0
"""The same for all others, whose formulas come first."""


@dataclass(frozen=True)
class Size:
    """The shape of an input, with its batch axis, and the arguments that both constructors take."""

    shape: tuple[int, ...]
    arguments: tuple[Any, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Twin:
    """A component and torch's class.

    Attributes:
        ours: kind and name.
        theirs: torch's class.
        small: a pass in which the calls are dear.
        large: a pass of some milliseconds.
        draw: what gives inputs of a shape; for a loss prediction and target.
        only_ours: settings that torch's class does not have.
        only_theirs: settings that ours does not have.
        goal: the most times as long as torch's that an eager pass may take.
        is_random: whether outputs are drawn, so that only their moments agree.
    """

    ours: str
    theirs: Callable[..., nn.Module]
    small: Size
    large: Size
    draw: Callable[..., Any] = torch.randn
    only_ours: Mapping[str, Any] = field(default_factory=dict)
    only_theirs: Mapping[str, Any] = field(default_factory=dict)
    goal: float = GOAL
    is_random: bool = False


class SelfAttention(nn.MultiheadAttention):
    """Torch's attention of a sequence to itself, without the probabilities."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


def of(shape: tuple[int, ...], *arguments: Any, **settings: Any) -> Size:
    return Size(shape, arguments, settings)


def layer(name: str, theirs: Callable[..., nn.Module], small: Size, large: Size, **more: Any) -> Twin:
    return Twin(f"layers:{name}", theirs, small, large, **more)


def windows(name: str, theirs: Callable[..., nn.Module], small: Size, large: Size) -> Twin:
    return Twin(f"layers:{name}", theirs, small, large, goal=WINDOWS_GOAL)


def activation(name: str, theirs: Callable[..., nn.Module], *arguments: Any) -> Twin:
    return Twin(f"activations:{name}", theirs, of((32, 64), *arguments), of((256, 2048), *arguments))


def elementwise(name: str, theirs: Callable[..., nn.Module], draw: Callable[..., Any], **settings: Any) -> Twin:
    return Twin(f"losses:{name}", theirs, of((32, 10), **settings), of((512, 1000), **settings), draw)


def of_classes(name: str, theirs: Callable[..., nn.Module], draw: Callable[..., Any]) -> Twin:
    return Twin(f"losses:{name}", theirs, of((32, 10)), of((512, 1000)), draw)


def weighted(name: str, theirs: Callable[..., nn.Module], draw: Callable[..., Any], **settings: Any) -> Twin:
    small, large = (
        of((rows, classes), weight=torch.linspace(0.5, 2.0, classes), **settings)
        for rows, classes in ((32, 10), (512, 1000))
    )
    return Twin(f"losses:{name}", theirs, small, large, draw)


def pads(mode: str, theirs: Callable[..., nn.Module], **only_theirs: Any) -> Twin:
    small, large = of((32, 8, 8, 8), 1), of((32, 32, 32, 32), 2)
    return layer("pad", theirs, small, large, only_ours={"mode": mode}, only_theirs=only_theirs)


def recurrent(name: str, theirs: Callable[..., nn.Module]) -> Twin:
    small, large = of((32, 8, 16), 16, 16), of((32, 32, 128), 128, 128)
    return layer(name, theirs, small, large, only_theirs={"batch_first": True})


def indices(shape: tuple[int, ...]) -> Tensor:
    return torch.randint(100, shape)


def values(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape), torch.randn(shape)


def classes(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape), torch.randint(shape[1], shape[:1])


def likely_classes(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape).log_softmax(1), torch.randint(shape[1], shape[:1])


def distributions(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape).log_softmax(1), torch.randn(shape).softmax(1)


def logits(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape), torch.rand(shape).round()


def probabilities(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.rand(shape), torch.rand(shape).round()


def signs(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape), torch.randn(shape).sign()


def counts(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    return torch.randn(shape), torch.randint(5, shape).float()


IMAGES = of((32, 8, 8, 8)), of((32, 32, 32, 32))
SEQUENCES = of((32, 8, 16)), of((32, 64, 512))

TWINS = {
    "celu": activation("celu", nn.CELU),
    "elu": activation("elu", nn.ELU),
    "gelu": activation("gelu", nn.GELU),
    "glu": activation("glu", nn.GLU),
    "hardshrink": activation("hardshrink", nn.Hardshrink),
    "hardsigmoid": activation("hardsigmoid", nn.Hardsigmoid),
    "hardswish": activation("hardswish", nn.Hardswish),
    "hardtanh": activation("hardtanh", nn.Hardtanh),
    "identity": activation("identity", nn.Identity),
    "leaky_relu": activation("leaky_relu", nn.LeakyReLU),
    "log_sigmoid": activation("log_sigmoid", nn.LogSigmoid),
    "log_softmax": activation("log_softmax", nn.LogSoftmax, -1),
    "mish": activation("mish", nn.Mish),
    "prelu": activation("prelu", nn.PReLU),
    "relu": activation("relu", nn.ReLU),
    "relu6": activation("relu6", nn.ReLU6),
    "selu": activation("selu", nn.SELU),
    "sigmoid": activation("sigmoid", nn.Sigmoid),
    "silu": activation("silu", nn.SiLU),
    "softmax": activation("softmax", nn.Softmax, -1),
    "softmin": activation("softmin", nn.Softmin, -1),
    "softplus": activation("softplus", nn.Softplus),
    "softshrink": activation("softshrink", nn.Softshrink),
    "softsign": activation("softsign", nn.Softsign),
    "tanh": activation("tanh", nn.Tanh),
    "tanhshrink": activation("tanhshrink", nn.Tanhshrink),
    "threshold": activation("threshold", nn.Threshold, 0.1, 0.5),
    "adaptive_avg_pool1d": windows("adaptive_avg_pool1d", nn.AdaptiveAvgPool1d, *[of(s.shape, 4) for s in SEQUENCES]),
    "adaptive_avg_pool2d": windows("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d, *[of(s.shape, 4) for s in IMAGES]),
    "adaptive_max_pool2d": windows("adaptive_max_pool2d", nn.AdaptiveMaxPool2d, *[of(s.shape, 4) for s in IMAGES]),
    "avg_pool1d": windows("avg_pool1d", nn.AvgPool1d, *[of(s.shape, 2) for s in SEQUENCES]),
    "avg_pool2d": windows("avg_pool2d", nn.AvgPool2d, *[of(s.shape, 2) for s in IMAGES]),
    "max_pool1d": windows("max_pool1d", nn.MaxPool1d, *[of(s.shape, 2) for s in SEQUENCES]),
    "max_pool2d": windows("max_pool2d", nn.MaxPool2d, *[of(s.shape, 2) for s in IMAGES]),
    "conv1d": windows("conv1d", nn.Conv1d, of((32, 8, 16), 8, 8, 3), of((32, 32, 256), 32, 32, 5, padding=2)),
    "conv2d": windows("conv2d", nn.Conv2d, of((32, 3, 8, 8), 3, 8, 3), of((32, 32, 16, 16), 32, 32, 3, padding=1)),
    "conv_transpose1d": windows(
        "conv_transpose1d", nn.ConvTranspose1d, of((32, 8, 8), 8, 8, 3), of((32, 32, 128), 32, 32, 4, 2)
    ),
    "conv_transpose2d": windows(
        "conv_transpose2d", nn.ConvTranspose2d, of((32, 8, 4, 4), 8, 3, 3), of((32, 32, 8, 8), 32, 32, 4, 2)
    ),
    "batch_norm 1d": layer("batch_norm", nn.BatchNorm1d, of((32, 64), 64), of((512, 2048), 2048)),
    "batch_norm 2d": layer("batch_norm", nn.BatchNorm2d, of((32, 8, 8, 8), 8), of((32, 32, 32, 32), 32)),
    "group_norm": layer("group_norm", nn.GroupNorm, of((32, 8, 8, 8), 2, 8), of((32, 32, 32, 32), 8, 32)),
    "instance_norm": layer("instance_norm", nn.InstanceNorm2d, of((32, 8, 8, 8), 8), of((32, 32, 32, 32), 32)),
    "instance_norm affine": layer(
        "instance_norm",
        nn.InstanceNorm2d,
        of((32, 8, 8, 8), 8, affine=True, track_running_stats=True),
        of((32, 32, 32, 32), 32, affine=True, track_running_stats=True),
    ),
    "layer_norm": layer("layer_norm", nn.LayerNorm, of((32, 64), 64), of((32, 64, 256), 256)),
    "rms_norm": layer("rms_norm", nn.RMSNorm, of((32, 64), 64), of((32, 64, 256), 256)),
    "alpha_dropout": layer("alpha_dropout", nn.AlphaDropout, of((32, 64)), of((256, 2048)), is_random=True),
    "dropout": layer("dropout", nn.Dropout, of((32, 64)), of((256, 2048)), is_random=True),
    "dropout2d": layer("dropout2d", nn.Dropout2d, of((32, 64, 4, 4)), of((32, 32, 32, 32)), is_random=True),
    "embedding": layer("embedding", nn.Embedding, of((32, 8), 100, 16), of((64, 64), 100, 256), draw=indices),
    "flatten": layer("flatten", nn.Flatten, *IMAGES),
    "unflatten": layer("unflatten", nn.Unflatten, of((32, 64), 1, (8, 8)), of((256, 2048), 1, (32, 64))),
    "linear": layer("linear", nn.Linear, of((32, 64), 64, 64), of((256, 512), 512, 512)),
    "pad constant": pads("constant", nn.ConstantPad2d, value=0.0),
    "pad reflect": pads("reflect", nn.ReflectionPad2d),
    "pad replicate": pads("replicate", nn.ReplicationPad2d),
    "pad circular": pads("circular", nn.CircularPad2d),
    "pixel_shuffle": layer("pixel_shuffle", nn.PixelShuffle, *[of(s.shape, 2) for s in IMAGES]),
    "pixel_unshuffle": layer("pixel_unshuffle", nn.PixelUnshuffle, *[of(s.shape, 2) for s in IMAGES]),
    "upsample nearest": layer("upsample", nn.Upsample, *[of(s.shape, scale_factor=2) for s in IMAGES]),
    "upsample bilinear": layer(
        "upsample", nn.Upsample, *[of(s.shape, scale_factor=2, mode="bilinear") for s in IMAGES]
    ),
    "gru": recurrent("gru", nn.GRU),
    "lstm": recurrent("lstm", nn.LSTM),
    "rnn": recurrent("rnn", nn.RNN),
    "self_attention": layer(
        "self_attention",
        SelfAttention,
        of((32, 8, 16), 16, 2),
        of((32, 64, 128), 128, 4),
        only_theirs={"batch_first": True},
    ),
    "transformer_block": layer(
        "transformer_block",
        nn.TransformerEncoderLayer,
        of((32, 8, 16), 16, 2, 64, activation="gelu", norm_first=True, dropout=0.0),
        of((16, 64, 128), 128, 4, 512, activation="gelu", norm_first=True, dropout=0.0),
        only_theirs={"batch_first": True},
    ),
    "bce": elementwise("bce", nn.BCELoss, probabilities),
    "bce_with_logits": elementwise("bce_with_logits", nn.BCEWithLogitsLoss, logits),
    "cross_entropy": of_classes("cross_entropy", nn.CrossEntropyLoss, classes),
    "cross_entropy weighted": weighted("cross_entropy", nn.CrossEntropyLoss, classes, ignore_index=3),
    "cross_entropy distributions": elementwise("cross_entropy", nn.CrossEntropyLoss, distributions),
    "huber": elementwise("huber", nn.HuberLoss, values),
    "kl_div": elementwise("kl_div", nn.KLDivLoss, distributions),
    "l1": elementwise("l1", nn.L1Loss, values),
    "mse": elementwise("mse", nn.MSELoss, values),
    "multi_margin": of_classes("multi_margin", nn.MultiMarginLoss, classes),
    "multi_margin weighted": weighted("multi_margin", nn.MultiMarginLoss, classes, p=2),
    "nll": of_classes("nll", nn.NLLLoss, likely_classes),
    "nll weighted": weighted("nll", nn.NLLLoss, likely_classes, ignore_index=3),
    "poisson_nll": elementwise("poisson_nll", nn.PoissonNLLLoss, counts),
    "smooth_l1": elementwise("smooth_l1", nn.SmoothL1Loss, values),
    "soft_margin": elementwise("soft_margin", nn.SoftMarginLoss, signs),
}
"""By what each is called in the table."""
