"""Train an ensemble of ten networks to classify points as inside or outside a circle."""

import chainrule
from chainrule.activations import relu
from chainrule.callbacks import progress
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy
from chainrule.metrics import accuracy
from chainrule.optimizers import adam
from chainrule.tasks import circle

data = circle().splits(seed=0)
network = sequential(linear(2, 16), relu(), linear(16, 32), relu(), linear(32, 2)).build(seeds=range(10))
history = chainrule.fit(
    network,
    cross_entropy(),
    adam(lr=1e-2),
    train=data.train,
    validation=data.validation,
    epochs=50,
    batch_size=20,
    metrics={"accuracy": accuracy()},
    callbacks=[progress()],
)
print("validation accuracy of each network:", history["validation_accuracy"][-1].tolist())
