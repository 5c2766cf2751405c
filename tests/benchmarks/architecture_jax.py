"""The networks of `architecture_twins` in equinox, which start from torch's weights; a step as its manual writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from architecture_twins import BLOCKS, HEADS, HIDDEN, LENGTH, WIDTH
from torch import nn

Weights = Mapping[str, np.ndarray]

KEY = jax.random.key(0)
"""Of first values, which torch's replace."""


def linear(weights: Weights, name: str) -> eqx.nn.Linear:
    return with_weights(eqx.nn.Linear(*weights[f"{name}.weight"].shape[::-1], key=KEY), weights, name)


def with_weights(layer: eqx.Module, weights: Weights, name: str) -> eqx.Module:
    """Return the layer with torch's weight and bias."""
    new = [weights[f"{name}.{part}"].reshape(getattr(layer, part).shape) for part in ("weight", "bias")]
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, list(map(jnp.asarray, new)))


def cnn(weights: Weights) -> eqx.Module:
    first, second = (
        with_weights(eqx.nn.Conv2d(*channels, 3, padding=1, key=KEY), weights, name)
        for channels, name in (((1, 32), "0"), ((32, 64), "3"))
    )
    relu, pool = eqx.nn.Lambda(jax.nn.relu), eqx.nn.MaxPool2d(2, 2)
    return eqx.nn.Sequential([first, relu, pool, second, relu, pool, eqx.nn.Lambda(jnp.ravel), linear(weights, "7")])


class Lstm(eqx.Module):
    """The last output of an LSTM with torch's two biases, and a linear layer."""

    cell: eqx.nn.LSTMCell
    bias: jax.Array
    last: eqx.nn.Linear

    def __init__(self, weights: Weights) -> None:
        own = [jnp.asarray(weights[f"0.{name}_l0"]) for name in ("weight_ih", "weight_hh", "bias_ih")]
        cell = eqx.nn.LSTMCell(own[0].shape[1], HIDDEN, key=KEY)
        self.cell = eqx.tree_at(lambda cell: (cell.weight_ih, cell.weight_hh, cell.bias), cell, own)
        self.bias = jnp.asarray(weights["0.bias_hh_l0"])
        self.last = linear(weights, "1")

    def __call__(self, x: jax.Array) -> jax.Array:
        cell = eqx.tree_at(lambda cell: cell.bias, self.cell, self.cell.bias + self.bias)
        state = jnp.zeros(HIDDEN), jnp.zeros(HIDDEN)
        (h, _), _ = jax.lax.scan(lambda state, row: (cell(row, state), None), state, x)
        return self.last(h)


class Block(eqx.Module):
    """A pre-norm transformer block with a causal mask."""

    attention: eqx.nn.MultiheadAttention
    norms: list[eqx.nn.LayerNorm]
    layers: list[eqx.nn.Linear]

    def __init__(self, weights: Weights, name: str) -> None:
        biases = {f"use_{part}_bias": True for part in ("query", "key", "value", "output")}
        attention = eqx.nn.MultiheadAttention(HEADS, WIDTH, **biases, key=KEY)
        projections = ("query_proj", "key_proj", "value_proj", "output_proj")
        new = []
        for part in ("weight", "bias"):
            new += np.split(weights[f"{name}.self_attn.in_proj_{part}"], 3)
            new.append(weights[f"{name}.self_attn.out_proj.{part}"])
        self.attention = eqx.tree_at(
            lambda module: [getattr(getattr(module, one), part) for part in ("weight", "bias") for one in projections],
            attention,
            list(map(jnp.asarray, new)),
        )
        self.norms = [with_weights(eqx.nn.LayerNorm(WIDTH), weights, f"{name}.norm{i}") for i in (1, 2)]
        self.layers = [linear(weights, f"{name}.linear{i}") for i in (1, 2)]

    def __call__(self, x: jax.Array) -> jax.Array:
        normed = jax.vmap(self.norms[0])(x)
        x = x + self.attention(normed, normed, normed, mask=jnp.tril(jnp.ones((LENGTH, LENGTH), bool)))
        hidden = jax.nn.gelu(jax.vmap(self.layers[0])(jax.vmap(self.norms[1])(x)), approximate=False)
        return x + jax.vmap(self.layers[1])(hidden)


class Transformer(eqx.Module):
    embedding: eqx.nn.Embedding
    positions: jax.Array
    blocks: list[Block]
    norm: eqx.nn.LayerNorm
    last: eqx.nn.Linear

    def __init__(self, weights: Weights) -> None:
        self.embedding = eqx.nn.Embedding(weight=jnp.asarray(weights["0.weight"]))
        self.positions = jnp.asarray(weights["1.weight"])
        self.blocks = [Block(weights, str(2 + i)) for i in range(BLOCKS)]
        self.norm = with_weights(eqx.nn.LayerNorm(WIDTH), weights, str(2 + BLOCKS))
        self.last = linear(weights, str(3 + BLOCKS))

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jax.vmap(self.embedding)(x) + self.positions
        for block in self.blocks:
            x = block(x)
        return jax.vmap(self.last)(jax.vmap(self.norm)(x))


NETWORKS: Mapping[str, Callable[[Weights], eqx.Module]] = {"cnn": cnn, "lstm": Lstm, "transformer": Transformer}


def step_of(
    name: str, model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], lr: float, members: int | None
) -> Callable[[], torch.Tensor]:
    """Return a function that takes one step of the network, or of so many at once, and returns their losses."""
    network = NETWORKS[name]({key: value.numpy() for key, value in model.state_dict().items()})
    x, y = (jnp.asarray(part.numpy()) for part in batch)
    optimizer = optax.adam(lr)

    def loss(network: eqx.Module) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(network)(x), y).mean()

    def step(network: eqx.Module, state: optax.OptState) -> tuple:
        value, grads = eqx.filter_value_and_grad(loss)(network)
        updates, state = optimizer.update(grads, state, eqx.filter(network, eqx.is_array))
        return eqx.apply_updates(network, updates), state, value

    if members:
        network = jax.tree.map(lambda part: jnp.stack([part] * members) if eqx.is_array(part) else part, network)
        state = eqx.filter_vmap(lambda network: optimizer.init(eqx.filter(network, eqx.is_array)))(network)
        jitted = eqx.filter_jit(eqx.filter_vmap(step), donate="all")
    else:
        state = optimizer.init(eqx.filter(network, eqx.is_array))
        jitted = eqx.filter_jit(step, donate="all")
    held = [network, state]

    def take() -> torch.Tensor:
        *held[:], value = jitted(*held)
        return torch.from_numpy(np.array(value))

    return take
