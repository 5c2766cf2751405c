"""Correct rules of every kind that the contract allows; none of them may fail a check."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import LearningRate, Optimizer, hyperparameter
from chainrule.base.optimizer import State
from chainrule.base.step import Step


class Qhm(Optimizer):
    """Average a step along the gradient and one along its running mean.

    Update:   ``m ← β m + (1 − β) g``; ``θ ← θ − lr ((1 − ν) g + ν m)``
    Variant:  m starts at 0; no weight decay
    Source:   Ma & Yarats 2018, arXiv:1810.06801
    """

    lr: LearningRate = hyperparameter(default=0.1, at_least=0)
    beta: float = hyperparameter(default=0.999, at_least=0, below=1)
    nu: float = hyperparameter(default=0.7, at_least=0, at_most=1)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.beta)
        return (1 - self.nu) * grad + self.nu * m


class Adamw(Optimizer):
    """Adam with decay beside it.

    Update:   ``θ ← θ − lr (m̂ / (√v̂ + eps) + weight_decay θ)``
    Variant:  decoupled
    Source:   Loshchilov & Hutter 2019, arXiv:1711.05101
    """

    decay_kind = "decoupled"
    lr: LearningRate = hyperparameter(default=1e-3, at_least=0, search=(1e-5, 1e1))
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)
    weight_decay: float = hyperparameter(default=0.01, at_least=0)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        return {"bias1": 1 - self.betas[0] ** t, "bias2": 1 - self.betas[1] ** t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.betas[0])
        v = state["v"].lerp_(grad * grad, 1 - self.betas[1])
        return (m / step["bias1"]) / ((v / step["bias2"]).sqrt() + self.eps)

    @classmethod
    def identities(cls) -> list[tuple[Optimizer, Optimizer]]:
        from chainrule.optimizers import adam

        return [(cls(weight_decay=0.0), adam())]


class Radam(Optimizer):
    """Adam whose adaptive part waits until its variance is known.

    Update:   ``θ ← θ − lr r m̂ / √v̂`` where the variance is tractable, ``θ ← θ − lr m̂`` before
    Variant:  eps outside the root
    Source:   Liu et al. 2020, arXiv:1908.03265
    """

    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        beta1, beta2 = self.betas
        longest = 2 / (1 - beta2) - 1
        rho = longest - 2 * t * beta2**t / (1 - beta2**t)
        rectified = 0.0
        if rho > 5:
            rectified = math.sqrt(
                (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho) * (1 - beta2**t)
            )
        return {"bias": 1 - beta1**t, "rectified": rectified, "plain": float(rho <= 5)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].lerp_(grad, 1 - self.betas[0])
        v = state["v"].lerp_(grad * grad, 1 - self.betas[1])
        return m / step["bias"] * (step["rectified"] / (v.sqrt() + self.eps) + step["plain"])

    @classmethod
    def examples(cls) -> list[Radam]:
        return [cls(), cls(lr=0.01, betas=(0.8, 0.99))]


class Lamb(Optimizer):
    """Scale the step of each parameter by its own norm.

    Update:   ``r = m / (√v + eps) + weight_decay θ``; ``θ ← θ − lr ‖θ‖ / ‖r‖ r``
    Variant:  without bias correction; a ratio of 1 where a norm is 0
    Source:   You et al. 2020, arXiv:1904.00962
    """

    decay_kind = "other"
    lr: LearningRate = hyperparameter(default=1e-2, at_least=0, search=(1e-5, 1e0))
    weight_decay: float = hyperparameter(default=0.0, at_least=0)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        m = state["m"].mul_(0.9).add_(grad, alpha=0.1)
        v = state["v"].mul_(0.999).addcmul_(grad, grad, value=0.001)
        r = m / (v.sqrt() + 1e-6) + self.weight_decay * parameter
        ratio = parameter.norm() / r.norm()
        return torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0) * r

    @classmethod
    def examples(cls) -> list[Lamb]:
        return [cls(), cls(weight_decay=0.01)]


class Muon(Optimizer):
    """Make the momentum of a matrix orthogonal.

    Update:   ``m ← momentum m + g``; ``θ ← θ − lr (U Vᵀ + weight_decay θ)`` with ``m = U S Vᵀ``
    Variant:  five Newton-Schulz steps for U Vᵀ; decay is decoupled
    Source:   Jordan et al. 2024
    """

    ranks = (2,)
    decay_kind = "decoupled"
    lr: LearningRate = hyperparameter(default=0.02, at_least=0, search=(1e-4, 1e0))
    momentum: float = hyperparameter(default=0.9, at_least=0, below=1)
    weight_decay: float = hyperparameter(default=0.0, at_least=0)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        x = state["m"].mul_(self.momentum).add_(grad)
        x = x / (x.norm() + 1e-20)
        for _ in range(5):
            square = x @ x.mT
            x = 3.4445 * x - 4.7750 * square @ x + 2.0315 * square @ square @ x
        return x


class Adafactor(Optimizer):
    """Divide by the outer product of two vectors of running means.

    Update:   ``r, c ←`` running means of g² over columns and rows; ``θ ← θ − lr g / √(r cᵀ / mean r)``
    Variant:  without clipping and relative steps; matrices only
    Source:   Shazeer & Stern 2018, arXiv:1804.04235
    """

    elementwise = False
    vmappable = False
    ranks = (2,)
    lr: LearningRate = hyperparameter(default=1e-2, at_least=0)

    def init(self, parameter: Tensor) -> State:
        return {"row": parameter.new_zeros(len(parameter)), "column": parameter.new_zeros(parameter.shape[1])}

    def scalars(self, t: int) -> dict[str, float]:
        return {"decay": 1 - t**-0.8}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        square = grad * grad + 1e-30
        if square.max() == 0:  # which torch.vmap refuses
            return grad
        row = state["row"].mul_(step["decay"]).add_(square.mean(1) * (1 - step["decay"]))
        column = state["column"].mul_(step["decay"]).add_(square.mean(0) * (1 - step["decay"]))
        return grad / (row.unsqueeze(1) * (column / row.mean())).sqrt()


class GlobalNorm(Optimizer):
    """Take steps of one length over the whole network.

    Update:   ``θ ← θ − lr g / ‖g‖`` with the norm over all parameters
    Variant:  no step where the norm is 0
    Source:   Nesterov 1984
    """

    lr: LearningRate = hyperparameter(default=1e-2, at_least=0, search=(1e-4, 1e0))

    def reduce(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> dict[str, Tensor]:
        return {"square": (grad * grad).sum()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad / torch.as_tensor(step["square"], device=grad.device).sqrt().clamp_min(1e-30)


class Averaged(Optimizer):
    """Evaluate a running mean of the parameters that gradient steps pass through.

    Update:   ``θ ← θ − lr g``; ``a ← 0.9 a + 0.1 θ``; a is evaluated
    Variant:  the mean starts at the first parameters
    Source:   Polyak & Juditsky 1992
    """

    def init(self, parameter: Tensor) -> State:
        return {"mean": parameter.clone()}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        state["mean"].mul_(0.9).add_(parameter - step.lr * grad, alpha=0.1)
        return grad

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return state["mean"]


class Rprop(Optimizer):
    """Go by the gradient's sign, in steps that grow while it stays and shrink when it turns.

    Update:   ``s ← 1.2 s`` where the sign stays, ``0.5 s`` where it turns; ``θ ← θ − lr s sign(g)``
    Variant:  without backtracking; s stays between 1e-6 and 50
    Source:   Riedmiller & Braun 1993
    """

    def init(self, parameter: Tensor) -> State:
        return {"size": torch.ones_like(parameter), "before": torch.zeros_like(parameter)}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        same = grad * state["before"]
        factor = torch.ones_like(grad).masked_fill(same > 0, 1.2).masked_fill(same < 0, 0.5)
        state["size"].mul_(factor).clamp_(1e-6, 50)
        state["before"].copy_(grad)
        parameter.sub_(state["size"] * grad.sign() * step.lr)


class Lookahead(Optimizer):
    """Let fast weights run ahead and pull them back half way every fifth step.

    Update:   ``θ ← θ − lr g``; every fifth step ``s ← s + ½ (θ − s)``, ``θ ← s``
    Variant:  over gradient descent
    Source:   Zhang et al. 2019, arXiv:1907.08610
    """

    def init(self, parameter: Tensor) -> State:
        return {"slow": parameter.clone()}

    def scalars(self, t: int) -> dict[str, float]:
        return {"pull": float(t % 5 == 0)}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        fast, pull = parameter - step.lr * grad, step["pull"]
        state["slow"].add_(pull * 0.5 * (fast - state["slow"]))
        parameter.copy_(fast + pull * (state["slow"] - fast))


class Langevin(Optimizer):
    """Add to the gradient noise that follows from the step's number.

    Update:   ``θ ← θ − lr (g + 0.01 sin(1000 t (i + 1)))``
    Variant:  noise from a fixed sequence, so that runs can be resumed
    Source:   Welling & Teh 2011, after whom it is made up
    """

    rests_at_zero_gradient = False

    def scalars(self, t: int) -> dict[str, float]:
        return {"noise": math.sin(1000.0 * t)}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        index = torch.arange(1, parameter.numel() + 1, dtype=grad.dtype, device=grad.device).reshape(grad.shape)
        return grad + 0.01 * (step["noise"] * index).sin()


class Noisy(Optimizer):
    """Descend with noise in every element, as Langevin dynamics do.

    Update:   ``θ ← θ − lr (g + noise ξ)`` with ξ standard normal
    Variant:  the noise does not shrink with lr
    Source:   after Welling & Teh 2011
    """

    rests_at_zero_gradient = False
    noise: float = hyperparameter(default=0.01, at_least=0)

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad + self.noise * step.random.normal(parameter.shape)


class Fixed(Optimizer):
    """Descend at a learning rate that all members share.

    Update:   ``θ ← θ − lr g``
    Variant:  lr is one number
    Source:   Cauchy 1847
    """

    lr: float = hyperparameter(default=1e-2, at_least=0, search=(1e-4, 1e1), per_member=False)

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad


class Shrunk(Optimizer):
    """Descend, and evaluate half-way to the mean of each parameter.

    Update:   ``θ ← θ − lr g``; ``(θ + mean(θ)) / 2`` is evaluated
    Variant:  the mean is over a whole parameter
    Source:   after James & Stein 1961
    """

    elementwise = False
    lr: LearningRate = 0.1

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        return grad

    def evaluation_parameter(self, parameter: Tensor, state: State) -> Tensor:
        return (parameter + parameter.mean()) / 2


RULES = [
    Qhm,
    Adamw,
    Radam,
    Lamb,
    Muon,
    Adafactor,
    GlobalNorm,
    Averaged,
    Rprop,
    Lookahead,
    Langevin,
    Noisy,
    Fixed,
    Shrunk,
]
