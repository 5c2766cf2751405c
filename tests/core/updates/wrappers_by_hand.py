"""What the built-in wrappers do, done by hand around the steps of the rule inside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from chainrule import Network, Optimizer, Wrapper
from chainrule.updates.updater import Updater

Memory = dict[str, Any]


class Hand:
    """A wrapper on one parameter of one member; t counts its own steps, and a move is lr times the direction."""

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper
        self.period = 1

    def start(self, theta: Tensor) -> Memory:
        return {}

    def gradient(self, t: int, theta: Tensor, g: Tensor, memory: Memory) -> Tensor:
        return g

    def move(self, theta: Tensor, g: Tensor, move: Tensor, lr: float) -> Tensor:
        return move

    def after(self, t: int, theta: Tensor, memory: Memory) -> Tensor:
        return theta

    def evaluated(self, memory: Memory) -> Tensor | None:
        return None


class Accumulating(Hand):
    def __init__(self, wrapper: Any) -> None:
        super().__init__(wrapper)
        self.period = wrapper.k

    def start(self, theta: Tensor) -> Memory:
        return {"seen": []}

    def gradient(self, t: int, theta: Tensor, g: Tensor, memory: Memory) -> Tensor:
        memory["seen"] = [*memory["seen"], g][-self.period :]
        return torch.stack(memory["seen"]).mean(0)


class Amplifying(Hand):
    def gradient(self, t: int, theta: Tensor, g: Tensor, memory: Memory) -> Tensor:
        alpha = self.wrapper.alpha
        memory["mean"] = alpha * memory.get("mean", g) + (1 - alpha) * g
        return g + self.wrapper.lamb * memory["mean"]


class Centering(Hand):
    def gradient(self, t: int, theta: Tensor, g: Tensor, memory: Memory) -> Tensor:
        return torch.stack([row - row.sum() / row.numel() for row in g])


class Clipping(Hand):
    def gradient(self, t: int, theta: Tensor, g: Tensor, memory: Memory) -> Tensor:
        rows = []
        for weights, row in zip(theta, g, strict=True):
            longest = self.wrapper.clipping * max(weights.norm().item(), self.wrapper.eps)
            rows.append(row if row.norm() <= longest else row / row.norm() * longest)
        return torch.stack(rows)


class Masking(Hand):
    def move(self, theta: Tensor, g: Tensor, move: Tensor, lr: float) -> Tensor:
        agrees = (move * g > 0).double()
        return move * agrees / max(agrees.mean().item(), 1e-3)


class Scaling(Hand):
    def move(self, theta: Tensor, g: Tensor, move: Tensor, lr: float) -> Tensor:
        length, own = theta.norm().item(), move.norm().item() / lr
        return move * (self.wrapper.trust_coefficient * length / own if length and own else 1.0)


class PullingBack(Hand):
    def start(self, theta: Tensor) -> Memory:
        return {"slow": theta}

    def after(self, t: int, theta: Tensor, memory: Memory) -> Tensor:
        if t % self.wrapper.k:
            return theta
        memory["slow"] = memory["slow"] + self.wrapper.alpha * (theta - memory["slow"])
        return memory["slow"]


class Averaging(Hand):
    def start(self, theta: Tensor) -> Memory:
        return {"mean": theta}

    def after(self, t: int, theta: Tensor, memory: Memory) -> Tensor:
        decay = self.wrapper.decay
        memory["mean"] = decay * memory["mean"] + (1 - decay) * theta
        return theta

    def evaluated(self, memory: Memory) -> Tensor | None:
        return memory["mean"]


class Collecting(Hand):
    def start(self, theta: Tensor) -> Memory:
        return {"now": theta, "collected": []}

    def after(self, t: int, theta: Tensor, memory: Memory) -> Tensor:
        memory["now"] = theta.clone()
        if t in range(self.wrapper.start, t + 1, self.wrapper.k):
            memory["collected"].append(theta.clone())
        return theta

    def evaluated(self, memory: Memory) -> Tensor | None:
        return torch.stack(memory["collected"]).mean(0) if memory["collected"] else memory["now"]


HANDS: dict[str, Callable[[Any], Hand]] = {
    "accumulate": Accumulating,
    "adaptiveclipping": Clipping,
    "cautious": Masking,
    "ema": Averaging,
    "gradientcentralization": Centering,
    "grokfast": Amplifying,
    "lookahead": PullingBack,
    "swa": Collecting,
    "trustratio": Scaling,
}


def path_by_hand(
    rule: Optimizer, network: Network, steps: int, differentiate: Callable[[Network, int], None]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the parameters after each step, and those that are evaluated, as the wrappers' formulas have them."""
    hands, inner = [], rule
    while isinstance(inner, Wrapper):
        hands.append(HANDS[type(inner).__name__.lower()](inner))
        inner = inner.inner
    updater = inner.attach(network)
    memories = [[hand.start(theta.clone()) for theta in _rows(network)] for hand in hands]
    for t in range(1, steps + 1):
        differentiate(network, t)
        count, counts = t, []
        for hand, memory in zip(hands, memories, strict=True):
            counts.append(count)
            for theta, g, own in zip(_rows(network), _rows(network, "grad"), memory, strict=True):
                g.copy_(hand.gradient(count, theta, g.clone(), own))
            if count % hand.period:
                break
            count //= hand.period
        else:
            _step(updater, inner, hands)
        for hand, memory, count in reversed(list(zip(hands, memories, counts, strict=False))):
            for theta, own in zip(_rows(network), memory, strict=True):
                theta.copy_(hand.after(count, theta.clone(), own))
        trained = network.flat.data.clone()
        with updater.evaluating():
            for hand, memory in reversed(list(zip(hands, memories, strict=True))):
                for theta, own in zip(_rows(network), memory, strict=True):
                    evaluated = hand.evaluated(own)
                    theta.copy_(theta if evaluated is None else evaluated)
            shown = network.flat.data.clone()
            network.flat.data.copy_(trained)
        network.flat.data.copy_(trained)
        yield trained, shown


def _step(updater: Updater, inner: Any, hands: list[Hand]) -> None:
    """Step, and change the move apart from decoupled decay if a hand does."""
    before = [theta.clone() for theta in _rows(updater.network)]
    updater.step()
    if all(type(hand).move is Hand.move for hand in hands):
        return
    shrink = 1 - inner.lr * inner.weight_decay if inner.decay_kind == "decoupled" else 1.0
    for theta, start, g in zip(_rows(updater.network), before, _rows(updater.network, "grad"), strict=True):
        move = shrink * start - theta
        for hand in reversed(hands):
            move = hand.move(start, g, move, inner.lr)
        theta.copy_(shrink * start - move)


def _rows(network: Network, what: str = "data") -> list[Tensor]:
    return [row for parameter in network.parameters() for row in getattr(parameter, what)]
