import pickle
import re
from pathlib import Path

import pytest
import torch

from chainrule import ChainruleError, label
from chainrule.activations import leaky_relu, tanh
from chainrule.initializers import zeros
from chainrule.layers import conv2d, linear, mlp, residual, sequential, transformer_block
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.parts import Part, made
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.tables import parts_of

NESTED = {
    "task": "circle",
    "members": 2,
    "network": [
        {"name": "linear", "in_features": 2, "out_features": 8, "weight_init": "xavier_normal"},
        "relu",
        {"name": "residual", "modules": [{"name": "mlp", "sizes": [8, 8], "activation": "tanh"}, {"name": "softplus"}]},
        {"name": "linear", "in_features": 8, "out_features": 2},
    ],
    "optimizer": {
        "name": "lookahead",
        "inner": {
            "name": "adam",
            "lr": [0.001, 0.01],
            "schedule": {"name": "warmup", "warmup_steps": 3, "inner": {"name": "cosine", "total_steps": 50}},
        },
    },
    "callbacks": [{"name": "early_stopping", "patience": 3}],
}


def test_a_task_and_an_optimizer_are_a_run():
    run = RunDescription.of({"task": "circle", "optimizer": "adam"})
    assert run.fit_arguments()["epochs"] == 100  # of the task
    assert list(run.fit_arguments()["metrics"]) == ["accuracy"]
    assert run.loss().reduction == "sum"
    assert run.splits().train[0].shape == (1000, 2)
    assert run.build().members == 1


def test_components_inside_components_are_made():
    run = RunDescription.of(NESTED)
    rule = run.optimizer()
    assert rule.k == 5
    assert rule.inner.lr.tolist() == [0.001, 0.01]
    assert rule.inner.schedule(53) < rule.inner.schedule(4) == 1
    module = run.module()
    assert [type(one).__name__ for one in module.modules] == ["Linear", "Relu", "Residual", "Linear"]
    assert module.modules[0].weight.init.std(2, 8) == pytest.approx(0.2**0.5)
    assert run.module() is not module


def test_a_file_offers_the_classes_that_the_key_takes(tmp_path):
    file = tmp_path / "own.py"
    file.write_text("from chainrule import Module, Optimizer\nclass Cube(Module): ...\nclass Fast(Optimizer): ...\n")
    with pytest.raises(ChainruleError, match=rf'optimizer: no "Own" in {re.escape(str(file))}\. Write [^ ]*:Fast\.$'):
        RunDescription.of({"task": "circle", "optimizer": f"{file}:Own"})


def test_the_complete_description_has_every_default_and_reads_back_to_an_equal_one():
    run = RunDescription.of(NESTED)
    complete = run.complete()
    assert complete["optimizer"]["alpha"] == 0.5
    assert complete["optimizer"]["inner"]["betas"] == [0.9, 0.999]
    assert complete["network"][0]["bias"] is True
    assert complete["callbacks"][0]["monitor"] == "validation_loss"
    assert complete["batch_size"] == 20
    again = RunDescription.of(complete)
    assert again == pickle.loads(pickle.dumps(run)) == run  # noqa: S301 - written here
    assert hash(again) == hash(run)
    assert again.complete() == complete


def test_values_at_dotted_keys_make_another_description():
    run = RunDescription.of({"task": "circle", "optimizer": "adam", "network": [{"name": "mlp", "sizes": [2, 8, 2]}]})
    other = run.with_values({"optimizer.lr": 3e-4, "network.0.sizes": [2, 16, 2], "data.seed": 3})
    assert (run.optimizer().lr, other.optimizer().lr) == (1e-3, 3e-4)
    assert other.module().modules[0].sizes == [2, 16, 2]
    assert not torch.equal(run.splits().train[0], other.splits().train[0])
    assert run != other


def test_a_module_of_a_package_goes_by_its_whole_name():
    run = RunDescription.of({"task": "circle", "optimizer": "adam", "network": ["chainrule:relu"]})
    assert [label(one) for one in run.module().modules] == ["relu"]


def test_groups_of_parameters_have_rules_of_their_own():
    groups = {"vectors": {"name": "sgd", "lr": 0.5}, "*": "adam"}
    run = RunDescription.of({"task": "circle", "optimizer": {"name": "param_groups", "groups": groups}})
    assert [type(rule).__name__ for rule in run.optimizer().groups.values()] == ["Sgd", "Adam"]
    assert RunDescription.of(run.complete()) == run


def test_the_network_is_built_with_its_seeds_and_frozen_parameters():
    settings = {"seeds": {"range": 3}, "dtype": "float64", "freeze": ["0.*"]}
    run = RunDescription.of({"task": "circle", "optimizer": "adam", **settings})
    network = run.build()
    assert [part.dtype for part in run.splits().train] == [torch.float64, torch.int64]
    assert network.seeds == [0, 1, 2]
    assert network.dtype == torch.float64
    assert network.frozen == {"0.weight", "0.bias"}
    single = sequential(linear(2, 16)).build(seed=2, dtype=torch.float64)
    assert torch.equal(network.member(2).state_dict()["0.weight"], single.state_dict()["0.weight"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer.inner.lr": -1}, "RUN.toml: optimizer.inner.lr must be at least 0, got -1. Allowed: at least 0."),
        ({"optimizer.inner.lrr": 1}, 'RUN.toml: optimizer.inner: adam: takes no argument "lrr". Did you mean "lr"?'),
        ({"optimzer.name": "adam"}, 'RUN.toml: the run takes no "optimzer". Did you mean "optimizer"?'),
        ({"optimizer": "adamm"}, 'RUN.toml: optimizer: No optimizer is registered as "adamm". Did you mean "adam"'),
        ({"network.1": "rellu"}, 'RUN.toml: network.1: No activation is registered as "rellu". Did you mean "relu"'),
        ({"network.0.in_features": "a"}, "RUN.toml: network.0.in_features must be an integer of at least 1, got 'a'."),
        ({"network.9.bias": False}, "RUN.toml: network must have an index from 0 to 3, got '9'."),
        ({"loss": {"name": "mse", "reduction": "men"}}, 'RUN.toml: loss.reduction must be "mean", "sum" or "none"'),
        ({"callbacks.0.patienc": 3}, 'RUN.toml: callbacks.0: early_stopping: takes no argument "patienc". Did you'),
        ({"metrics": ["accuracy", "accuracy"]}, "RUN.toml: metrics: fit: the names of metrics must be different"),
        ({"epochs": -1}, "RUN.toml: epochs must be an integer of at least 1, got -1."),
        ({"seeds": 2}, "RUN.toml: seeds must be a list, or { range = 10 }, got 2. Write { range = 2 }."),
        ({"seeds": [1, 2]}, "RUN.toml: seeds must stand alone, got [1, 2] with seed=None and members=2."),
        ({"dtype": "float16"}, "RUN.toml: dtype must be float32 or float64, got 'float16'."),
        ({"data.sed": 1}, 'RUN.toml: data takes no "sed". Did you mean "seed"?'),
        (
            {"optimizer.inner.schedule.inner.total_steps": 0},
            "RUN.toml: optimizer.inner.schedule.inner.total_steps must",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_with_its_place(values, message):
    run = RunDescription.of(NESTED, where="RUN.toml")
    with pytest.raises(ChainruleError) as caught:
        run.with_values(values)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_single_numbers_of_a_tasks_own_network_and_loss_can_be_set():
    run = RunDescription.of({"task": "circle", "optimizer": "adam"})
    assert run.complete()["network"][2]["out_features"] == 32
    other = run.with_values({"network.2.out_features": 8, "network.4.in_features": 8, "loss.reduction": "mean"})
    assert other.module().modules[2].out_features == 8
    assert other.loss().reduction == "mean"


def test_values_may_be_what_makes_a_description_whole():
    run = RunDescription.of({}, values={"network.2.bias": False, "optimizer.name": "sgd", "task": "circle"})
    assert run.module().modules[2].bias is None
    assert type(run.optimizer()).__name__ == "Sgd"


@pytest.mark.parametrize(
    "module",
    [
        sequential(linear(2, 3, bias=False), residual(linear(3, 3), tanh()), mlp([3, 4, 2], leaky_relu(0.3))),
        transformer_block(4, 2, activation="relu", dropout=0.5),
        conv2d(1, 2, 3, padding="same"),
    ],
    ids=repr,
)
def test_a_module_is_described_by_what_makes_an_equal_one(module):
    parts = parts_of(Place("RUN.toml", Path()), module, ("layers", "activations"))
    again = parts.make() if isinstance(parts, Part) else sequential(*made(parts))
    assert repr(again) == repr(module)
    states = [one.build(seed=3).state_dict() for one in (again, module)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_a_module_whose_attributes_do_not_have_its_arguments_is_not_described():
    assert parts_of(Place("RUN.toml", Path()), linear(2, 3, weight_init=zeros()), ("layers",)) is None
