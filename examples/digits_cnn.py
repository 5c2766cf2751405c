"""Train an ensemble of five convolutional networks to read the handwritten digits of scikit-learn."""

import argparse
import time

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import chainrule
from chainrule.activations import relu
from chainrule.callbacks import progress
from chainrule.layers import conv2d, flatten, linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule.optimizers import adam

BATCH_SIZE = 64

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--figure", help="where to save the curves, such as digits.png; needs matplotlib")
arguments = parser.parse_args()

digits = load_digits()
x_train, x_test, y_train, y_test = map(
    torch.from_numpy,
    train_test_split(
        digits.images.astype("float32")[:, None] / 16,  # (1797, 1, 8, 8)
        digits.target,
        test_size=0.2,
        stratify=digits.target,
        random_state=0,
    ),
)
padded = torch.constant_pad_nd(x_train, [1, 1, 1, 1])
shifted = [padded[..., i : i + 8, j : j + 8] for i, j in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))]
x_train, y_train = torch.cat(shifted), y_train.repeat(len(shifted))  # as they are, and a pixel off to each side

network = sequential(
    conv2d(1, 16, 3, padding=1),
    relu(),
    conv2d(16, 32, 3, padding=1),
    relu(),
    conv2d(32, 64, 3, stride=2, padding=1),  # (64, 4, 4)
    relu(),
    flatten(),
    linear(1024, 10),
).build(seeds=range(5))
steps = arguments.epochs * -(-len(x_train) // BATCH_SIZE)
start = time.perf_counter()
history = chainrule.fit(
    network,
    cross_entropy(),
    adam(lr=3e-3, schedule=lambda t: max(0.0, 1 - t / steps)),
    train=(x_train, y_train),
    validation=(x_test, y_test),
    epochs=arguments.epochs,
    batch_size=BATCH_SIZE,
    metrics={"accuracy": accuracy},
    callbacks=[progress()],
)
reached = history["validation_accuracy"][-1]
print(f"test accuracy of each network: {', '.join(f'{value:.4f}' for value in reached.tolist())}")
print(f"mean accuracy {reached.mean():.4f} after {time.perf_counter() - start:.0f} s")
if arguments.figure:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for each, name in zip(axes, ("loss", "accuracy"), strict=True):
        each.plot(history[f"train_{name}"], color="C0", alpha=0.5)
        each.plot(history[f"validation_{name}"], color="C1", alpha=0.5)
        each.set(xlabel="epoch", ylabel=name, title="blue: training, orange: test")
    axes[0].set_yscale("log")
    figure.savefig(arguments.figure)
