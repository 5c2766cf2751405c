"""Every setting of the paper, trained from the same weights on the same batches in plain torch."""

import pytest
import torch

import chainrule
from chainrule.base.random_streams import random_stream
from chainrule_lab.paper.experiment import declare, run, stacked_splits
from chainrule_lab.paper.experiment_settings import SETTINGS

SEEDS = [0, 3]
EPOCHS = 3
BATCH_SIZE = 20

OPTIMIZERS = {
    "mse": lambda parameters: torch.optim.SGD(parameters, lr=0.001),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.001),
    "xavier": lambda parameters: torch.optim.SGD(parameters, lr=0.001),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.001, betas=(0.9, 0.999), eps=1e-8),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=0.001, initial_accumulator_value=0, eps=1e-10),
    "adagrad_faster": lambda parameters: torch.optim.Adagrad(
        parameters, lr=0.01, initial_accumulator_value=0, eps=1e-10
    ),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.001, alpha=0.9, eps=1e-8),
    "adadelta": lambda parameters: torch.optim.Adadelta(parameters, lr=1.0, rho=0.95, eps=1e-6),
}


@pytest.fixture(autouse=True)
def _in_float64():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def torch_network(setting, member):
    """Return the paper's network in torch, with the first weights of our member."""
    layers = [torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 32), torch.nn.ReLU()]
    layers += [torch.nn.Linear(32, 1), torch.nn.Sigmoid()] if setting.name == "mse" else [torch.nn.Linear(32, 2)]
    network = torch.nn.Sequential(*layers)
    network.load_state_dict(declare(setting).network.build(seeds=SEEDS).member(member).state_dict())
    return network


def torch_values(setting, network, x, y):
    """Return the mean loss and the accuracy on a split."""
    with torch.no_grad():
        output = network(x)
        if setting.name == "mse":
            return ((output - y) ** 2).mean().item(), (output.round() == y).double().mean().item()
        loss = torch.nn.functional.cross_entropy(output, y).item()
        return loss, (output.argmax(1) == y).double().mean().item()


def torch_run(setting, member):
    """Return our curve names with the values that torch's layers, autograd and optimizers give."""
    network = torch_network(setting, member)
    optimizer = OPTIMIZERS[setting.name](network.parameters())
    loss = torch.nn.MSELoss(reduction="sum") if setting.name == "mse" else torch.nn.CrossEntropyLoss(reduction="sum")
    splits = [(x[member], y[member]) for x, y in stacked_splits(setting, SEEDS)]
    (x, y), validation, test = splits
    curves = {f"{split}_{name}": [] for split in ("train", "validation") for name in ("loss", "accuracy")}
    for epoch in range(1, EPOCHS + 1):
        order = torch.randperm(len(x), generator=random_stream(SEEDS[member], "batches", str(epoch)))
        for rows in order.split(BATCH_SIZE):
            optimizer.zero_grad()
            loss(network(x[rows]), y[rows]).backward()
            optimizer.step()
        for split, pair in (("train", (x, y)), ("validation", validation)):
            for name, value in zip(("loss", "accuracy"), torch_values(setting, network, *pair), strict=True):
                curves[f"{split}_{name}"].append(value)
    return curves | dict(zip(("test_loss", "test_accuracy"), torch_values(setting, network, *test), strict=True))


def largest_difference(setting):
    """Return by how much any number of our run is away from torch's."""
    ours = run(setting, SEEDS, EPOCHS)
    away = [0.0]
    for member in range(len(SEEDS)):
        for name, expected in torch_run(setting, member).items():
            found = ours.test[name[5:]] if name.startswith("test_") else ours.curves[name]
            away.append((torch.tensor(found[member]) - torch.tensor(expected)).abs().max().item())
    return max(away)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_follows_torchs_path(setting):
    assert largest_difference(setting) < 1e-9


@pytest.mark.parametrize(
    ("kind", "name", "method"),
    [
        ("activations", "relu", "backward"),
        ("activations", "sigmoid", "backward"),
        ("layers", "linear", "backward"),
        ("losses", "mse", "gradient"),
    ],
)
def test_a_wrong_sign_in_one_backward_is_seen(monkeypatch, kind, name, method):
    component = chainrule.get(kind, name)
    right = getattr(component, method)

    def wrong(self, *arguments):
        result = right(self, *arguments)
        return None if result is None else -result

    monkeypatch.setattr(component, method, wrong)
    assert largest_difference(SETTINGS[0]) > 1e-4


def test_a_mean_over_the_batch_in_place_of_the_sum_is_seen(monkeypatch):
    monkeypatch.setattr("chainrule_lab.paper.experiment.REDUCTION", "mean")
    assert largest_difference(SETTINGS[1]) > 1e-4
