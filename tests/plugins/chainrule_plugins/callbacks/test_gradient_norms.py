import pytest
import torch
from torch.testing import assert_close

from chainrule import fit, hookimpl
from chainrule.activations import tanh
from chainrule.callbacks import gradient_norms
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

X, Y = torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class FreezesAll:
    @hookimpl
    def chainrule_epoch_end(self, run):
        run.network.freeze("*")


def norms_by_torch(network, i, batches):
    """Return the mean norms over batches of a member that is not changed, by autograd."""
    leaves = {name: values[i].clone().requires_grad_() for name, values in network.state_dict().items()}
    found = dict.fromkeys(["", *leaves], 0.0)
    for x, y in batches:
        hidden = torch.tanh(x @ leaves["0.weight"].T + leaves["0.bias"])
        loss = torch.nn.functional.mse_loss(hidden @ leaves["2.weight"].T + leaves["2.bias"], y)
        grads = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        grads[""] = torch.cat([grad.flatten() for grad in grads.values()])
        for name, grad in grads.items():
            found[name] += grad.norm().item() / len(batches)
    return found


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_they_are_those_of_autograd_averaged_over_the_steps_of_an_epoch(compile):
    network = sequential(linear(3, 4), tanh(), linear(4, 3)).build(seeds=[0, 1], dtype=torch.float64)
    batches = [(X[:8], Y[:8]), (X[8:], Y[8:])]
    history = fit(network, mse(), sgd(lr=0.0), train=batches, epochs=2, callbacks=[gradient_norms()], compile=compile)
    for i in range(2):
        for name, norm in norms_by_torch(network, i, batches).items():
            curve = history["gradient_norm" + (name and f".{name}")]
            assert_close(curve[:, i], torch.full((2,), norm, dtype=torch.float64))


def test_the_norm_of_all_is_that_of_the_trained_ones_which_was_clipped():
    network = sequential(linear(3, 4), tanh(), linear(4, 3)).build(seeds=[0, 1], dtype=torch.float64).freeze("0.*")
    history = fit(
        network, mse(), sgd(), train=(X, Y), clip_norm=0.01, callbacks=[gradient_norms(), FreezesAll()], epochs=2
    )
    assert_close(history["gradient_norm"], torch.tensor([[0.01, 0.01], [0.0, 0.0]], dtype=torch.float64))
    assert (history["gradient_norm.0.weight"] > 0.01).all()


def test_a_single_network_has_a_number_for_each_epoch():
    network = linear(3, 3).build(dtype=torch.float64)
    history = fit(network, mse(), sgd(), train=(X, Y), epochs=3, callbacks=[gradient_norms()])
    assert history["gradient_norm.weight"].shape == (3,)
    squares = sum(history[f"gradient_norm.{name}"][0] ** 2 for name in ("weight", "bias"))
    assert squares**0.5 == pytest.approx(history["gradient_norm"][0].item())
