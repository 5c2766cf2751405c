"""JAX with optax, vmapped over the members: one jitted call per step, or an epoch as one lax.scan."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from workloads import Array, Workload

from .peer import Peer


def mean_loss(weights: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    """Return one member's loss; x (B, in), y (B,)."""
    for layer in range(0, len(weights), 2):
        x = (jax.nn.relu(x) if layer else x) @ weights[layer].T + weights[layer + 1]
    return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()


class JitStep(Peer):
    trains_ensembles = True

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.optimizer = optax.adam(workload.lr)
        self.is_ensemble = workload.members > 1
        x, y = workload.epoch()
        if not self.is_ensemble:
            x, y = x[:, 0], y[:, 0]
        self.batches = jax.device_put(list(zip(x, y.astype(np.int32), strict=True)))

    def reset(self) -> None:
        weights = self.first_weights()
        self.state = jax.device_put(weights if self.is_ensemble else [weight[0] for weight in weights])
        self.optimizer_state = self.optimizer.init(self.state)

    def step(self, weights: list[jax.Array], state: optax.OptState, x: jax.Array, y: jax.Array) -> tuple:
        gradient = jax.grad(mean_loss)
        gradients = (jax.vmap(gradient) if self.is_ensemble else gradient)(weights, x, y)
        updates, state = self.optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    @partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
    def jitted_step(self, weights: list[jax.Array], state: optax.OptState, x: jax.Array, y: jax.Array) -> tuple:
        return self.step(weights, state, x, y)

    def run(self, epochs: int) -> None:
        weights, state = self.state, self.optimizer_state
        for _ in range(epochs):
            for x, y in self.batches:
                weights, state = self.jitted_step(weights, state, x, y)
        self.state, self.optimizer_state = jax.block_until_ready((weights, state))

    def weights(self) -> list[Array]:
        return [np.array(weight if self.is_ensemble else weight[None]) for weight in self.state]


class Scan(JitStep):
    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.x, self.y = (jnp.stack(arrays) for arrays in zip(*self.batches, strict=True))

    @partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
    def epoch(self, weights: list[jax.Array], state: optax.OptState, x: jax.Array, y: jax.Array) -> tuple:
        def body(carry: tuple, batch: tuple) -> tuple:
            return self.step(*carry, *batch), None

        return jax.lax.scan(body, (weights, state), (x, y))[0]

    def run(self, epochs: int) -> None:
        weights, state = self.state, self.optimizer_state
        for _ in range(epochs):
            weights, state = self.epoch(weights, state, self.x, self.y)
        self.state, self.optimizer_state = jax.block_until_ready((weights, state))
