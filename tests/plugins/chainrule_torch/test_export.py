"""``chainrule export``: the files, and the optimizers in them."""

from __future__ import annotations

import ast
import copy
import io
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

import chainrule
from chainrule import ChainruleError
from chainrule.cli.main import app
from chainrule_torch import optimizer
from chainrule_torch.export.checked import arguments_of, checked_text
from chainrule_torch.export.chosen import Chosen, chosen
from chainrule_torch.export.exported_file import exported
from chainrule_torch.export.module_source import ModuleSource
from chainrule_torch.export.trial import DTYPES, imported, parting
from tests.built_ins import BUILT_IN as OURS

BUILT_IN = [record.name for record in OURS if record.kind == "optimizers"]
EXAMPLES = Path(__file__).parents[3] / "examples"
PACKAGES = {
    name: f"{EXAMPLES}/chainrule-{name}/src/chainrule_{name}/__init__.py:{name.capitalize()}"
    for name in ("dog", "qhadam")
}
ODD = Path(__file__).with_name("rules_to_export.py")


@cache
def text_of(name: str) -> tuple[Chosen, str]:
    choice = chosen(PACKAGES.get(name, name))
    return choice, exported(choice.rule, choice.title, f"chainrule export {name}", required=choice.required)


def optimizer_of(name: str) -> Any:
    choice, text = text_of(name)
    return imported(text, choice.title)


def export(*arguments: object) -> tuple[int, str]:
    """Return the exit status and what is printed, or the message of an error."""
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return done.exit_code, done.stdout or done.stderr.removeprefix("chainrule: ").rstrip("\n")


def test_the_help_promises_equal_steps_in_the_dtypes_that_are_tried_alone() -> None:
    dtypes = " and ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
    promise = f"For parameters in {dtypes}, the class takes the same steps as chainrule_torch.optimizer, to the bit."
    assert promise in " ".join(export("--help")[1].split())


@pytest.mark.parametrize("name", [*BUILT_IN, *PACKAGES])
def test_every_rule_steps_as_through_the_adapter_to_the_bit(name: str) -> None:
    choice, text = text_of(name)
    made = imported(text, choice.title)
    assert parting(choice.rule, made, arguments_of(choice), steps=100, shapes=[(7,), (3, 5)]) is None


@pytest.mark.parametrize("name", ["Dotted", "Inheriting", "Counting", "Ascending", "nested", "accumulated", "shaken"])
def test_so_do_rules_with_dotted_names_parents_noise_and_wrappers_within_wrappers(name: str) -> None:
    choice = chosen(f"optimizers:{ODD}:{name}")
    assert f"class {choice.title}(torch.optim.Optimizer)" in checked_text(choice, "")  # which compares them


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("adam", "1 - beta2)", "1 - beta2 * 1.0000001)"),
        ("sgld", "0xD2511F53", "0xD2511F55"),
        ("soap", "self.precondition_every, 1", "self.precondition_every"),
        ("dog", ".sum(0)", ".mean(0)"),
        ("lookahead", "lookahead.after_step(parameter, state, step)", "pass"),
        ("ema", "parameter.copy_(shown)", "parameter.copy_(state['trained'])"),
    ],
)
def test_a_changed_file_is_told_apart(name: str, old: str, new: str) -> None:
    choice, text = text_of(name)
    assert old in text
    found = parting(choice.rule, imported(text.replace(old, new), choice.title), arguments_of(choice), steps=12)
    assert found is not None


def test_the_error_that_a_file_raises_is_the_cause_of_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory")

    monkeypatch.setattr("chainrule_torch.export.checked.parting", fail)
    with pytest.raises(ChainruleError, match="No usable temporary directory") as caught:
        checked_text(text_of("adam")[0], "chainrule export adam")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_file_that_steps_otherwise_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = text_of("adam")[1].replace("alpha=rule.lr", "alpha=2 * rule.lr")
    monkeypatch.setattr("chainrule_torch.export.checked.exported", lambda *_, **__: wrong)
    status, message = export("adam", "--out", tmp_path / "adam.py")
    assert (status, list(tmp_path.iterdir())) == (1, [])
    assert message.startswith("export: adam: the file must step as chainrule_torch.optimizer does, got others from ste")


def test_chainrule_cannot_be_imported_where_a_file_is_tried() -> None:
    for statement in ("import chainrule", "from chainrule.ops import square_root", "import chainrule_torch.optim"):
        with pytest.raises(ImportError):
            imported(statement, "Any")
    assert sys.modules["chainrule"] is chainrule


def test_files_are_python_3_10_that_ruff_would_leave_as_it_is(tmp_path: Path) -> None:
    for name in [*BUILT_IN, *PACKAGES]:
        text = text_of(name)[1]
        ast.parse(text, feature_version=(3, 10))
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    pytest.importorskip("ruff")
    ruff = [sys.executable, "-m", "ruff"]
    rules = "A,B,BLE,C4,E,F,I,N,PGH,PIE,PT,RET,RUF,S,SIM,UP,W"
    settings = ["--no-cache", "--isolated", "--line-length", "120", "--target-version", "py310"]
    for command in (["format", "--check"], ["check", "--select", rules, "--ignore", "RUF001,RUF002,RUF003"]):
        done = subprocess.run([*ruff, *command, *settings, str(tmp_path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("adamw", ["Random", "present", "def every", "inside", "train(", "total", "ranks"]),
        ("lion", ["Random", "scalars", "present", "def every", "square_root", "import math"]),
        ("muon", ["with_adamw", "param_groups(", "examples", "decay_kind"]),
    ],
)
def test_a_file_holds_what_its_rule_needs_alone(name: str, absent: list[str]) -> None:
    text = text_of(name)[1]
    assert [word for word in absent if word in text] == []


def test_a_file_holds_the_rules_own_text() -> None:
    own = Path(sys.modules[type(text_of("adamw")[0].rule).__module__].__file__ or "").read_text(encoding="utf-8")
    methods = own[own.index("    def init(") : own.index("    @classmethod")]
    docstring = own[own.index('    """Adam with') : own.index("    decay_kind")]
    assert methods.rstrip() in text_of("adamw")[1]
    assert docstring.rstrip() in text_of("adamw")[1]


def trained(stepper: Any, parameters: list[Tensor], steps: int = 4, first: int = 0) -> Tensor:
    for t in range(first, first + steps):
        for i, each in enumerate(parameters):
            each.grad = torch.sin(torch.arange(each.numel(), dtype=each.dtype) + t + i).view(each.shape)
        stepper.step()
    return torch.cat([each.detach().flatten() for each in parameters])


def parameters() -> list[Tensor]:
    drawn = torch.linspace(-1, 1, 15, dtype=torch.float64)
    return [torch.nn.Parameter(drawn[:12].view(3, 4).clone()), torch.nn.Parameter(drawn[12:].clone())]


def test_groups_have_settings_of_their_own_and_decay_acts_beside_a_rule_without_it() -> None:
    ends = []
    for make in (chainrule_optimizer("adam"), optimizer_of("adam")):
        own = parameters()
        rate = torch.tensor(0.5, dtype=torch.float64)
        stepper = make([{"params": own[:1], "betas": [0.5, 0.9], "weight_decay": 0.1, "lr": rate}], lr=0.1)
        stepper.add_param_group({"params": own[1:], "maximize": True})
        schedule = torch.optim.lr_scheduler.OneCycleLR(stepper, 0.5, total_steps=9)
        for t in range(4):
            trained(stepper, own, 1, t)
            schedule.step()
        ends.append(trained(stepper, own))
    assert torch.equal(*ends)


def chainrule_optimizer(name: str) -> Callable[..., Any]:
    return lambda params, **settings: optimizer(name, params, **settings)


@pytest.mark.parametrize("name", ["adamw", "lookahead", "prodigy", "sgld", "schedule_free_adamw"])
def test_a_saved_run_goes_on_bit_for_bit(name: str) -> None:
    make, settings = optimizer_of(name), {"temperature": 0.1} if name == "sgld" else {}
    own = parameters()
    stepper = make(own, **settings)
    trained(stepper, own, 3)
    file = io.BytesIO()
    torch.save(stepper.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(own)
    torch.manual_seed(1)
    resumed = make(other, **settings)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(trained(stepper, own, 3, 3), trained(resumed, other, 3, 3))


def test_a_run_of_the_adapter_goes_on_in_the_file() -> None:
    own = parameters()
    stepper = optimizer("lookahead", own, inner=chainrule.create("optimizers", "sgd", momentum=0.9), k=3)
    trained(stepper, own, 4)
    other = copy.deepcopy(own)
    resumed = optimizer_of("lookahead")(other, k=3)
    resumed.load_state_dict(copy.deepcopy(stepper.state_dict()))
    assert torch.equal(trained(stepper, own, 4, 4), trained(resumed, other, 4, 4))


def test_state_of_another_dtype_keeps_it_when_it_is_loaded() -> None:
    choice = chosen(f"optimizers:{ODD}:Counting")
    own = parameters()
    stepper = imported(checked_text(choice, ""), choice.title)(own)  # type: ignore[call-arg]
    trained(stepper, own)
    stepper.load_state_dict(stepper.state_dict())
    assert stepper.state[own[0]]["count"].dtype == torch.int64


def test_evaluates_with_other_parameters_until_training_goes_on() -> None:
    own = parameters()
    stepper = optimizer_of("ema")(own, lr=0.1, decay=0.5)
    before = trained(stepper, own)
    stepper.eval()
    shown = torch.cat([each.detach().flatten() for each in own])
    stepper.train()
    assert torch.equal(before, torch.cat([each.detach().flatten() for each in own]))
    assert not torch.equal(before, shown)
    stepper.eval()
    with pytest.raises(RuntimeError, match=r"step must .*, got .*\. Call optimizer\.train\(\) before the forward pass"):
        trained(stepper, own, 1)
    stepper.train()
    other = parameters()
    assert torch.equal(trained(stepper, own, 1), trained_twice(optimizer_of("ema")(other, lr=0.1, decay=0.5), other))


def trained_twice(stepper: Any, own: list[Tensor]) -> Tensor:
    trained(stepper, own)
    return trained(stepper, own, 1)


def test_a_closure_is_called_and_its_loss_returned() -> None:
    own = torch.nn.Parameter(torch.ones(()))
    stepper = optimizer_of("sgd")([own], lr=0.5, momentum=0.0)

    def closure() -> Tensor:
        stepper.zero_grad()
        loss = own.square()
        loss.backward()
        return loss

    assert stepper.step(closure).detach() == 1
    assert own.detach() == 0


@pytest.mark.parametrize(
    ("name", "refused", "message"),
    [
        ("adamw", lambda make, p: make([p], lr=-1), "adamw: lr must be at least 0, got -1."),
        ("adamw", lambda make, p: make([p], lr=float("nan")), "adamw: lr must be at least 0, got nan."),
        (
            "adamw",
            lambda make, p: make([{"params": [p], "betas": (0.9, 1.0)}]),
            "adamw: betas must be 2 numbers of at least 0 and below 1, got (0.9, 1.0).",
        ),
        (
            "adamw",
            lambda make, p: make([p], betas=(0.9,)),
            "adamw: betas must be 2 numbers of at least 0 and below 1, got",
        ),
        ("adamw", lambda make, p: make([p], betas=0.9), "adamw: every setting must be of the type of its default; "),
        ("adamw", lambda make, p: make([p], lr="0.1"), "adamw: every setting must be of the type of its default; "),
        ("adamw", lambda make, p: make([p], eps=None), "adamw: every setting must be of the type of its default; "),
        ("sgd", lambda make, p: make([p], lr=torch.ones(2)), "sgd: every setting must be of the type of its default; "),
        ("adam", lambda make, p: make([p], weight_decay=-1), "adam: weight_decay must be at least 0, got -1."),
        ("soap", lambda make, p: make([p], max_side=2.5), "soap: max_side must be an integer of at least 1, got 2.5."),
        ("scion", lambda make, p: make([p], norm="none"), "scion: norm must be 'spectral' or 'sign', got 'none'."),
        ("sgd", lambda make, p: make([p], nesterov=True), "sgd: nesterov=True needs momentum above 0"),
        ("muon", lambda make, p: make([p]), "muon: a parameter must have rank 2 or 3 or 4 or 5, got shape (3,)."),
        (
            "adamw",
            lambda make, p: step_once(make, torch.nn.Parameter(p * 1j)),
            "adamw: a parameter and its gradient must be dense and real.",
        ),
    ],
)
def test_mistakes_with_a_file_are_answered(name: str, refused: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: ") as caught:
        refused(optimizer_of(name), torch.nn.Parameter(torch.ones(3)))
    assert str(caught.value).startswith(message)


def step_once(make: Any, parameter: Tensor) -> None:
    parameter.grad = torch.ones_like(parameter)
    make([parameter]).step()


def test_the_command_prints_a_file_or_writes_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "lion.py"
    status, printed = export("lion")
    assert (status, printed) == (0, text_of("lion")[1])
    assert export("lion", "--out", file) == (0, f"Wrote Lion to {file}.\n")
    assert file.read_text(encoding="utf-8") == printed
    status, message = export("adam", "--out", file)
    assert status == 1
    assert message == f"export: {file} must be a new file, got one that exists. Add --force to overwrite it."
    assert export("adam", "--out", file, "--force")[0] == 0
    assert "class Adam(" in file.read_text(encoding="utf-8")


def test_a_wrapper_takes_another_rule_inside_and_a_dotted_path_leads_to_a_class() -> None:
    _, printed = export("chainrule_torch.optim.Ema", "--inner", "optimizers:adamw")
    assert "`EmaRule` around `AdamwRule`" in printed
    assert "betas: tuple[float, float] = (0.9, 0.999)," in printed


def test_the_licence_is_that_of_the_distribution_with_the_rule_in_a_shared_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "acme_rules").mkdir()
    for name, licence in (("alpha", "License-Expression: GPL-3.0"), ("beta", "Classifier: License :: OSI :: MIT")):
        scaled(tmp_path, "", "grad").rename(tmp_path / "acme_rules" / f"{name}.py")
        (info := tmp_path / f"acme_{name}-1.0.dist-info").mkdir()
        (info / "METADATA").write_text(f"Name: acme-{name}\nVersion: 1.0\n{licence}\n", encoding="utf-8")
        points = f"[chainrule.optimizers]\n{name} = acme_rules.{name}:Scaled\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
    choice = chosen("acme_rules.beta.Scaled")
    text = exported(choice.rule, choice.title, "")
    assert "Rule: acme_rules.beta.Scaled of acme-beta 1.0.\nLicence: MIT for acme-beta; MIT, © The" in text


def test_parents_for_type_checkers_alone_stay_out_of_the_file(tmp_path: Path) -> None:
    """Of which those of Python 3.12 on have no source."""
    source = """
import typing
from chainrule import Optimizer

class Named(typing.Protocol):
    lr: float

class Typed(Optimizer, Named, typing.Generic[typing.TypeVar("T")]):
    lr: float = 0.5

    def update(self, parameter, grad, state, step):
        return grad
"""
    file = tmp_path / "typed_rules.py"
    file.write_text(source, encoding="utf-8")
    choice = chosen(f"{file}:Typed")
    text = exported(choice.rule, choice.title, "")
    assert "class TypedRule:\n" in text
    assert "typing" not in text.replace("from typing import Any", "")


def test_what_neighbouring_files_define_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))  # to which importing a file adds its folder
    folder = tmp_path / "rules_in_a_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "helpers.py").write_text("SHARE = 0.5\n\n\ndef halved(x):\n    return SHARE * x\n", encoding="utf-8")
    rule = """
import chainrule
from {} import halved as half


class Half(chainrule.Optimizer):
    def update(self, parameter, grad, state, step):
        return half(grad)
"""
    (folder / "half.py").write_text(rule.format(".helpers"), encoding="utf-8")
    (tmp_path / "apart.py").write_text(rule.format("helpers_apart"), encoding="utf-8")
    (tmp_path / "helpers_apart.py").write_text((folder / "helpers.py").read_text(encoding="utf-8"), encoding="utf-8")
    for file in (folder / "half.py", tmp_path / "apart.py"):
        text = checked_text(chosen(f"{file}:Half"), "")
        assert "return halved(grad)" in text
        assert "def halved(x):\n    return SHARE * x" in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Rolling",
            "export: rolling: the file must need torch and the standard library alone, got the import of numpy.",
        ),
        ("Clashing", "export: clashing: names must differ within one file, got settings_of twice"),
        ("Scheduled", "export: scheduled: settings must be numbers, words or tuples of them, got other: object."),
        ("warm", "export: adam: the rule must have no schedule, got a lambda."),
        ("local", "export: local: the rule must be a class at the top of its file, got local.<locals>.Local of "),
    ],
)
def test_what_cannot_be_a_file_is_refused_with_the_reason(name: str, message: str) -> None:
    status, printed = export(f"optimizers:{ODD}:{name}")
    assert status == 1
    assert printed.startswith(message)
    assert "\n" not in printed


RULE = """
from chainrule import Optimizer
{}
class Scaled(Optimizer):
    SHARE = 1.0

    def update(self, parameter, grad, state, step):
        return {}
"""


def scaled(tmp_path: Path, definitions: str, direction: str, after: str = "") -> Path:
    file = tmp_path / "scaled.py"
    file.write_text(RULE.format(definitions, direction) + after, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("definitions", "direction", "after", "got"),
    [
        ("AT = []\nfor k in (20, 40):\n    AT.append(k)", "0 * grad if step.t in AT else grad", "", "AT = [20, 40], "),
        ("LIMITS = {'a': 1.0}\nLIMITS['b'] = 2.0", "grad * LIMITS['a']", "", "LIMITS = {'a': 1.0, 'b': 2.0}, which "),
        ("WORDS = ('a',)\nWORDS += ('b',)", "grad * len(WORDS)", "", "WORDS = ('a', 'b'), which scale"),
        ("", "grad * (self.SHARE if step.t > 20 else 1)", "Scaled.SHARE = 0.5", "SHARE = 0.5, which scaled"),
        (
            "import torch\n\nMASK = torch.eye(2).to_sparse()\nMASK.mul_(3)",
            "grad * MASK.sum()",
            "",
            "MASK = a tensor (2, 2)",
        ),
        ("k = 2\nHALF = 1 / k\nk = 0", "grad * HALF", "", "which gives ZeroDivisionError: division by zero now."),
    ],
)
def test_a_constant_that_its_module_changes_is_refused(
    tmp_path: Path, definitions: str, direction: str, after: str, got: str
) -> None:
    status, printed = export(f"{scaled(tmp_path, definitions, direction, after)}:Scaled")
    assert status == 1
    assert printed.startswith("export: scaled: a constant must keep the value of its definition, got ")
    assert got in printed
    assert "\n" not in printed


@pytest.mark.parametrize(
    ("definitions", "direction"),
    [
        ("SHARES = {'unknown': float('nan'), 'half': 0.5}", "grad * SHARES['half']"),
        ("KNOWN = {float('nan'), 0.5}", "grad * len(KNOWN)"),
        ("ROOT = complex('nan')", "grad * (ROOT == ROOT)"),
        ("import torch\n\nMASK = torch.eye(2).to_sparse()", "grad * MASK.shape[0]"),
        ("import torch\n\nFORM = torch.empty(2, device='meta')", "grad * FORM.shape[0]"),
    ],
)
def test_a_constant_that_equals_nothing_is_exported(tmp_path: Path, definitions: str, direction: str) -> None:
    """Not itself, as NaN, or no other, as a tensor whose numbers cannot be listed."""
    file = scaled(tmp_path, definitions, direction)
    assert definitions.splitlines()[-1] in checked_text(chosen(f"{file}:Scaled"), "")


@pytest.mark.parametrize(
    ("definitions", "direction"),
    [
        ("KINDS = {'a': lambda x: 2 * x}", "KINDS['a'](grad)"),
        ("TWO = 2", "(lambda TWO: TWO)(3) * grad * TWO"),
        ("TWO = 2", "sum([TWO for TWO in (1, 3)]) * grad * TWO"),
        ("TWO = 2", "(lambda TWO=TWO: grad * TWO)()"),
    ],
)
def test_names_that_a_function_inside_binds_too_and_functions_in_tables_are_exported(
    tmp_path: Path, definitions: str, direction: str
) -> None:
    assert definitions in checked_text(chosen(f"{scaled(tmp_path, definitions, direction)}:Scaled"), "")


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        (
            "if True:\n    TWO = 2",
            "a name must be defined by a statement of its own at the top of its module, got TWO of",
        ),
        ("try:\n    TWO = 2\nexcept OSError:\n    TWO = 3", "a name must be defined by a statement of its own at the "),
        ("TWO, THREE = 2, 3", "a name must be defined by a statement of its own at the top of its module, got TWO of "),
        (
            "try:\n    from no_package import TWO\nexcept ImportError:\n    TWO = 2",
            "the file must need torch and the st",
        ),
    ],
)
def test_a_name_without_a_statement_of_its_own_is_refused(tmp_path: Path, definitions: str, message: str) -> None:
    status, printed = export(f"{scaled(tmp_path, definitions, 'grad * TWO')}:Scaled")
    assert status == 1
    assert printed.startswith(f"export: scaled: {message}")
    assert "\n" not in printed


def test_a_module_without_source_is_told() -> None:
    with pytest.raises(ChainruleError, match=r"^export: no source of the module made\. Write the rule into a file"):
        ModuleSource(ModuleType("made"))


@pytest.mark.parametrize("name", ["inner.scaled.Scaled", "inner/scaled.Scaled", "inner.scaled:Scaled"])
def test_another_form_of_the_address_of_a_file_is_answered_with_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "inner").mkdir()
    scaled(tmp_path / "inner", "", "grad")
    monkeypatch.chdir(tmp_path)
    fix = f"Write {Path('inner/scaled.py')}:Scaled."
    assert export(name) == (1, f"export: a file must be given as FILE.py:Class, got {name}. {fix}")


def test_a_dotted_path_may_have_py_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "rules_of").mkdir()
    scaled(tmp_path, "", "grad").rename(tmp_path / "rules_of" / "pyramids.py")
    assert chosen("rules_of.pyramids.Scaled").title == "Scaled"


@pytest.mark.parametrize(
    ("made", "fix"),
    [
        ("relu().build()", "Write chainrule_torch.to_torch(net) for its twin in torch."),
        ("relu()", "Write chainrule_torch.to_torch(net.build()) for its twin in torch."),
        ("torch.nn.ReLU()", "Name one, such as adam."),
    ],
)
def test_a_network_is_answered_with_the_function_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str, fix: str
) -> None:
    (tmp_path / "net.py").write_text(f"import torch\nfrom chainrule.activations import relu\nnet = {made}\n")
    monkeypatch.chdir(tmp_path)
    assert export("net.py:net") == (1, f"export: net in net.py must be an optimizer, got a network. {fix}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["relu"], "export: the component must be an optimizer, got activations:relu. Name one."),
        (["adma"], 'No component is registered as "adma". Did you mean "adamax"'),
        (["collections.OrderedDict"], "optimizer: the rule must inherit from chainrule.Optimizer, got OrderedDict()."),
        (["torch.optim.Nothing"], "export: a dotted path must lead to a class, got torch.optim.Nothing (AttributeErr"),
        (
            ["torch_adam"],
            "export: torch_adam: the rule must be one of chainrule's, got torch.optim.adam.Adam, which is",
        ),
        (["torch.optim.SGD"], "export: sgd: the rule must be one of chainrule's, got torch.optim.sgd.SGD, which is"),
        (["json.dumps"], "export: dumps must be made without arguments or give examples, got TypeError: dumps()"),
        (["adam", "--inner", "sgd"], "export: --inner is for the class of a wrapper, got adam. Leave it out."),
        (
            ["accumulate", "--inner", "prodigy"],
            "export: accumulate: a rule that sums over parameters must step whenever its wrappers do, got prodigy",
        ),
    ],
)
def test_mistakes_with_the_command_are_answered_in_one_line(arguments: list[str], message: str) -> None:
    status, printed = export(*arguments)
    assert status == 1
    assert printed.startswith(message)
    assert "\n" not in printed
