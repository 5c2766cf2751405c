"""A training loop by hand: forward, loss, backward, step."""

import torch

from chainrule.activations import relu
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.tasks import circle

(x_train, y_train), _, (x_test, y_test) = circle().splits(seed=0)
network = sequential(linear(2, 16), relu(), linear(16, 32), relu(), linear(32, 2)).build(seed=0)
loss = cross_entropy()
updater = adam(lr=1e-2).attach(network)
generator = torch.Generator().manual_seed(0)

for epoch in range(30):
    for rows in torch.randperm(len(x_train), generator=generator).split(20):
        value = loss(network(x_train[rows]), y_train[rows])
        network.zero_grad()
        network.backward(loss.backward())
        updater.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss of the last batch {value:.3f}")

network.eval()
correct = network(x_test).argmax(1) == y_test
print(f"test accuracy {correct.float().mean():.3f}")
