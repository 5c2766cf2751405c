import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from chainrule import ChainruleError, fit
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.metrics import accuracy
from chainrule.optimizers import adam, sgd

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(23, 4, generator=GENERATOR, dtype=torch.float64)
Y = torch.randint(3, (23,), generator=GENERATOR)
XV, YV = X[:7] + 1, Y[:7]
ENSEMBLE = {"seeds": [0, 1, 2]}


def build(**settings):
    return sequential(linear(4, 5), tanh(), linear(5, 3)).build(dtype=torch.float64, **settings)


def loss_and_accuracy(network, x, y):
    outputs = network(x) if network.is_ensemble else network(x)[None]
    losses = torch.stack([torch.nn.functional.cross_entropy(output, y) for output in outputs])
    accuracies = (outputs.argmax(-1) == y).double().mean(1)
    return (losses, accuracies) if network.is_ensemble else (losses[0], accuracies[0])


@pytest.mark.parametrize("settings", [{}, ENSEMBLE], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_curves_are_per_example_means_of_both_splits_after_each_epoch(settings, reduction):
    network = build(**settings)
    run = {"train": (X, Y), "validation": (XV, YV), "metrics": {"accuracy": accuracy()}, "batch_size": 5}
    history = fit(network, cross_entropy(reduction), adam(lr=0.01), epochs=3, **run)
    assert list(history) == ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    assert {curve.shape for curve in history.values()} == {(3, 3) if settings else (3,)}
    for name, split in (("train", (X, Y)), ("validation", (XV, YV))):
        loss, right = loss_and_accuracy(network, *split)
        assert_close(history[f"{name}_loss"][-1], loss)
        assert_close(history[f"{name}_accuracy"][-1], right)


@pytest.mark.parametrize("loss", [mse("mean"), mse("sum")], ids=repr)
def test_without_evaluation_curves_are_means_over_the_rows_of_the_epochs_steps(loss):
    target = torch.randn(23, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    history = fit(build(), loss, sgd(lr=0.0), train=(X, target), epochs=2, batch_size=5, evaluate_train=False)
    assert_close(history["train_loss"], (build()(X) - target).square().mean().expand(2))  # 4 batches of 5 and one of 3


def test_a_step_is_taken_for_each_batch_the_last_of_which_is_smaller():
    sizes = []

    class Sizes(cross_entropy):
        def forward(self, prediction, target):
            sizes.append(len(target[0]))
            return super().forward(prediction, target)

    fit(build(), Sizes(), sgd(), train=(X, Y), epochs=1, batch_size=5, evaluate_train=False)
    assert sizes == [5, 5, 5, 5, 3]


def test_it_takes_the_steps_that_a_loop_in_torch_takes():
    network, theirs = build(), torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    theirs.double().load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    batches = [(X[i::4], Y[i::4]) for i in range(4)]
    losses = []
    for x, y in batches * 3:
        loss = torch.nn.functional.cross_entropy(theirs(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() * len(x))
    history = fit(network, cross_entropy(), adam(lr=0.01), train=batches, epochs=3)
    assert_close(network.state_dict(), dict(theirs.state_dict()), rtol=1e-9, atol=1e-12)
    assert_close(history["train_loss"], torch.tensor(losses, dtype=torch.float64).view(3, 4).sum(1) / 23)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))


@pytest.mark.parametrize("dataset", [TensorDataset(X, Y), Stream()], ids=["map", "iterable"])
def test_a_data_loader_gives_what_its_batches_give(dataset):
    loaded, listed = build(), build()
    fit(loaded, cross_entropy(), adam(), train=DataLoader(dataset, batch_size=6), epochs=2)
    fit(listed, cross_entropy(), adam(), train=[(X[i : i + 6], Y[i : i + 6]) for i in range(0, 23, 6)], epochs=2)
    assert torch.equal(loaded.flat.data, listed.flat.data)


def test_a_generator_that_has_ended_raises():
    batches = ((X, Y) for _ in range(2))
    with pytest.raises(ChainruleError) as caught:
        fit(build(), cross_entropy(), sgd(), train=batches, epochs=2)
    assert str(caught.value) == (
        "fit: train yielded no batch. Pass a list or a DataLoader; a generator ends after one pass."
    )


def test_no_epochs_change_and_record_nothing():
    network = build()
    history = fit(network, cross_entropy(), adam(), train=(X, Y), epochs=0)
    assert (dict(history), history.epochs, repr(history)) == ({}, 0, "History(empty)")
    assert torch.equal(network.flat.data, build().flat.data)


ROWS = "must have shape (N, …) with the same rows, at least one, got"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": (X, Y[:9])}, f"fit: x and y of train {ROWS} (23, 4) and (9,)."),
        ({"train": (X[:0], Y[:0])}, f"fit: x and y of train {ROWS} (0, 4) and (0,)."),
        ({"train": (X, torch.tensor(1))}, f"fit: x and y of train {ROWS} (23, 4) and ()."),
        ({"train": [(X, Y[:9])]}, f"fit: x and y of train {ROWS} (23, 4) and (9,)."),
        ({"train": (X.float(), Y)}, "fit: x of train must have dtype torch.float64, got torch.float32."),
        ({"train": (X.long(), Y)}, "network: x must have dtype torch.float64, got torch.int64."),
        ({"train": (X[:, :3], Y)}, "linear: x must have shape (N, …, 4), got (N, 3)."),
        ({"train": (X, X)}, "cross_entropy: target must be class indices (N, …) or floating probabilities (N, C, …)"),
        ({"train": (X, Y), "validation": (XV, Y)}, f"fit: x and y of validation {ROWS} (7, 4) and (23,)."),
        ({"train": (X,)}, "fit: train must be two tensors x and y, or batches of these, got a tuple of Tensor."),
        ({"train": [X]}, "fit: a batch of train must be two tensors x and y, got a tensor (23, 4)."),
        ({"train": (X, Y), "batch_size": 0}, "fit: batch_size must be an integer of at least 1, got 0."),
        ({"train": (X, Y), "epochs": -1}, "fit: epochs must be an integer of at least 0, got -1."),
        ({"train": (X, Y), "per_member": True}, "fit: per_member must be False for a single network"),
    ],
)
def test_data_that_does_not_fit_raises_in_one_line(arguments, message):
    with pytest.raises(ChainruleError) as caught:
        fit(build(), cross_entropy(), sgd(), **arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_histories_are_equal_if_their_curves_are():
    def trained(epochs, **settings):
        network = linear(4, 3).build(dtype=torch.float64)
        return fit(network, cross_entropy(), sgd(lr=0.1), train=(X, Y), epochs=epochs, **settings)

    history = trained(2)
    assert history == trained(2)
    assert history == dict(history)
    for other in (trained(3), trained(2, validation=(X, Y)), {"train_loss": history["train_loss"] + 1}, 3):
        assert history != other
    diverged = trained(2)
    diverged.load_state_dict({"train_loss": torch.tensor([0.5, torch.nan])})
    assert diverged == {"train_loss": torch.tensor([0.5, torch.nan])}
