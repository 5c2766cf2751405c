"""Test that Lightning and Fabric train with rules as they do with torch's optimizers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from chainrule_torch import optim

from .small import RULES, batches, decayed, loss_of, network, plain_loop, stepper_for, weights

lightning = pytest.importorskip("lightning", reason="lightning is not installed; the extra hosts has it")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning"),  # of torch, for what Lightning does
]


class Automatic(lightning.LightningModule):
    def __init__(self, name: str = "adamw") -> None:
        super().__init__()
        self.name = name
        self.net = network(name)

    def training_step(self, batch: Any, _: int) -> Any:
        return loss_of(self.net, *batch)

    def configure_optimizers(self) -> Any:
        stepper = stepper_for(self.net, self.name)
        return {"optimizer": stepper, "lr_scheduler": decayed(stepper)}


class Manual(Automatic):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.automatic_optimization = False

    def training_step(self, batch: Any, _: int) -> None:
        stepper = self.optimizers()
        self.manual_backward(loss_of(self.net, *batch))
        stepper.step()
        stepper.zero_grad()

    def on_train_epoch_end(self) -> None:
        self.lr_schedulers().step()


QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def trainer(epochs: int, folder: Path) -> Any:
    return lightning.Trainer(max_epochs=epochs, default_root_dir=folder, **QUIET)


@pytest.mark.parametrize("kind", [Automatic, Manual])
@pytest.mark.parametrize("name", RULES)
def test_trains_as_a_plain_loop(name: str, kind: Any, tmp_path: Path) -> None:
    module = kind(name)
    trainer(2, tmp_path).fit(module, batches())
    torch.testing.assert_close(weights(module.net), plain_loop(name), rtol=0, atol=0)


@pytest.mark.parametrize("name", RULES)
def test_goes_on_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    first, second = Automatic(name), Automatic(name)
    half = trainer(1, tmp_path)
    half.fit(first, batches())
    half.save_checkpoint(tmp_path / "half.ckpt")
    trainer(2, tmp_path).fit(second, batches(), ckpt_path=tmp_path / "half.ckpt")
    torch.testing.assert_close(weights(second.net), plain_loop(name), rtol=0, atol=0)


@pytest.mark.parametrize("name", RULES)
def test_fabric_trains_as_a_plain_loop(name: str, tmp_path: Path) -> None:
    fabric = lightning.Fabric(accelerator="cpu", devices=1)
    net = network(name)
    net, stepper = fabric.setup(net, stepper_for(net, name))
    loader, schedule = fabric.setup_dataloaders(batches()), decayed(stepper.optimizer)
    for half in range(2):
        for x, y in loader:
            fabric.backward(loss_of(net, x, y))
            stepper.step()
            stepper.zero_grad()
        schedule.step()
        if not half:
            fabric.save(tmp_path / "half.ckpt", {"net": net, "stepper": stepper})
            fabric.load(tmp_path / "half.ckpt", {"net": net, "stepper": stepper})
    torch.testing.assert_close(weights(net), plain_loop(name), rtol=0, atol=0)


@pytest.mark.parametrize("name", RULES)
def test_the_command_line_makes_an_optimizer_by_its_dotted_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jsonargparse", reason="jsonargparse is not installed; the extra hosts has it")
    from lightning.pytorch.cli import LightningCLI

    class Configured(lightning.LightningModule):
        def __init__(self, rule: str) -> None:
            super().__init__()
            self.net = network(rule)

        training_step = Automatic.training_step

    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # of what Lightning calls
    path = f"chainrule_torch.optim.{getattr(optim, name).__name__}"
    settings = [f"--optimizer.{key}={value}" for key, value in RULES[name].items()]
    monkeypatch.setattr(sys, "argv", ["train", f"--model.rule={name}", f"--optimizer={path}", *settings])
    cli = LightningCLI(
        Configured,
        run=False,
        seed_everything_default=0,
        save_config_callback=None,
        trainer_defaults=QUIET | {"max_epochs": 1},
    )
    cli.trainer.fit(cli.model, batches())
    stepper = cli.trainer.optimizers[0]
    assert type(stepper) is getattr(optim, name)
    assert {key: stepper.param_groups[0][key] for key in RULES[name]} == RULES[name]
    torch.testing.assert_close(weights(cli.model.net), plain_loop(name, epochs=1), rtol=0, atol=0)
