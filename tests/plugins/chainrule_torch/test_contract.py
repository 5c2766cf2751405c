"""The checks of every optimizer in torch, which the bridge adds to the kit: each is shown to find a fault."""

import copy

import pytest
import torch
from typer.testing import CliRunner

from chainrule import ContractError, Optimizer, register
from chainrule.cli.main import app
from chainrule.registry import lookup
from chainrule.testing import checks_of, run, subject
from chainrule_torch import optim
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

CHECKS = {check.name: check for check in checks_of("optimizers") if check.origin == "chainrule_torch"}
step, load_state_dict, add_param_group = (
    RuleOptimizer.step,
    RuleOptimizer.load_state_dict,
    RuleOptimizer.add_param_group,
)


def steps_twice(self, closure=None):
    step(self)
    return step(self, closure)


def evaluates_with_what_it_trains(self):
    pass


def forgets_the_number_of_steps(self, state_dict):
    state_dict = copy.deepcopy(state_dict)
    for state in state_dict["state"].values():
        state["step"].zero_()
    load_state_dict(self, state_dict)


def shares_its_state(self, memo):
    other = copy.copy(self)
    other.__setstate__({**self.__getstate__(), "_settings": self._settings})
    return other


def takes_no_gradient_for_zero(self, closure=None):
    for group in self.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
    return step(self, closure)


def ignores_settings_of_groups(self, param_group):
    add_param_group(self, {key: value for key, value in param_group.items() if key == "params"})


def ignores_new_rates(self, closure=None):
    for group in self.param_groups:
        group["lr"] = self.defaults["lr"]
    return step(self, closure)


WRONG_ADAPTERS = [
    ("steps_in_torch_are_those_of_the_updater", "step", steps_twice, "adam"),
    ("steps_in_torch_are_those_of_the_updater", "eval", evaluates_with_what_it_trains, "ema"),
    ("state_in_torch_is_saved_and_loaded_exactly", "load_state_dict", forgets_the_number_of_steps, "adam"),
    ("copies_in_torch_go_on_alike", "__deepcopy__", shares_its_state, "adam"),
    ("parameters_without_gradient_stay_in_torch", "step", takes_no_gradient_for_zero, "adamw"),
    ("groups_in_torch_have_their_own_settings", "add_param_group", ignores_settings_of_groups, "adam"),
    ("schedulers_of_torch_set_the_rate", "step", ignores_new_rates, "adam"),
]


@pytest.mark.parametrize(("name", "method", "wrong", "rule"), WRONG_ADAPTERS)
def test_a_wrong_adapter_fails_by_the_check_meant_for_it(monkeypatch, name, method, wrong, rule):
    assert run(subject(f"optimizers:{rule}"), CHECKS[name]).outcome == "passed"
    monkeypatch.setattr(RuleOptimizer, method, wrong, raising=False)
    result = run(subject(f"optimizers:{rule}"), CHECKS[name])
    assert result.outcome == "failed"
    assert result.detail.startswith(f"optimizers:{rule}: {name} (chainrule_torch) failed")
    assert "\n" not in result.detail


def test_every_check_has_a_wrong_adapter():
    assert {name for name, *_ in WRONG_ADAPTERS} == set(CHECKS)


class Remembers(Optimizer):
    """Keep a mean of the gradient where no state_dict has it."""

    vmappable = False
    elementwise = False

    def update(self, parameter, grad, state, step):
        memory = _remembered.setdefault(parameter.data_ptr(), torch.zeros_like(grad))
        return memory.lerp_(grad, 0.1).clone()


_remembered = {}


class HoldsOn(Optimizer):
    """Decay every parameter that it was ever given at each step."""

    vmappable = False
    elementwise = False

    def init(self, parameter):
        _held.append(parameter)
        return {}

    def apply(self, parameter, grad, state, step):
        for one in _held:
            one.mul_(0.9)
        self.descend(parameter, grad, step)


_held = []


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (Remembers, ["state_in_torch_is_saved_and_loaded_exactly", "copies_in_torch_go_on_alike"]),
        (HoldsOn, ["parameters_without_gradient_stay_in_torch", "steps_in_torch_are_those_of_the_updater"]),
    ],
)
def test_a_rule_that_works_in_no_training_of_torch_fails(rule, names):
    for name in names:
        _remembered.clear()
        _held.clear()
        assert run(subject(rule), CHECKS[name]).outcome == "failed"


class TakesNamesOfTorch(Optimizer):
    """Scale the gradient by settings that torch's groups and the optimizer have names of."""

    params: float = 1.0
    flatten: float = 1.0

    def update(self, parameter, grad, state, step):
        return self.params * self.flatten * grad


def test_a_setting_named_as_one_of_torch_keeps_no_other_rule_from_being_listed(monkeypatch):
    monkeypatch.setattr(optim, "_classes", {})
    lookup._of_process.clear()
    register("optimizers", "takes_names_of_torch", TakesNamesOfTorch)
    try:
        made = optim.TakesNamesOfTorch
        with pytest.raises(ContractError, match="settings must not be named as keys of torch's groups or arguments"):
            made([torch.nn.Parameter(torch.ones(2))])
    finally:
        lookup._of_process.clear()


def test_a_setting_named_as_one_of_torch_fails():
    result = run(subject(TakesNamesOfTorch), CHECKS["steps_in_torch_are_those_of_the_updater"])
    assert "arguments of chainrule_torch.optimizer, got ['flatten', 'params']. Rename them." in result.detail


PLAIN = """from chainrule import Optimizer

class Plain(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad
"""


def test_check_runs_them_on_a_strangers_rule_and_names_their_origin(tmp_path):
    (tmp_path / "rule.py").write_text(PLAIN)
    done = CliRunner().invoke(app, ["check", f"{tmp_path / 'rule.py'}:Plain", "-k", "in_torch"])
    assert (done.exit_code, done.stdout.count("passed\t")) == (0, 5)
    assert done.stdout.count("(chainrule_torch)") == 5
    listed = CliRunner().invoke(app, ["check", "--list", "-k", "schedulers_of_torch*"]).stdout
    assert listed.startswith("schedulers_of_torch_set_the_rate (chainrule_torch)  (optimizers)")
