"""chainrule in the loop of its README, with no context around it."""

from __future__ import annotations

import torch
from workloads import Array, Workload

import chainrule
from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.network import Network
from chainrule.optimizers import adam

from .peer import Peer


def build(workload: Workload, device: str = "cpu") -> Network:
    """Return the workload's network with its first weights."""
    *pairs, last = zip(workload.sizes, workload.sizes[1:], strict=False)
    modules = [module for pair in pairs for module in (linear(*pair), relu())]
    seeds = {"seeds": range(workload.members)} if workload.members > 1 else {"seed": 0}
    network = sequential(*modules, linear(*last)).build(**seeds, device=device)
    load(network, workload.weights())
    return network


def load(network: Network, weights: list[Array]) -> None:
    """Set the network's parameters."""
    tensors = map(torch.from_numpy, weights)
    names = (name for name, _ in network.named_parameters())
    network.load_state_dict(
        {name: tensor if network.is_ensemble else tensor[0] for name, tensor in zip(names, tensors, strict=True)}
    )


def batches(workload: Workload) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the epoch's batches; of one network without the member axis."""
    x, y = map(torch.from_numpy, workload.epoch())
    return list(zip(x, y, strict=True)) if workload.members > 1 else list(zip(x[:, 0], y[:, 0], strict=True))


class Loop(Peer):
    trains_ensembles = True

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.network = build(workload)
        self.batches = batches(workload)
        self.per_member = workload.members > 1
        self.loss = cross_entropy(members=self.per_member)
        self.first = workload.weights()

    def reset(self) -> None:
        load(self.network, self.first)
        self.updater = None  # frees its state before there is another
        self.updater = adam(lr=self.workload.lr).attach(self.network)

    def run(self, epochs: int) -> None:
        network, loss, updater, per_member = self.network, self.loss, self.updater, self.per_member
        for _ in range(epochs):
            for x, y in self.batches:
                loss(network(x, per_member=per_member), y, per_member=per_member)
                network.zero_grad()
                network.backward(loss.backward())
                updater.step()

    def weights(self) -> list[Array]:
        return [parameter.data.numpy().copy() for parameter in self.network.parameters()]


class Step(Loop):
    """The loop with `training_step`; it trains one network, of an ensemble the first."""

    trains_ensembles = False

    def reset(self) -> None:
        load(self.network, self.first_weights())
        self.step = chainrule.training_step(self.network, self.loss, adam(lr=self.workload.lr), compile=True)

    def run(self, epochs: int) -> None:
        step = self.step
        for _ in range(epochs):
            for x, y in self.batches:
                step(x, y)
