"""The optimizers of torch.optim as components."""

import json
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close
from typer.testing import CliRunner

import chainrule
from chainrule import optimizers, registry
from chainrule.cli.main import app
from chainrule_torch import optimizer as in_torch
from chainrule_torch.hooks import OPTIMIZERS
from chainrule_torch.out_of_scope import OPTIMIZERS as LEFT_OUT
from tests.built_ins import BUILT_IN
from tests.plugins.chainrule_torch.test_wrapped import X, Y, fitted, network, stepped, trained_in_torch


def letters(name):
    return name.replace("_", "").lower()


def test_every_optimizer_of_torch_is_a_component_or_left_out_with_a_reason():
    classes = [getattr(torch.optim, name) for name in torch.optim.__all__]
    theirs = {kind.__name__ for kind in classes if isinstance(kind, type)} - {"Optimizer"}
    left_out = {name for name in theirs if letters(f"torch_{name}") in map(letters, LEFT_OUT)}
    assert set(OPTIMIZERS.values()) == theirs - left_out
    assert len(left_out) == len(LEFT_OUT)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"torch_muon"}))
def test_a_fit_by_name_takes_the_steps_of_torch(name):
    ours = network(seed=0)
    expected = trained_in_torch(ours, getattr(torch.optim, OPTIMIZERS[name]), {}, 6)
    fitted(ours, chainrule.create("optimizers", name), 6)
    assert_close(ours.state_dict(), dict(expected), rtol=0, atol=1e-12)


def test_muon_takes_matrices_alone():
    ours = network(seed=0)
    with pytest.raises(chainrule.ShapeError, match="torch_muon"):
        chainrule.create("optimizers", "torch_muon").attach(ours)
    groups = {"matrices": optimizers.torch_muon(lr=0.02), "*": optimizers.torch_sgd(lr=0.02)}
    updater = chainrule.param_groups(groups).attach(ours)
    before = ours.flat.data.clone()
    stepped(updater, 2)
    assert not torch.equal(ours.flat.data, before)


def test_a_hyperparameter_may_differ_by_member():
    decays, settings = [0.0, 0.5], {"lr": 0.02, "betas": (0.8, 0.9)}
    ours = network(seeds=[0, 1])
    expected = [
        trained_in_torch(ours.member(i), torch.optim.AdamW, {"weight_decay": decays[i], **settings}, 5)
        for i in range(2)
    ]
    rule = optimizers.torch_adamw(weight_decay=torch.tensor(decays, dtype=torch.float64), **settings)
    fitted(ours, rule, 5)
    for i in range(2):
        assert_close(ours.member(i).state_dict(), dict(expected[i]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"betas": (2.0, 0.9)},
            "torch_adamw: settings must be those that AdamW takes, got ValueError: Invalid beta parameter",
        ),
        ({"lr": -1.0}, "torch_adamw: lr must be at least 0, got -1.0."),
        ({"amsgrad": "yes"}, "torch_adamw: amsgrad must be True or False, got 'yes'."),
        ({"foreach": "x"}, "torch_adamw: foreach must be True or False or None, got 'x'."),
        ({"fused": 2.5}, "torch_adamw: fused must be True or False or None, got 2.5."),
        ({"momentum": 0.9}, 'torch_adamw: takes no argument "momentum". It takes lr, schedule, betas,'),
    ],
)
def test_a_wrong_setting_is_refused_when_the_rule_is_made(settings, message):
    with pytest.raises(chainrule.ChainruleError) as caught:
        optimizers.torch_adamw(**settings)
    assert str(caught.value).startswith(message)


def test_show_gives_the_hyperparameters_as_torch_has_them():
    shown = CliRunner().invoke(app, ["show", "torch_adamw"]).stdout
    for line in ("betas: tuple[float, float] = (0.9, 0.999)", "weight_decay: float = 0.01", "amsgrad: bool = False"):
        assert line in shown
    assert "from chainrule.optimizers import torch_adamw" in shown


def test_names_out_of_scope_are_answered_with_the_reason():
    for name, reason in (("torch_lbfgs", "several times a step"), ("torch_sparse_adam", "sparse gradients")):
        with pytest.raises(chainrule.UnknownComponentError, match=reason):
            chainrule.get("optimizers", name)


def test_the_list_marks_them_without_importing_torch():
    code = (
        "import sys; from chainrule.cli.list_command import list_components\n"
        "list_components('optimizers', 'torch_*'); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(OPTIMIZERS)
    assert all("torch.optim." in line and "one member at a time" in line for line in lines)


def test_they_are_no_built_in_rules_and_checked_only_by_name(monkeypatch):
    monkeypatch.setattr("chainrule.cli.parallel_checks._processors", lambda: 1)
    foreign = {record.name for record in registry.components("optimizers") if record.foreign}
    assert foreign == set(OPTIMIZERS)
    assert not foreign & {record.name for record in BUILT_IN}
    done = CliRunner().invoke(app, ["check", "optimizers", "-k", "search_ranges_are_allowed"])
    assert "torch_sgd" not in done.stdout
    assert f"{len(OPTIMIZERS)} of other libraries left out; name one to check it." in done.stdout
    named = CliRunner().invoke(app, ["check", "torch_sgd", "-k", "search_ranges_are_allowed"])
    assert (named.exit_code, "torch_sgd: ok, 1 passed" in named.stdout) == (0, True)


FAILS = {
    "torch_adafactor": {"bad_settings_are_rejected"},  # eps has a None among its numbers
    # It decays by lambd, takes a new rate a step late, and keeps numbers of torch's default dtype.
    "torch_asgd": {"zero_gradient_is_as_declared", "schedule_scales_lr_at_once", "steps_follow_no_default"},
    "torch_nadam": {"steps_follow_no_default"},  # as does this one
    "torch_rprop": {"lr_of_zero_freezes", "schedule_scales_lr_at_once"},  # the rate is that of its first step alone
}
"""What the kit finds in torch's own."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_the_kit_finds_in_each_what_torch_does(name):
    few = ["-k", "state*"] if name == "torch_muon" else []  # which multiplies in bfloat16, minutes long on a CPU
    done = CliRunner().invoke(app, ["check", name, *few, "--json"])
    failed = {row["check"] for row in json.loads(done.stdout) if row["outcome"] == "failed"}
    assert failed == FAILS.get(name, set()), done.stdout


def test_one_of_them_steps_a_module_of_torch_as_itself():
    nets = [torch.nn.Linear(3, 2, dtype=torch.float64) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    steppers = in_torch("torch_adamw", nets[0].parameters(), lr=0.1), torch.optim.AdamW(nets[1].parameters(), lr=0.1)
    for _ in range(4):
        for net, stepper in zip(nets, steppers, strict=True):
            stepper.zero_grad()
            torch.nn.functional.mse_loss(net(X), Y).backward()
            stepper.step()
    assert_close(nets[0].state_dict(), nets[1].state_dict(), rtol=0, atol=1e-12)
