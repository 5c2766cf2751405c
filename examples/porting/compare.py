"""Compare a rule for torch.optim with its chainrule port over 100 training steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from chainrule import LearningRate, Network, Optimizer, State, Step, Updater, hyperparameter, param_groups
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse

STEPS = 100
TOLERANCE = 1e-10


class TorchAdamax(torch.optim.Optimizer):
    """Adamax for torch.optim."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if lr < 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Invalid betas: {betas}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = 0
                    state["m"] = torch.zeros_like(parameter)
                    state["u"] = torch.zeros_like(parameter)
                state["step"] += 1
                grad = parameter.grad.add(parameter, alpha=group["weight_decay"])
                state["m"].mul_(beta1).add_(grad, alpha=1 - beta1)
                state["u"] = torch.maximum(beta2 * state["u"], grad.abs() + group["eps"])
                rate = group["lr"] / (1 - beta1 ** state["step"])
                parameter.sub_(rate * state["m"] / state["u"])
        return loss


class Adamax(Optimizer):
    """Divide a running mean of the gradient by a decaying maximum of its magnitude.

    Update:   ``g ← g + weight_decay θ``; ``m ← β₁ m + (1 − β₁) g``; ``u ← max(β₂ u, |g| + eps)``;
              ``θ ← θ − lr m / (1 − β₁ᵗ) / u``
    Variant:  torch's: eps inside the maximum, decay coupled
    Source:   Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2
    """

    decay_kind: ClassVar[Literal["coupled"]] = "coupled"

    lr: LearningRate = hyperparameter(default=2e-3, search=(1e-5, 1e-1))
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), at_least=0, below=1)
    eps: float = hyperparameter(default=1e-8, above=0)
    weight_decay: float = hyperparameter(default=0.0, at_least=0)

    def init(self, parameter: Tensor) -> State:
        return {"m": torch.zeros_like(parameter), "u": torch.zeros_like(parameter)}

    def scalars(self, t: int) -> dict[str, float]:
        return {"bias": 1 - self.betas[0] ** t}

    def update(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> Tensor:
        beta1, beta2 = self.betas
        grad = grad + self.weight_decay * parameter
        m = state["m"].lerp_(grad, 1 - beta1)
        u = state["u"].copy_(torch.maximum(beta2 * state["u"], grad.abs() + self.eps))
        return m / step["bias"] / u


def chainrule_setup() -> tuple[Network, Updater]:
    """Return a network and its updater, with no decay on biases and a learning rate that falls by 1 % per step."""
    network = sequential(linear(4, 8), tanh(), linear(8, 3)).build(seed=0, dtype=torch.float64)
    settings: dict[str, Any] = {"lr": 0.01, "schedule": lambda t: 0.99 ** (t - 1)}
    rules = {"*.bias": Adamax(**settings), "*": Adamax(**settings, weight_decay=0.1)}
    return network, param_groups(rules).attach(network)


def torch_setup(
    network: Network, kind: Callable[..., torch.optim.Optimizer]
) -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Return a torch module with the network's parameters, its optimizer with two groups, and its scheduler."""
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    module.load_state_dict(network.state_dict())
    biases = [parameter for name, parameter in module.named_parameters() if name.endswith("bias")]
    weights = [parameter for name, parameter in module.named_parameters() if not name.endswith("bias")]
    optimizer = kind([{"params": biases}, {"params": weights, "weight_decay": 0.1}], lr=0.01)
    return module, optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.99**epoch)


def largest_difference(kind: Callable[..., torch.optim.Optimizer]) -> float:
    """Return the largest absolute difference in any parameter after any step."""
    x, y = torch.randn(20, 4, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64)
    network, updater = chainrule_setup()
    module, optimizer, scheduler = torch_setup(network, kind)
    loss, torch_loss = mse(), torch.nn.MSELoss()
    differences = []
    for _ in range(STEPS):
        loss(network(x), y)
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()

        optimizer.zero_grad()
        torch_loss(module(x), y).backward()
        optimizer.step()
        scheduler.step()

        theirs = module.state_dict()
        differences += [(mine - theirs[name]).abs().max() for name, mine in network.state_dict().items()]
    return torch.stack(differences).max().item()


def main() -> int:
    """Print the differences from TorchAdamax and from torch's own Adamax; return 1 if one exceeds the tolerance."""
    torch.manual_seed(0)
    differences = {kind: largest_difference(kind) for kind in (TorchAdamax, torch.optim.Adamax)}
    for kind, difference in differences.items():
        print(f"{kind.__name__}: largest difference over {STEPS} steps {difference:.1e}")
    return int(not all(difference <= TOLERANCE for difference in differences.values()))  # false for NaN too


if __name__ == "__main__":
    sys.exit(main())
