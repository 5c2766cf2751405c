"""Fine-tune a small PyTorch model in PyTorch's own loop, with the optimizer of a package that knows chainrule alone.

The model learns the digits 0 to 4 with AdamW. Then its last layer is replaced, and all ten digits are learnt with
QHAdam from examples/chainrule-qhadam: by the name that it registers, with a rate of its own for each of two groups.
"""

import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import chainrule_torch
from chainrule import register, registry

if "qhadam" not in registry.names("optimizers"):  # what pip install ./chainrule-qhadam does
    sys.path.insert(0, str(Path(__file__).parent / "chainrule-qhadam" / "src"))
    from chainrule_qhadam import Qhadam

    register("optimizers", "qhadam", Qhadam)

BATCH_SIZE = 64


def train(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, *, epochs: int) -> None:
    """Train as any PyTorch script does, with one of its schedulers."""
    steps = epochs * -(-len(x) // BATCH_SIZE)
    rates = [group["lr"] for group in optimizer.param_groups]
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, cycle_momentum=False)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH_SIZE):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            scheduler.step()


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the fraction of rows whose largest score is that of their class."""
    with torch.no_grad():
        return (model(x).argmax(1) == y).double().mean().item()


torch.manual_seed(0)
digits = load_digits()
x_train, x_test, y_train, y_test = map(
    torch.from_numpy,
    train_test_split(digits.data.astype("float32") / 16, digits.target, stratify=digits.target, random_state=0),
)

body = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64), nn.GELU())
model = nn.Sequential(body, nn.Linear(64, 5))
few = y_train < 5
train(model, torch.optim.AdamW(model.parameters(), lr=3e-3), x_train[few], y_train[few], epochs=10)
few = y_test < 5
print(f"five digits, trained with AdamW: accuracy {accuracy(model, x_test[few], y_test[few]):.4f}")

model[1] = nn.Linear(64, 10)
print(f"ten digits with a new last layer: accuracy {accuracy(model, x_test, y_test):.4f}")
groups = [{"params": body.parameters(), "lr": 3e-3}, {"params": model[1].parameters()}]
optimizer = chainrule_torch.optimizer("qhadam", groups, lr=1e-2, nus=(0.7, 1.0))
print(f"fine-tuning with {type(optimizer).__name__} of {type(optimizer).__mro__[1].__name__}, a torch.optim.Optimizer")
train(model, optimizer, x_train, y_train, epochs=30)
print(f"ten digits, fine-tuned: accuracy {accuracy(model, x_test, y_test):.4f}")
