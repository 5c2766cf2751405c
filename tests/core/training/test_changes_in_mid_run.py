"""What is changed while a fit runs."""

import torch
from torch.testing import assert_close

from chainrule import fit, hookimpl, training_step
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.ones(20, 2)


class Halves:
    """Halves the weight of a loss, and adds a metric, after the first epoch."""

    def __init__(self, loss, metrics):
        self.loss, self.metrics = loss, metrics

    @hookimpl
    def chainrule_epoch_end(self, epoch):
        if epoch == 1:
            self.loss.weight = 0.5
            self.metrics["late"] = lambda prediction, target: (prediction - target).square().mean((1, 2))


class Weighted(mse):
    weight = 1.0

    def forward(self, prediction, target):
        return self.weight * super().forward(prediction, target)

    def gradient(self):
        return self.weight * super().gradient()


def test_what_is_set_on_a_loss_in_mid_run_counts():
    def trained(loss, rates, callbacks=()):
        network = linear(3, 2).build(seed=0)
        history = fit(
            network, loss, sgd(lr=0.1, schedule=rates), train=(X, Y), epochs=2, batch_size=len(X), callbacks=callbacks
        )
        return network.flat.data, history["train_loss"]

    loss = Weighted()
    data, losses = trained(loss, lambda t: 1.0, [Halves(loss, {})])
    expected, plain = trained(mse(), lambda t: 1.0 if t == 1 else 0.5)
    assert_close(data, expected)
    assert_close(losses, plain * torch.tensor([1.0, 0.5]))


def test_a_step_of_ones_own_follows_its_loss():
    loss = Weighted()
    step = training_step(linear(3, 2).build(seed=0), loss, sgd(lr=0.0))
    before = step(X, Y)
    loss.weight = 0.5
    assert_close(step(X, Y), before / 2)


def test_metrics_that_a_callback_adds_are_those_of_the_next_fit():
    metrics = {"distance": lambda prediction, target: (prediction - target).abs().mean((1, 2))}
    callbacks = [Halves(Weighted(), metrics)]
    history = fit(linear(3, 2).build(), mse(), sgd(), train=(X, Y), epochs=3, metrics=metrics, callbacks=callbacks)
    assert {len(curve) for curve in history.values()} == {3}
    assert "late" in metrics
