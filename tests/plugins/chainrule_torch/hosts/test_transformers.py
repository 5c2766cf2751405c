"""Test that the Trainer of Hugging Face trains with rules as it does with torch's optimizers."""

from __future__ import annotations

import pydoc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import chainrule
from chainrule.registry import lookup
from chainrule_torch import optim, optimizer

from .small import RULES, weights

transformers = pytest.importorskip("transformers", reason="transformers is not installed; the extra hosts has it")
pytest.importorskip("accelerate", reason="accelerate, which Trainer needs, is not installed; the extra hosts has it")


@pytest.fixture(autouse=True)
def quiet() -> Any:
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(before)


def model(name: str = "") -> Any:
    torch.manual_seed(0)
    size = {"n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 12, "n_positions": 8}
    tokens = {"bos_token_id": 0, "eos_token_id": 0}
    net = transformers.GPT2LMHeadModel(transformers.GPT2Config(**size, **tokens))
    for one in net.parameters():
        one.requires_grad_(name != "muon" or one.dim() > 1)
    return net


def texts() -> list[dict[str, Any]]:
    counted = (torch.arange(8) + torch.arange(24).unsqueeze(1)) % 12
    return [{"input_ids": each, "labels": each} for each in counted]


def trainer(net: Any, folder: Path, arguments: dict[str, Any] | None = None, **settings: Any) -> Any:
    given = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=6,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        weight_decay=0.1,
        eval_strategy="steps",
        eval_steps=3,
        save_steps=3,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        **arguments or {},
    )
    return transformers.Trainer(net, given, train_dataset=texts(), eval_dataset=texts(), **settings)


@pytest.mark.parametrize("name", RULES)
def test_trains_by_a_dotted_path_and_goes_on_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    kind = pydoc.locate(f"chainrule_torch.optim.{getattr(optim, name).__name__}")
    chosen = kind, RULES[name]
    run = trainer(model(name), tmp_path, optimizer_cls_and_kwargs=chosen)
    before = run.evaluate()["eval_loss"]
    run.train()
    assert type(run.optimizer.optimizer) is kind
    assert [group["weight_decay"] for group in run.optimizer.param_groups] == [0.1, 0.0]
    assert run.evaluate()["eval_loss"] < before
    resumed = trainer(model(name), tmp_path, optimizer_cls_and_kwargs=chosen)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    resumed.evaluate()
    assert all(map(torch.equal, weights(resumed.model), weights(run.model)))


def test_trains_as_with_its_own_adamw(tmp_path: Path) -> None:
    ends = []
    for settings in ({"optimizer_cls_and_kwargs": (optim.adamw, {"lr": 1e-2})}, {}):
        run = trainer(model(), tmp_path, {"save_strategy": "no"}, **settings)
        run.train()
        ends.append(run.evaluate()["eval_loss"])
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_takes_an_optimizer_with_a_scheduler_and_accumulates_gradients(name: str, tmp_path: Path) -> None:
    net = model(name)
    before = weights(net)
    stepper = optimizer(name, (one for one in net.parameters() if one.requires_grad), **RULES[name])
    schedule = torch.optim.lr_scheduler.ConstantLR(stepper, 1.0)
    arguments = {"gradient_accumulation_steps": 2, "bf16": True, "max_grad_norm": 0.5, "save_strategy": "no"}
    trainer(net, tmp_path, arguments, optimizers=(stepper, schedule)).train()
    assert {float(state["step"]) for state in stepper.state.values()} == {6}
    moved = [not torch.equal(*pair) for pair in zip(weights(net), before, strict=True)]
    assert moved == [one.requires_grad for one in net.parameters()]


def test_evaluates_with_the_parameters_of_a_rule_that_has_others(tmp_path: Path) -> None:
    seen = []

    class Watch(transformers.TrainerCallback):
        def on_evaluate(self, *_: Any, model: Any, optimizer: Any, **__: Any) -> None:
            seen.append(any("trained" in state for state in optimizer.optimizer.state.values()))

    chosen = optim.schedule_free_adamw, {"lr": 1e-2}
    run = trainer(model(), tmp_path, optimizer_cls_and_kwargs=chosen, callbacks=[Watch()])
    run.train()
    assert seen == [True, True]


@pytest.fixture
def strangers_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a package by `chainrule new` and install it, as its author and its user do."""
    python, package, site = [sys.executable, "-m"], tmp_path / "package", tmp_path / "site"
    pip = ["pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    for command in (["chainrule", "new", "optimizer", "my_rule", "--directory", str(package)], [*pip, str(package)]):
        subprocess.run([*python, *command], check=True, capture_output=True)
    monkeypatch.syspath_prepend(site)
    lookup._of_process.clear()
    yield
    lookup._of_process.clear()
    sys.modules.pop("chainrule_my_rule", None)


@pytest.mark.usefixtures("strangers_package")
def test_a_strangers_rule_trains_by_its_dotted_path(tmp_path: Path) -> None:
    kind: Any = pydoc.locate("chainrule_torch.optim.MyRule")
    assert tmp_path in Path(sys.modules[chainrule.get("optimizers", "my_rule").__module__].__file__ or "").parents
    run = trainer(model(), tmp_path, optimizer_cls_and_kwargs=(kind, {"lr": 0.5, "momentum": 0.5}))
    before = run.evaluate()["eval_loss"]
    run.train()
    assert type(run.optimizer.optimizer) is kind
    assert run.evaluate()["eval_loss"] < before - 0.01
