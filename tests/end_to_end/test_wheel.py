"""The wheel works away from the repository, and without any one of its components."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreter import STRICT

ROOT = Path(__file__).parents[2]

USE_EVERYTHING = """
import tempfile

import torch

import chainrule
from chainrule import Network, components, get
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import sgd

assert "site" in chainrule.__file__, chainrule.__file__
x, y = torch.randn(8, 3), torch.randn(8, 2)


def train(network, loss=None, optimizer=None, **settings):
    history = chainrule.fit(network, loss or mse(), optimizer or sgd(), train=(x, y), epochs=2, **settings)
    assert history["train_loss"].isfinite().all()


CALLBACKS = {
    "best": ["train_loss"],
    "csv": ["{folder}/history.csv"],
    "early_stopping": ["train_loss"],
    "history_file": ["{folder}/history.json"],
    "reduce_on_plateau": ["train_loss"],
    "successive_halving": ["train_loss"],
    "tensorboard": ["{folder}/runs"],
}
used = []
for component in components():
    part = get(component.kind, component.name)
    match component.kind:
        case "layers" | "activations" | "initializers" | "losses" | "optimizers" | "metrics" | "tasks":
            try:
                examples = part.examples()
            except ImportError as error:  # a wrapper's around adam
                assert "adam" in str(error), error
                examples = []
        case "schedules":
            for schedule in part.examples():
                train(linear(3, 2).build(seed=0), optimizer=sgd(schedule=schedule))
        case "callbacks":
            with tempfile.TemporaryDirectory() as folder:
                arguments = CALLBACKS.get(component.name, [])
                made = part(*[argument.format(folder=folder) for argument in arguments])
                train(linear(3, 2).build(seed=0), callbacks=[made])
    match component.kind:
        case "layers" | "activations":
            for module, inputs in examples:
                network = module.build(seeds=[0, 1])
                output = network(inputs if isinstance(inputs, torch.Tensor) else torch.randn(4, *inputs))
                network.backward(torch.ones_like(output))
        case "initializers":
            for initializer in examples:
                if component.name == "dirac":  # which is for kernels
                    initializer(torch.empty(2, 2, 3), fan_in=6, fan_out=6, generator=torch.Generator())
                else:
                    train(linear(3, 2, weight_init=initializer).build(seed=0))
        case "losses":
            for loss, prediction, target in examples:
                assert loss(prediction, target).isfinite()
                assert loss.backward().shape == prediction.shape
        case "optimizers":
            for optimizer in examples:
                has_bias = 1 in optimizer.ranks  # which rules for matrices refuse
                train(linear(3, 2, bias=has_bias).build(seed=0), optimizer=optimizer)
        case "tasks":
            for task in examples:
                task.network().build(seed=0)(task.splits(0).test[0])
    used.append(component.name)
print(" ".join(sorted(used)))

try:
    from chainrule.optimizers import adam
except ImportError as error:
    print(error)
else:
    raise SystemExit("adam is still there")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the installed wheel, from whose entry points adam is deleted."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder / "site"),
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    (entry_points,) = (folder / "site").glob("*.dist-info/entry_points.txt")
    lines = entry_points.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("adam =")]
    assert len(kept) == len(lines) - 1
    entry_points.write_text("".join(kept), encoding="utf-8")
    return folder / "site"


def run(site, *command):
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    return STRICT.run(*command, env={**os.environ, "PYTHONPATH": path}, cwd=site.parent)


def test_every_other_component_works_without_adam(site):
    result = run(site, "-c", USE_EVERYTHING)
    assert result.returncode == 0, result.stderr
    used, hint = result.stdout.splitlines()
    assert {"linear", "adagrad", "mse", "uniform", "relu", "constant", "progress", "circle"} <= set(used.split())
    assert 'No optimizer is registered as "adam".' in hint


def test_reproduce_names_the_missing_adam_in_one_line_and_writes_nothing(site):
    result = run(site, "-m", "chainrule", "reproduce", "--out", "report")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert '"adam"' in line
    assert not (site.parent / "report").exists()


def test_the_wheel_ships_types_stubs_and_templates(site):
    names = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {"chainrule/py.typed", "chainrule/optimizers.pyi", "chainrule_plugins/py.typed"} <= names
    assert any(name.startswith("chainrule_lab/paper/templates/") for name in names)
    assert "chainrule_lab/templates/report.css" in names


def test_listing_imports_neither_torch_nor_a_plugin(site):
    result = run(site, "-X", "importtime", "-m", "chainrule", "list")
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert "chainrule" in imported
    assert not imported & {"torch", "numpy", "chainrule_plugins", "chainrule_lab"}
