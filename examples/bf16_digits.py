"""Train classifiers of scikit-learn's handwritten digits in pure bfloat16, with each way to round a step."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch.nn import Linear, ReLU, Sequential
from torch.nn.functional import cross_entropy

import chainrule_torch

RULES = {
    "adamw": {"lr": 3e-4},
    "lion": {"lr": 1e-4},
    "sgd": {"lr": 5e-3, "momentum": 0.9},
    "muon": {"lr": 2e-3},
    "schedule_free_adamw": {"lr": 5e-4},
}
"""The rates are so low that most steps are smaller than half a unit of bfloat16."""

STYLES = {
    "float32": ("black", "-", 3.0),
    "stochastic": ("C0", "-", 1.5),
    "kahan": ("C2", "--", 1.5),
    "nearest": ("C3", ":", 2.0),
}
"""The reference, and the ways to round a step to bfloat16, with color, line style and width."""

BATCH_SIZE = 64


digits = load_digits()
x, y = torch.from_numpy(digits.data).float() / 16, torch.from_numpy(digits.target)


def losses(rule: str, kind: str, seed: int, epochs: int) -> list[float]:
    """Return the loss after each epoch, evaluated in float32."""
    dtype = torch.float32 if kind == "float32" else torch.bfloat16
    rounding = {} if kind == "float32" else {"rounding": kind}
    torch.manual_seed(seed)
    model = Sequential(Linear(64, 128, bias=False), ReLU(), Linear(128, 10, bias=False)).to(dtype)
    optimizer = chainrule_torch.optimizer(rule, model.parameters(), **RULES[rule], **rounding)
    found = []
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH_SIZE):
            optimizer.zero_grad()
            cross_entropy(model(x[rows].to(dtype)).float(), y[rows]).backward()
            optimizer.step()
        optimizer.eval()  # schedule_free_adamw evaluates at a mean of its parameters
        first, last = (each.detach().float() for each in model.parameters())
        found.append(float(cross_entropy((x @ first.T).relu() @ last.T, y)))
        optimizer.train()
    return found


def draw(curves: dict[tuple[str, str], torch.Tensor], path: str) -> None:
    """Save the mean curve of each kind, with the range of its seeds, a panel for each rule."""
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(RULES), figsize=(3 * len(RULES), 3.2), layout="constrained")
    for panel, rule in zip(panels, RULES, strict=True):
        for kind, (color, style, width) in STYLES.items():
            each = curves[rule, kind]  # (seeds, epochs)
            label = kind if kind == "float32" else f"bfloat16, {kind}"
            epochs = range(1, each.shape[1] + 1)
            panel.plot(epochs, each.mean(0), color=color, linestyle=style, linewidth=width, label=label)
            panel.fill_between(epochs, each.amin(0), each.amax(0), color=color, alpha=0.15, linewidth=0)
        panel.set_title(rule, fontsize="medium")
        panel.set(xlabel="epoch", yscale="log")
    panels[0].set_ylabel("loss")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(path)


def main() -> None:
    """Print the final losses with their standard deviation over the seeds, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figure", help="where to save the curves, such as bf16.png; needs matplotlib")
    arguments = parser.parse_args()
    print(f"a network of {64 * 128 + 128 * 10} parameters, {arguments.epochs} epochs, {arguments.seeds} seeds")
    curves = {}
    for rule in RULES:
        for kind in STYLES:
            each = [losses(rule, kind, seed, arguments.epochs) for seed in range(arguments.seeds)]
            curves[rule, kind] = torch.tensor(each)
            last = curves[rule, kind][:, -1]
            print(f"{rule:20} {kind:10} loss {last.mean():.4f} ± {last.std(correction=0):.4f}", flush=True)
    if arguments.figure:
        draw(curves, arguments.figure)


if __name__ == "__main__":
    main()
