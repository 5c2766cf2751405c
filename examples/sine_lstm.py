"""Predict the next value of noisy sines of many frequencies, step by step, with an LSTM."""

import argparse

import torch

import chainrule
from chainrule.layers import linear, lstm, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam

STEPS, NOISE = 40, 0.1


def sines(rows, seed):
    """Return noisy values x (N, T, 1) of a sine each, and the values one step later, y (N, T, 1)."""
    generator = torch.Generator().manual_seed(seed)
    frequency = 0.1 + 0.5 * torch.rand(rows, 1, generator=generator)
    phase = 2 * torch.pi * torch.rand(rows, 1, generator=generator)
    clean = torch.sin(frequency * torch.arange(STEPS + 1) + phase)
    noisy = clean + NOISE * torch.randn(clean.shape, generator=generator)
    return noisy[:, :-1, None], noisy[:, 1:, None]


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--figure", help="where to save the curves and a prediction, such as sine.png; needs matplotlib")
arguments = parser.parse_args()

train, test = sines(1000, seed=0), sines(500, seed=1)
network = sequential(lstm(1, 32), linear(32, 1)).build(seeds=range(3))
history = chainrule.fit(
    network,
    mse(),
    adam(lr=1e-2),
    train=train,
    validation=test,
    epochs=arguments.epochs,
    batch_size=50,
)
x, y = test
errors = history["validation_loss"][-1]
print(f"mean squared error of the networks: {', '.join(f'{error:.4f}' for error in errors.tolist())}")
print(f"of the last value as the prediction: {(x - y).square().mean():.4f}")
print(f"of the noise alone, which nobody predicts: {NOISE**2:.4f}")

if arguments.figure:
    from matplotlib import pyplot as plt

    with torch.inference_mode():
        prediction = network.eval()(x[:1])[0, 0, :, 0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.semilogy(history["train_loss"], color="C0")
    left.semilogy(history["validation_loss"], color="C1", linestyle="--")
    left.axhline(NOISE**2, color="gray", linestyle=":")
    left.set(xlabel="epoch", ylabel="mean squared error", title="blue: training, dashed: test, dotted: noise")
    right.plot(y[0, :, 0], "k.", label="value")
    right.plot(prediction, label="prediction from the values before")
    right.set(xlabel="step")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), ncols=2)
    figure.savefig(arguments.figure)
