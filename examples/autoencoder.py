"""Compress handwritten digits to a few numbers with convolutions, and draw them again with their transposes."""

import argparse

import torch
from sklearn.datasets import load_digits

import chainrule
from chainrule.activations import relu, sigmoid
from chainrule.layers import conv2d, conv_transpose2d, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--figure", help="where to save the curves and some digits, such as digits.png; needs matplotlib")
arguments = parser.parse_args()

images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 16  # (1797, 1, 8, 8)
images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
train, test = images[:1437], images[1437:]

network = sequential(
    conv2d(1, 16, 3, stride=2, padding=1),  # (16, 4, 4)
    relu(),
    conv2d(16, 32, 3, stride=2, padding=1),  # (32, 2, 2)
    relu(),
    conv2d(32, 8, 2),  # (8, 1, 1): the code
    conv_transpose2d(8, 32, 2),
    relu(),
    conv_transpose2d(32, 16, 4, stride=2, padding=1),
    relu(),
    conv_transpose2d(16, 1, 4, stride=2, padding=1),  # (1, 8, 8)
    sigmoid(),
).build(seed=0)
history = chainrule.fit(
    network,
    mse(),
    adam(lr=3e-3),
    train=(train, train),
    validation=(test, test),
    epochs=arguments.epochs,
    batch_size=32,
)
u, s, v = torch.linalg.svd(train.flatten(1) - train.flatten(1).mean(0), full_matrices=False)
centered = test.flatten(1) - train.flatten(1).mean(0)
print(f"mean squared error of a code of 8 numbers: {history['validation_loss'][-1]:.4f}")
print(f"of 8 principal components: {(centered - centered @ v[:8].T @ v[:8]).square().mean():.4f}")
print(f"of the mean image: {centered.square().mean():.4f}")

if arguments.figure:
    from matplotlib import pyplot as plt

    with torch.inference_mode():
        drawn = network.eval()(test[:10])
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3), width_ratios=[1, 2], layout="constrained")
    left.semilogy(history["train_loss"], label="training")
    left.semilogy(history["validation_loss"], label="test")
    left.set(xlabel="epoch", ylabel="mean squared error")
    left.legend()
    framed = torch.constant_pad_nd(torch.cat([test[:10], drawn], 1), [1, 1, 1, 1])  # (10, 2, 10, 10)
    right.imshow(framed.permute(1, 2, 0, 3).reshape(20, 100).numpy(), cmap="gray_r")  # each digit above its copy
    right.set_axis_off()
    figure.savefig(arguments.figure)
