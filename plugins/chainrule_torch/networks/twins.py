"""The table of twins: the layers here and the modules of PyTorch that compute the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

from torch import nn

from chainrule import ChainruleError, label
from chainrule.arguments import shown
from chainrule_torch.networks import modules

CONV = "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
CONV_TRANSPOSE = "in_channels out_channels kernel_size stride padding output_padding groups bias dilation"
RECURRENT = "input_size hidden_size num_layers bias dropout bidirectional output"
STATISTICS = "num_features eps momentum affine track_running_stats bias"
BLOCK = "embed_dim num_heads dim_feedforward activation norm_first causal dropout bias"


BLOCK_PARTS: dict[str, type[nn.Module]] = {
    "self_attn": nn.MultiheadAttention,
    **dict.fromkeys(("linear1", "linear2"), nn.Linear),
    **dict.fromkeys(("norm1", "norm2"), nn.LayerNorm),
    **dict.fromkeys(("dropout", "dropout1", "dropout2"), nn.Dropout),
}


def fits_block(block: Any) -> bool:
    """Return whether an encoder layer of torch has the settings of one of ours."""
    drops = [drop.p for drop in (block.drop, block.drop1, block.drop2) if drop is not None]
    return (
        block.num_kv_heads == block.num_heads
        and block.linear2.in_features == block.dim_feedforward
        and {block.dropout, block.self_attn.dropout, *drops} == {block.dropout}
    )


def block_settings(block: Any) -> dict[str, Any]:
    """Return the settings of an encoder layer of torch by our names."""
    attention = block.self_attn
    return {
        "embed_dim": attention.embed_dim,
        "num_heads": attention.num_heads,
        "dim_feedforward": block.linear1.out_features,
        "activation": {nn.functional.relu: nn.ReLU(), nn.functional.gelu: nn.GELU()}.get(
            block.activation, block.activation
        ),
        "norm_first": block.norm_first,
        "causal": getattr(block, "causal", False),
        "dropout": block.dropout.p,
        "bias": block.linear1.bias is not None,
    }


@dataclass(frozen=True)
class Twin:
    """A layer here, and the module of torch that computes the same with the same settings.

    Attributes:
        ours: the layer's kind and name.
        theirs: the module that stands for it in torch.
        settings: the settings that both have, by name.
        also: other modules of torch that compute the same.
        fixed: the only values of other settings of ours for which they are the same.
        only: the only values of other settings of theirs, by dotted name, for which they are the same.
        parts: the modules inside theirs, by name, and the class that each must be of.
        alike: settings of theirs, by dotted name, for which ours has a single one.
        fits: whether theirs has the settings of one of ours.
        read: returns the settings of one of theirs, where these are no attributes.
    """

    ours: str
    theirs: type[nn.Module]
    settings: str = ""
    also: tuple[type[nn.Module], ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    parts: Mapping[str, type[nn.Module]] = field(default_factory=dict)
    alike: tuple[str, ...] = ()
    fits: Callable[[Any], bool] | None = None
    read: Callable[[Any], dict[str, Any]] | None = None

    def fits_ours(self, layer: Any) -> bool:
        """Return whether theirs computes the same as this layer."""
        return all(getattr(layer, name) == value for name, value in self.fixed.items()) and (
            self.fits is None or self.fits(layer)
        )

    def expect_fits_theirs(self, module: nn.Module, place: str) -> None:
        """Raise ChainruleError, naming the place of a module, unless ours computes the same."""
        ours, theirs = self.ours.partition(":")[2], type(module).__name__
        for name, kind in self.parts.items():
            if type(part := getattr(module, name)) is not kind:
                raise ChainruleError(
                    f"from_torch: {place} must have a module {kind.__name__} as {name}, got {theirs} with "
                    f"{shown(part)}. {ours} has no other."
                )
        found = {name: attrgetter(name)(module) for name in self.alike}
        if len(set(found.values())) > 1:
            raise ChainruleError(
                f"from_torch: {place} must have one value of {' and '.join(found)}, got {theirs} with "
                f"{', '.join(map(str, found.values()))}. {ours} has one for all."
            )
        for name, values in self.only.items():
            value = attrgetter(name)(module)
            if value not in values:
                raise ChainruleError(
                    f"from_torch: {place} must have {name}={values[0]}, got {theirs} with {shown(value)}. "
                    f"{ours} has no other."
                )

    def settings_of_ours(self, layer: Any) -> dict[str, Any]:
        """Return the settings of a layer."""
        return {name: _setting(layer, name) for name in self.settings.split()}

    def settings_of_theirs(self, module: nn.Module) -> dict[str, Any]:
        """Return the settings of a module of torch, by our names, with those that it stands for."""
        given = self.read(module) if self.read else {name: _setting(module, name) for name in self.settings.split()}
        return {**given, **self.fixed}


def _setting(owner: Any, name: str) -> Any:
    value = getattr(owner, name)
    return value is not None if name == "bias" and not isinstance(value, bool) else value


def _pads_axes(axes: int, layer: Any) -> bool:
    return isinstance(layer.padding, tuple) and len(layer.padding) == 2 * axes


def _pads() -> list[Twin]:
    """Return the twins of pad, by mode and number of axes; one number for all axes has none."""
    modes = {"Constant": "constant", "Zero": "constant", "Reflection": "reflect", "Replication": "replicate"}
    return [
        Twin(
            "layers:pad",
            getattr(nn, f"{kind}Pad{axes}d"),
            "padding value" if kind == "Constant" else "padding",
            fixed={"mode": mode},
            fits=partial(_pads_axes, axes),
        )
        for kind, mode in {**modes, "Circular": "circular"}.items()
        for axes in (1, 2, 3)
    ]


TWINS = [
    Twin("activations:celu", nn.CELU, "alpha"),
    Twin("activations:elu", nn.ELU, "alpha"),
    Twin("activations:gelu", nn.GELU, "approximate"),
    Twin("activations:glu", nn.GLU, "dim"),
    Twin("activations:hardshrink", nn.Hardshrink, "lambd"),
    Twin("activations:hardsigmoid", nn.Hardsigmoid),  # whose slope torch rounds to float32
    Twin("activations:hardswish", nn.Hardswish),
    Twin("activations:hardtanh", nn.Hardtanh, "min_val max_val"),
    Twin("activations:identity", nn.Identity),
    Twin("activations:leaky_relu", nn.LeakyReLU, "negative_slope"),
    Twin("activations:log_sigmoid", nn.LogSigmoid),
    Twin("activations:log_softmax", nn.LogSoftmax, "dim"),
    Twin("activations:mish", nn.Mish),
    Twin("activations:prelu", nn.PReLU, "num_parameters init"),
    Twin("activations:relu", nn.ReLU),
    Twin("activations:relu6", nn.ReLU6),
    Twin("activations:selu", nn.SELU),
    Twin("activations:sigmoid", nn.Sigmoid),
    Twin("activations:silu", nn.SiLU),
    Twin("activations:softmax", nn.Softmax, "dim"),
    Twin("activations:softmin", nn.Softmin, "dim"),
    Twin("activations:softplus", nn.Softplus, "beta threshold"),
    Twin("activations:softshrink", nn.Softshrink, "lambd"),
    Twin("activations:softsign", nn.Softsign),
    Twin("activations:tanh", nn.Tanh),
    Twin("activations:tanhshrink", nn.Tanhshrink),
    Twin("activations:threshold", nn.Threshold, "threshold value"),
    Twin("layers:adaptive_avg_pool1d", nn.AdaptiveAvgPool1d, "output_size"),
    Twin("layers:adaptive_avg_pool2d", nn.AdaptiveAvgPool2d, "output_size"),
    Twin("layers:adaptive_max_pool2d", nn.AdaptiveMaxPool2d, "output_size", only={"return_indices": (False,)}),
    Twin("layers:alpha_dropout", nn.AlphaDropout, "p", fits=lambda layer: layer.p < 1),
    Twin("layers:avg_pool1d", nn.AvgPool1d, "kernel_size stride padding ceil_mode count_include_pad"),
    Twin("layers:avg_pool2d", nn.AvgPool2d, "kernel_size stride padding ceil_mode count_include_pad divisor_override"),
    Twin("layers:batch_norm", modules.BatchNorm, STATISTICS, also=(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)),
    Twin("layers:conv1d", nn.Conv1d, CONV),
    Twin("layers:conv2d", nn.Conv2d, CONV),
    Twin("layers:conv_transpose1d", nn.ConvTranspose1d, CONV_TRANSPOSE),
    Twin("layers:conv_transpose2d", nn.ConvTranspose2d, CONV_TRANSPOSE),
    Twin("layers:dropout", nn.Dropout, "p"),
    Twin("layers:dropout2d", nn.Dropout2d, "p"),
    Twin(
        "layers:embedding",
        nn.Embedding,
        "num_embeddings embedding_dim padding_idx",
        only={"max_norm": (None,), "scale_grad_by_freq": (False,), "sparse": (False,)},
    ),
    Twin("layers:flatten", nn.Flatten, "start_dim end_dim"),
    Twin("layers:group_norm", nn.GroupNorm, "num_groups num_channels eps affine bias"),
    Twin("layers:gru", modules.Gru, RECURRENT),
    Twin(
        "layers:instance_norm",
        modules.InstanceNorm,
        STATISTICS,
        also=(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    ),
    Twin("layers:layer_norm", nn.LayerNorm, "normalized_shape eps elementwise_affine bias"),
    Twin("layers:linear", nn.Linear, "in_features out_features bias"),
    Twin("layers:lstm", modules.Lstm, RECURRENT),
    Twin(
        "layers:max_pool1d",
        nn.MaxPool1d,
        "kernel_size stride padding dilation ceil_mode",
        only={"return_indices": (False,)},
    ),
    Twin(
        "layers:max_pool2d",
        nn.MaxPool2d,
        "kernel_size stride padding dilation ceil_mode",
        only={"return_indices": (False,)},
    ),
    *_pads(),
    Twin("layers:pixel_shuffle", nn.PixelShuffle, "upscale_factor"),
    Twin("layers:pixel_unshuffle", nn.PixelUnshuffle, "downscale_factor"),
    Twin("layers:rms_norm", nn.RMSNorm, "normalized_shape eps elementwise_affine"),
    Twin("layers:rnn", modules.Rnn, f"{RECURRENT} nonlinearity"),
    Twin(
        "layers:self_attention",
        modules.SelfAttention,
        "embed_dim num_heads causal dropout bias",
        fixed={"rotary_base": None},
        fits=lambda layer: layer.num_kv_heads == layer.num_heads,
    ),
    Twin(
        "layers:transformer_block",
        modules.TransformerBlock,
        BLOCK,
        also=(nn.TransformerEncoderLayer,),
        fixed={"norm": "layer_norm", "rotary_base": None},
        only={
            "self_attn.batch_first": (True,),
            "self_attn.add_zero_attn": (False,),
            "norm1.eps": (1e-5,),
            "norm2.eps": (1e-5,),
        },
        parts=BLOCK_PARTS,
        alike=("self_attn.dropout", "dropout.p", "dropout1.p", "dropout2.p"),
        fits=fits_block,
        read=block_settings,
    ),
    Twin("layers:unflatten", nn.Unflatten, "dim unflattened_size"),
    Twin(
        "layers:upsample",
        nn.Upsample,
        "size scale_factor mode align_corners",
        only={"recompute_scale_factor": (None, False)},
    ),
]
"""One line for each pair. What is not here becomes a module around its own forward and backward."""

CONTAINERS: dict[str, type[nn.Sequential]] = {
    "sequential": nn.Sequential,
    "mlp": nn.Sequential,
    "residual": modules.Residual,
    "parallel": modules.Parallel,
}


def twin_of_ours(layer: object) -> Twin | None:
    """Return the twin of a layer, or None if it has none with these settings; only built-in layers have any."""
    name = built_in_name(layer)
    found = [twin for twin in TWINS if twin.ours.partition(":")[2] == name]
    return next((twin for twin in found if twin.fits_ours(layer)), None)


def built_in_name(layer: object) -> str | None:
    """Return the registered name of a built-in layer, or None for any other."""
    return label(layer) if type(layer).__module__.startswith("chainrule_plugins.") else None


def twin_of_theirs(module: nn.Module) -> Twin | None:
    """Return the twin of a module of torch, or None if it has none; a subclass may do anything, and has none."""
    return next((twin for twin in TWINS if type(module) in (twin.theirs, *twin.also)), None)
