"""``chainrule show``."""

import json

import pytest

from chainrule.cli.kind_contract import contract_of
from chainrule.formulas import sections
from chainrule.registry.kinds import KINDS

RULE = '''import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """Go downhill.

    Update:   ``θ ← θ − lr g``
              and no more
    Variant:  plain
    Source:   an old paper
    """

    lr: float = dataclasses.field(
        default=1e-3,
        metadata={"at_least": 0, "above": None, "search": (1e-5, 10.0), "per_member": False},
    )
    betas: tuple[float, float] = (0.9, float("inf"))


def factory(steps, *rest, name="x", **more):
    return steps
'''


@pytest.fixture
def rule(packages):
    packages.add(
        "rules",
        "[chainrule.optimizers]\nrule = rules:Rule\n[chainrule.schedules]\nfactory = rules:factory\n",
        {"rules.py": RULE},
    )
    return packages


def _json(packages, *arguments):
    done = packages.chainrule("show", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_constant=pytest.fail)


def test_json_tells_everything(rule):
    shown = _json(rule, "rule")
    assert shown["summary"] == "Go downhill."
    assert shown["sections"] == {
        "Update": "``θ ← θ − lr g``\nand no more",
        "Variant": "plain",
        "Source": "an old paper",
    }
    assert shown["source_file"] == str(rule.folders[0] / "rules.py")
    assert (shown["package"], shown["version"], shown["state"]) == ("rules", "1.0", "declared")
    assert shown["example"] == "from chainrule.optimizers import rule\nrule(lr=0.001)"


def test_hyperparameters_come_with_type_default_and_declared_bounds(rule):
    lr, betas = _json(rule, "rule")["hyperparameters"]
    assert lr == {
        "name": "lr",
        "declaration": "lr: float = 0.001",
        "type": "float",
        "required": False,
        "default": 0.001,
        "at_least": 0,
        "search": [1e-05, 10.0],
        "per_member": False,
    }
    assert betas["default"] == [0.9, "inf"]


def test_the_text_shows_docstring_bounds_example_and_package(rule):
    shown = rule.chainrule("show", "rule").stdout
    assert "Update:   ``θ ← θ − lr g``" in shown
    assert "lr: float = 0.001   (at least 0; search 1e-05 to 10; the same for all members)\n" in shown
    assert "from chainrule.optimizers import rule" in shown
    assert "Package:     rules 1.0" in shown


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("parallel", "parallel(...)"),
        ("upsample", "upsample(...)"),
        ("residual", "residual(...)"),
        ("dropout", "dropout()"),
    ],
)
def test_what_needs_one_of_its_arguments_is_not_shown_without_any(rule, name, call):
    assert _json(rule, name)["example"].endswith(f"\n{call}")


def test_a_class_in_a_file_is_answered_with_what_takes_it(rule):
    shown = rule.chainrule("show", "rule.py:Q")
    assert shown.returncode == 1
    assert "got rule.py:Q. Add --numbers, or run chainrule check rule.py:Q." in shown.stderr


def test_a_factorys_required_arguments_stand_in_the_example(rule):
    shown = _json(rule, "schedules:factory")
    assert shown["example"].endswith("factory(steps=...)")
    assert [each["declaration"] for each in shown["hyperparameters"]] == ["steps", "*rest", "name = 'x'", "**more"]


WRAPPERS = """
from chainrule import Optimizer, Wrapper

class Plain(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad

class Hidden(Plain):
    pass

class Around(Wrapper):
    k: int
    @classmethod
    def examples(cls):
        return [cls(inner=Plain(), k=2)]

class AroundHidden(Wrapper):
    @classmethod
    def examples(cls):
        return [cls(inner=Hidden())]

class WithoutExamples(Wrapper):
    pass
"""


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("around", "from chainrule.optimizers import around, plain\naround(inner=plain(), k=...)"),
        ("around_hidden", "from chainrule.optimizers import around_hidden\naround_hidden(inner=...)"),
        ("without_examples", "from chainrule.optimizers import without_examples\nwithout_examples(inner=...)"),
    ],
)
def test_a_wrapper_is_shown_around_a_rule_that_can_be_imported(packages, name, example):
    names = {
        "plain": "Plain",
        "around": "Around",
        "around_hidden": "AroundHidden",
        "without_examples": "WithoutExamples",
    }
    entries = "".join(f"{key} = wrappers:{kind}\n" for key, kind in names.items())
    packages.add("wrappers", f"[chainrule.optimizers]\n{entries}", {"wrappers.py": WRAPPERS})
    assert _json(packages, name)["example"] == example


def test_source_prints_the_code(rule):
    assert rule.chainrule("show", "schedules:factory", "--source").stdout == (
        'def factory(steps, *rest, name="x", **more):\n    return steps\n'
    )
    assert _json(rule, "factory", "--source")["code"].startswith("def factory")


def test_code_without_source_is_an_error_only_where_source_is_asked_for(packages):
    packages.add("builtin", "[chainrule.schedules]\nmaximum = builtins:max\n")
    done = packages.chainrule("show", "maximum", "--source")
    assert done.returncode == 1
    assert done.stderr.startswith("chainrule: show: no source for builtins:max (")
    assert _json(packages, "maximum")["source_file"] is None


def test_an_ambiguous_component_is_made_by_its_full_name(rule):
    rule.add("rivals", "[chainrule.optimizers]\nrule = rivals:Rule\n", {"rivals.py": "class Rule: pass"})
    assert _json(rule, "rivals:rule")["example"] == 'import chainrule\nchainrule.create("optimizers", "rivals:rule")'
    assert "must be registered once" in rule.chainrule("show", "rule").stderr


def test_a_name_of_several_kinds_lists_them(packages):
    done = packages.chainrule("show", "constant")
    assert done.returncode == 1
    assert "Write initializers:constant or schedules:constant." in done.stderr


def test_a_command_is_left_to_its_own_help(packages):
    done = packages.chainrule("show", "commands:reproduce")
    assert (done.returncode, done.stdout) == (1, "")
    assert "got the command commands:reproduce. Run chainrule reproduce --help." in done.stderr
    assert "It is a command: chainrule reproduce --help." in packages.chainrule("show", "reproduce").stderr


def test_a_broken_component_is_one_line(packages):
    packages.add("broken", "[chainrule.optimizers]\nbroken = broken:Liger\n", {"broken.py": "1 / 0"})
    done = packages.chainrule("show", "broken")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in done.stderr


def test_a_built_in_is_shown(packages):
    shown = _json(packages, "linear")
    assert {"Forward", "Backward", "Shapes"} <= set(shown["sections"])
    assert shown["package"] == "chainrule"


def test_sections_end_where_the_text_is_no_longer_indented():
    docstring = "Summary.\n\nForward:  a\n\n          b\nSome prose.\n  more\nArgs:\n    x: one\n    y: two"
    assert sections(docstring) == {"Forward": "a\n\nb", "Args": "x: one\ny: two"}


def test_a_kind_shows_what_its_authors_define_set_override_and_use(packages):
    done = packages.chainrule("show", "optimizer")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    headings = [line for line in lines if not line.startswith(" ")]
    assert headings == ["To define", "To set", "To override", "To use"]
    assert lines[1] == "  update(self, parameter: Tensor, grad: Tensor, state: State, step: Step)"
    assert "  elementwise = None" in lines
    members = json.loads(packages.chainrule("show", "layers", "--json").stdout)
    assert {"forward", "backward"} == {member["name"] for member in members if member["role"] == "define"}
    assert all(member["meaning"].endswith(".") for member in members)


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_of_a_contract_has_its_meaning(kind):
    members = contract_of(kind)
    assert members
    assert all(member.meaning for member in members)
