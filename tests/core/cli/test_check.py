"""``chainrule check``: components by name or in a file, and what is said where there is none."""

import inspect
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule
from chainrule import registry
from chainrule.cli import check_command
from chainrule.cli.component_file import file_hint, subject_in_file
from chainrule.errors import ChainruleError
from chainrule_plugins.layers import linear

TWO = '''from chainrule import Optimizer


class Down(Optimizer):
    """Go straight down.

    Update:   ``θ ← θ − lr g``
    """

    def update(self, parameter, grad, state, step):
        return grad


class Up(Down):
    """Go up."""

    def update(self, parameter, grad, state, step):
        return -grad


class Root:
    def __call__(self, t):
        return t**-0.5


class Part:
    pass


class Holder:
    Down = Down


def factory():
    return Down()


number = 3
'''


@pytest.fixture(autouse=True)
def modules(tmp_path):
    """Forget the modules of a test."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def two(tmp_path):
    file = tmp_path / "two_rules.py"
    file.write_text(TWO, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("prefix", "name", "label"),
    [
        ("", "Down", "optimizers:down"),
        ("", "Holder.Down", "optimizers:down"),
        ("", "Root", "schedules:root"),
        ("optimizer:", "factory", "optimizers:factory"),
        ("callbacks:", "Part", "callbacks:part"),
    ],
)
def test_a_component_in_a_file_is_found_with_its_kind(two, prefix, name, label):
    assert subject_in_file(f"{prefix}{two}:{name}").label == label


@pytest.mark.parametrize("text", ["adam", "optimizers:adam", "chainrule:adam", "optimizers:chainrule:adam", "a.b:C"])
def test_what_does_not_end_in_py_names_no_file(text):
    assert subject_in_file(text) is None


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        ("from chainrule.optimizers import adam, ema\ndef average(): return ema(inner=adam())\n", "Write {}:average."),
        ("rate = 0.1\n", "It has none: write a class into it."),
    ],
)
def test_where_a_file_has_no_class_its_functions_may_be_meant(tmp_path, source, fix):
    file = tmp_path / "made.py"
    file.write_text(source)
    with pytest.raises(ChainruleError, match=re.escape(f'no "Ema" in {file}. {fix.format(file)}')):
        subject_in_file(f"{file}:Ema")


def test_only_classes_of_the_kind_are_offered(tmp_path):
    file = tmp_path / "made.py"
    file.write_text(
        "from chainrule import Module, Optimizer\n"
        "class Cube(Module): ...\nclass Momentum(Optimizer): ...\nclass Stop: ...\n"
    )
    for kind, name in {"layer": "Cube", "optimizer": "Momentum", "callback": "Stop"}.items():
        with pytest.raises(ChainruleError, match=re.escape(f'no "Own" in {file}. Write {file}:{name}.')):
            subject_in_file(f"{kind}:{file}:Own")


def test_a_class_without_a_parent_is_offered_where_there_is_nothing_else(tmp_path):
    file = tmp_path / "made.py"
    file.write_text("class Dense: ...\n")
    with pytest.raises(ChainruleError, match=re.escape(f'no "Own" in {file}. Write {file}:Dense.')):
        subject_in_file(f"layer:{file}:Own")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", '" names no class. Write {0}:Down or {0}:Up or {0}:Root or'),
        (":", '" names no class.'),
        (":Donw", 'check: no "Donw" in {0}. Did you mean "Down"?'),
        (":number", "number in {0} must be a class or a function that returns a component, got 3."),
        (":Part", "Part: must inherit from a parent class such as chainrule.Optimizer, got the class Part"),
        (":factory", "or pass kind=… or KIND:FILE.py:Class."),
    ],
)
def test_what_is_no_component_is_named_with_the_way_out(two, name, message):
    with pytest.raises(ChainruleError) as raised:
        subject_in_file(f"{two}{name}")
    assert message.format(two) in str(raised.value)


@pytest.mark.parametrize("made", ["relu().build()", "torch.nn.ReLU()"])
def test_a_network_is_no_component(tmp_path, made):
    file = tmp_path / "made.py"
    file.write_text(f"import torch\nfrom chainrule.activations import relu\nnet = {made}\n")
    with pytest.raises(ChainruleError, match=r"must be a name, a class or a factory, got a network\. Pass the class"):
        subject_in_file(f"{file}:net")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("def\n", "SyntaxError: invalid syntax"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(5)\n", "SystemExit: 5"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_cause(tmp_path, source, cause):
    file = tmp_path / "faulty.py"
    file.write_text(source)
    with pytest.raises(ChainruleError, match=f"faulty.py cannot be imported: {cause}"):
        subject_in_file(f"{file}:Rule")


@pytest.mark.parametrize("name", ["random", "sys", "torch", "rule.v2", "my rule", "my-rule", "2rule", "class", "ünï"])
def test_a_file_may_have_any_name_and_takes_nothings_place(tmp_path, name):
    before = sys.modules.get(name)
    file = tmp_path / f"{name}.py"
    file.write_text(TWO, encoding="utf-8")
    found = subject_in_file(f"{file}:Down")
    assert found.label == "optimizers:down"
    assert sys.modules.get(name) in (before, sys.modules[found.component.__module__])
    assert before is None or sys.modules[name] is before
    assert inspect.getsource(found.component).startswith("class Down")
    assert pickle.loads(pickle.dumps(found.component(lr=2))) == found.component(lr=2)  # noqa: S301
    assert subject_in_file(f"{file}:Down").component is found.component


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path):
    for folder, source in {"one": TWO, "other": TWO.replace("number = 3", "number = 4")}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same_rules.py").write_text(source, encoding="utf-8")
    one, other = (subject_in_file(f"{tmp_path / folder}/same_rules.py:Down").component for folder in ("one", "other"))
    assert one is not other
    assert [sys.modules[kind.__module__].number for kind in (one, other)] == [3, 4]


def test_a_link_and_a_file_in_a_home_are_found(tmp_path, two, monkeypatch):
    (tmp_path / "linked_rules.py").symlink_to(two)
    assert subject_in_file(f"{tmp_path / 'linked_rules.py'}:Down").label == "optimizers:down"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert subject_in_file("optimizer:~/two_rules.py:factory").label == "optimizers:factory"
    with pytest.raises(
        ChainruleError, match=r"check: a path with ~ must begin with a home .*, got ~nobody-at-all/rule\.py\."
    ):
        subject_in_file("~nobody-at-all/rule.py:Down")


@pytest.mark.parametrize(("compile", "outcomes"), [(False, []), (True, ["passed"])])
def test_what_compiles_runs_where_it_is_asked_for(capsys, monkeypatch, compile, outcomes):
    monkeypatch.setattr("chainrule.testing.compiled.expect_compiled", lambda parts: None)
    pattern = "step_equals_an_eager_one"
    check_command.check(
        ["identity"], everything=False, pattern=pattern, compile=compile, list_checks=False, as_json=False
    )
    printed = capsys.readouterr().out
    found = [line.split("\t")[0] for line in printed.splitlines() if "\ta_compiled_step" in line]
    assert found == outcomes
    assert ("1 that compiles left out; --compile runs it." in printed) is not compile


def test_a_pattern_of_what_is_left_out_is_answered_with_the_option():
    with pytest.raises(ChainruleError, match=r"that match \"compiled_step\" need --compile\. Add it\.$"):
        check_command.check(["identity"], False, "compiled_step", False, False, False)


def test_neighbours_take_no_modules_place_and_may_be_imported(packages):
    """Neither in the process that checks, nor in those that it starts to resume a run and to compile."""
    for name in ("profile", "queue", "secrets", "statistics", "torch", "numpy", "pluggy"):
        (packages.root / f"{name}.py").write_text("1 / 0\n")
    (packages.root / "my_helpers.py").write_text("def down(grad):\n    return grad\n")
    source = TWO.replace("        return grad\n", "        return down(grad)\n", 1)
    (packages.root / "rule.v2.py").write_text(f"from my_helpers import down\n{source}", encoding="utf-8")
    script = Path(sys.executable).with_name("chainrule")
    command = [script, "check", "rule.v2.py:Down", "--compile", "--json"]
    done = subprocess.run(command, cwd=packages.root, capture_output=True, text=True, check=False)
    outcomes = {row["check"]: (row["outcome"], row["detail"]) for row in json.loads(done.stdout)}
    for check in ("resumes_in_a_fresh_process", "compiled_equals_eager"):
        assert outcomes[check] == ("passed", "")


def test_a_package_under_development_is_checked_though_another_version_of_it_is_installed(packages):
    packages.add("own-rules", modules={"own_rules/__init__.py": "", "own_rules/down.py": "1 / 0\n"})
    package = packages.root / "src" / "own_rules"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .down import Down\n")
    (package / "down.py").write_text(TWO, encoding="utf-8")
    checks = ["resumes_in_a_fresh_process", "--json"]
    done = packages.chainrule("check", "src/own_rules/down.py:Down", "-k", *checks)
    assert [row["outcome"] for row in json.loads(done.stdout)] == ["passed"], done.stdout


@pytest.mark.parametrize(
    ("file", "text", "fix"),
    [("rule.py", "rule:Down", "Write rule.py:Down."), ("rule.txt", "rule.txt:Down", "Rename the file.")],
)
def test_a_file_without_its_suffix_is_told_from_an_unknown_name(packages, file, text, fix):
    (packages.root / file).write_text(TWO, encoding="utf-8")
    done = packages.chainrule("check", text)
    assert done.returncode == 1
    assert done.stderr == f"chainrule: check: a file must be given as FILE.py:Class, got {text}. {fix}\n"


def test_a_package_with_the_name_of_pythons_own_is_refused(tmp_path):
    package = tmp_path / "random"
    package.mkdir()
    (package / "__init__.py").write_text(TWO, encoding="utf-8")
    with pytest.raises(ChainruleError, match='"random" is the name of another module, in '):
        subject_in_file(f"{package / '__init__.py'}:Down")


def test_a_file_in_a_package_may_import_its_siblings(tmp_path):
    package = tmp_path / "own_rules"
    package.mkdir()
    (package / "__init__.py").write_text("from .down import Down\n")
    (package / "down.py").write_text(TWO, encoding="utf-8")
    for path in ("__init__.py", "down.py"):
        found = subject_in_file(f"{package / path}:Down")
        assert found.component.__module__ == "own_rules.down"


def test_the_exit_status_tells_right_from_wrong(packages):
    (packages.root / "two_rules.py").write_text(TWO, encoding="utf-8")
    checks = ["-k", "descends*", "--json"]
    right = packages.chainrule("check", "two_rules.py:Down", "optimizers:adam", *checks)
    assert right.returncode == 0, right.stderr
    assert {row["component"]: row["outcome"] for row in json.loads(right.stdout)} == {
        "optimizers:down": "passed",
        "optimizers:adam": "passed",
    }
    wrong = packages.chainrule("check", "two_rules.py:Up", *checks[:2])
    assert wrong.returncode == 1
    assert "failed" in wrong.stdout
    assert "Usual cause:" in wrong.stdout


def test_a_component_whose_examples_cannot_be_made_fails_once(packages):
    source = TWO.replace("class Down(Optimizer):", "class Down(Optimizer):\n    size: float\n")
    (packages.root / "two_rules.py").write_text(source, encoding="utf-8")
    done = packages.chainrule("check", "two_rules.py:Down", "--json")
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)
    assert (row["check"], row["outcome"]) == ("nothing_to_check", "failed")
    cause = "Usual cause: required arguments without an examples() that supplies them."
    assert f"needs size, got none. Write down(size=…). {cause}" in row["detail"]


def test_a_component_without_examples_fails_and_one_whose_checks_have_nothing_to_look_at_does_not(packages):
    source = TWO.replace(
        "class Up(Down):", "class Up(Down):\n    @classmethod\n    def examples(cls):\n        return []\n"
    )
    (packages.root / "two_rules.py").write_text(source, encoding="utf-8")
    outcomes = {}
    for name in ("Down", "Up"):
        done = packages.chainrule("check", f"two_rules.py:{name}", "-k", "scalars_depend*", "--json")
        outcomes[name] = done.returncode, [row["outcome"] for row in json.loads(done.stdout)]
    assert outcomes == {"Down": (0, ["skipped"]), "Up": (1, ["failed"])}


def test_all_are_checked_though_one_cannot_be_loaded_and_others_have_no_such_check(packages):
    points = "[chainrule.optimizers]\nbroken = broken:Rule\ndown = two:Down\n[chainrule.schedules]\nroot = two:Root\n"
    packages.add("some", points, {"broken.py": "1 / 0", "two.py": TWO})
    checks = ["--all", "-k", "rule_repr*", "--json"]
    done = packages.chainrule("check", *checks, CHAINRULE_DISABLE="dist:chainrule")
    assert done.returncode == 1
    assert {(row["component"], row["check"]): row["outcome"] for row in json.loads(done.stdout)} == {
        ("optimizers:broken", "can_be_loaded"): "failed",
        ("optimizers:down", "rule_repr_makes_it_again"): "passed",
    }


def test_a_check_that_none_of_those_named_has_is_told(packages):
    done = packages.chainrule("check", "mse", "-k", "descends_on*")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'check: no check on losses:mse matches "descends_on*".' in done.stderr


def test_a_command_has_no_checks(packages):
    done = packages.chainrule("check", "commands:reproduce")
    assert (done.returncode, done.stdout) == (1, "")
    assert "check: no checks for commands:reproduce; there are checks for layers, activations" in done.stderr


THREE = TWO.replace(
    "class Up(Down):",
    "class Up(Down):\n    @classmethod\n    def examples(cls):\n        return [cls(lr=0.1), cls(), cls()]\n",
).replace("return -grad", "return grad")


def test_what_was_looked_at_and_by_which_kit_is_told(packages):
    (packages.root / "three.py").write_text(THREE, encoding="utf-8")
    (row,) = json.loads(packages.chainrule("check", "three.py:Up", "-k", "repr_makes_it_again", "--json").stdout)
    assert (row["outcome"], row["version"]) == ("passed", chainrule.__version__)
    assert (row["looked_at"], row["examples"], row["detail"]) == (3, 3, "")
    table, summary = packages.chainrule("check", "three.py:Up", "-k", "fresh_process").stdout.splitlines()[:2]
    assert table.split("\t")[3] == "looked at 1 of 3 examples"
    assert summary.endswith(f", by the kit of chainrule {chainrule.__version__}")


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("two_rules", "Write two_rules.py:Class."),
        ("two_rules.Down", "Write two_rules.py:Down."),
        ("optimizer:two_rules:Down", "Write two_rules.py:Down."),
        ("./two_rules:Down", "Write two_rules.py:Down."),
        ("../here/two_rules:Down", f"Write {Path('../here/two_rules.py')}:Down."),
        ("notes.ipynb", "Put the class into a file FILE.py."),
        ("folder", f"Write {Path('folder') / 'FILE.py'}:Class."),
        (f"{linear.__name__}:Linear", f"Write {linear.__file__}:Linear."),
    ],
)
def test_another_form_of_the_address_of_a_file_is_answered_with_the_right_one(tmp_path, monkeypatch, address, hint):
    here = tmp_path / "here"
    here.mkdir()
    (here / "two_rules.py").write_text(TWO, encoding="utf-8")
    (here / "notes.ipynb").write_text("{}", encoding="utf-8")
    (here / "folder").mkdir()
    monkeypatch.chdir(here)
    assert file_hint(address) == hint


@pytest.mark.parametrize("address", ["json", "no_such_rule", "no.such:Rule", "torch:NAdam", "torch.optim:NAdam"])
def test_a_name_that_is_that_of_no_file_has_no_hint_to_one(address):
    assert not file_hint(address)


def test_a_class_may_be_named_as_pytest_names_it(two):
    assert subject_in_file(f"{two}::Down").label == "optimizers:down"


def test_every_component_of_a_kind_is_checked(capsys, monkeypatch):
    monkeypatch.setattr("chainrule.cli.parallel_checks._processors", lambda: 1)
    check_command.check(["optimizer"], False, "lr_of_zero_freezes", False, False, as_json=True)
    assert {row["component"] for row in json.loads(capsys.readouterr().out)} == {
        record.key for record in registry.components("optimizers") if not record.foreign
    }


def test_too_long_a_name_is_that_of_no_file():
    with pytest.raises(ChainruleError, match=r"^check: no such file: aaa"):
        subject_in_file("a" * 300 + ".py:Rule")
    assert not file_hint("a" * 300)
