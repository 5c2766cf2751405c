"""The network of circle.py in plain tensor operations: forward pass, backward pass and Adam.

z₁ = x W₁ᵀ + b₁    h₁ = max(z₁, 0)
z₂ = h₁ W₂ᵀ + b₂   h₂ = max(z₂, 0)
z₃ = h₂ W₃ᵀ + b₃   q = softmax(z₃)    L = −mean log q[y]
"""

import math

import torch

generator = torch.Generator().manual_seed(0)


def points(rows):
    """Return points x (rows, 2) in the unit square and classes y (rows,), 1 inside the circle."""
    x = torch.rand(rows, 2, generator=generator)
    return x, ((x - 0.5).square().sum(1) < 1 / (2 * math.pi)).long()


def layer(fan_in, fan_out):
    """Return a weight (fan_out, fan_in) and a bias (fan_out,), uniform within 1/√fan_in."""
    bound = 1 / math.sqrt(fan_in)
    return [(2 * torch.rand(*shape, generator=generator) - 1) * bound for shape in ((fan_out, fan_in), (fan_out,))]


def forward(x):
    """Return h₁, h₂ and the logits z₃ of x (N, 2)."""
    h1 = (x @ w1.T + b1).clamp_min(0)
    h2 = (h1 @ w2.T + b2).clamp_min(0)
    return h1, h2, h2 @ w3.T + b3


x_train, y_train = points(1000)
x_test, y_test = points(900)
parameters = w1, b1, w2, b2, w3, b3 = *layer(2, 16), *layer(16, 32), *layer(32, 2)
means = [torch.zeros_like(p) for p in parameters]  # Adam's running mean of the gradient
squares = [torch.zeros_like(p) for p in parameters]  # and of the squared gradient
t = 0

for epoch in range(30):
    for rows in torch.randperm(1000, generator=generator).split(20):
        x, y = x_train[rows], y_train[rows]
        h1, h2, z3 = forward(x)
        q = z3.softmax(1)

        dz3 = (q - torch.eye(2)[y]) / len(rows)  # dL/dz₃ = (q − y) / N
        dz2 = dz3 @ w3 * (h2 > 0)  # through W₃, then relu
        dz1 = dz2 @ w2 * (h1 > 0)
        gradients = dz1.T @ x, dz1.sum(0), dz2.T @ h1, dz2.sum(0), dz3.T @ h2, dz3.sum(0)

        t += 1
        for p, g, m, v in zip(parameters, gradients, means, squares, strict=True):
            m += (1 - 0.9) * (g - m)
            v += (1 - 0.999) * (g * g - v)
            p -= 1e-2 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss of the last batch {-q[range(len(y)), y].log().mean():.3f}")

accuracy = (forward(x_test)[2].argmax(1) == y_test).float().mean()
print(f"test accuracy {accuracy:.3f}")
