"""Each fault of a third party's package has a row and an error of its own, and affects nothing else.

All of them are installed at once, as wheels.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

RULE = '''from chainrule import Optimizer


class Rule(Optimizer):
    """Go straight down."""

    def update(self, parameter, grad, state, step):
        return grad
'''


@dataclass
class Fault:
    """What is wrong with a package that has one module and one optimizer, and what must be said of it.

    Attributes:
        module: the source of its module.
        error: part of the line with which the optimizer's use fails.
        name: of the optimizer; if not given, that of the module.
        address: of the optimizer's entry point, after the module's name.
        state: what the list shows.
        metadata: lines of the package's own.
        contract: the one that it is written for.
    """

    module: str
    error: str
    name: str = ""
    address: str = ":Rule"
    state: str = "declared"
    metadata: str = ""
    contract: int = 1


UNPRINTABLE = "class Odd(Exception):\n    def __str__(self):\n        raise self\nraise Odd\n"
NAMES = "must match [a-z][a-z0-9_]* and not be a Python keyword, got "
NEEDS = "Provides-Extra: fast\nRequires-Dist: no-such-package>=2; extra == 'fast'\n"
FAULTS = {
    "import-error": Fault("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
    "failing-import": Fault("1 / 0\n", "ZeroDivisionError: division by zero"),
    "syntax-error": Fault("def\n", "SyntaxError: invalid syntax"),
    "exit": Fault("raise SystemExit(3)\n", "SystemExit: 3"),
    "missing-attribute": Fault("", "AttributeError: module 'missing_attribute' has no attribute 'Rule'"),
    "missing-module": Fault("", "No module named 'missing_module.rules'", address=".rules:Rule"),
    "no-address": Fault("", 'its entry point must be "package.module:Class"', address=" to nowhere"),
    "unprintable": Fault(UNPRINTABLE, "Odd: an error that cannot be printed"),
    "a-value": Fault("Rule = 3\n", "it must be a class or a function, got a value of type int"),
    "an-instance": Fault(
        "from chainrule_plugins.losses.mse import Mse\nRule = Mse()\n",
        "it must be a class or a function, got a value of type Mse",
    ),
    "another-kind": Fault(
        RULE.replace("Optimizer", "Loss"),
        "it must be one of the optimizers, got a class that inherits from chainrule.Loss",
    ),
    "capital": Fault(RULE, f'{NAMES}"Bad"', name="Bad", state="invalid"),
    "hyphen": Fault(RULE, f'{NAMES}"my-rule"', name="my-rule", state="invalid"),
    "colon": Fault(RULE, f'{NAMES}"my:rule"', name="my:rule", state="invalid"),
    "python-keyword": Fault(RULE, f'{NAMES}"lambda"', name="lambda", state="invalid"),
    "missing-extra": Fault(
        f"import no_such_module\n{RULE}",
        'Install its dependencies: pip install "missing-extra[fast]".',
        address=":Rule [fast]",
        metadata=NEEDS,
    ),
    "another-contract": Fault(
        "1 / 0\n",
        "it is written for contract 2, but this chainrule has contract 1. Install another version of another-contract",
        contract=2,
    ),
}
TWICE = "[chainrule.optimizers]\ntwice = {0}:Rule\ntwice = {0}:Other\n"
SHARED = "[chainrule.optimizers]\nshared = {}:Rule\n"


@pytest.fixture(scope="module")
def sites(environment, tmp_path_factory):
    """A good package and all the faulty ones."""
    sites = environment.sites(tmp_path_factory.mktemp("faults"))
    sites.add("good", {"good.py": RULE}, "[chainrule.optimizers]\ngood = good:Rule\n")
    for package, fault in FAULTS.items():
        module = package.replace("-", "_")
        points = f"[chainrule.optimizers]\n{fault.name or module} = {module}{fault.address}\n"
        points += f"[chainrule.api]\n{fault.contract} = chainrule:API\n"
        sites.add(package, {f"{module}.py": fault.module}, points, metadata=fault.metadata)
    sites.add("one", {"one.py": RULE}, SHARED.format("one"))
    sites.add("other", {"other.py": RULE}, SHARED.format("other"))
    sites.add("inside", {"inside.py": RULE}, TWICE.format("inside"))
    points = "[chainrule.optimizers]\nold = versions:Rule\n"
    sites.add("versions", {"versions.py": RULE}, points, version="2.0")
    sites.add("group", {"group.py": RULE}, "[chainrule]\nlost = group:Rule\n[chainrule.optimiser]\nlost = group:Rule\n")
    sites.add("versions", {"versions.py": "1 / 0"}, points, version="1.0", site="later")
    return sites


@pytest.fixture(scope="module")
def rows(sites):
    """The list, by package."""
    done = sites.chainrule("list", "optimizers", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {}
    for row in json.loads(done.stdout):
        found.setdefault(row["package"], []).append(row)
    return found


def _error(sites, name):
    """Return the one line with which the use of an optimizer fails."""
    done = sites.chainrule("show", f"optimizers:{name}")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("package", FAULTS)
def test_a_faulty_package_has_a_row_and_an_error(sites, rows, package):
    fault = FAULTS[package]
    name = fault.name or package.replace("-", "_")
    assert [(row["name"], row["version"], row["state"]) for row in rows[package]] == [(name, "1.0", fault.state)]
    error = _error(sites, name)
    assert fault.error in error
    assert package in error


def test_the_good_ones_are_not_affected(sites, rows):
    assert [row["state"] for row in rows["good"]] == ["declared"]
    assert {row["state"] for row in rows["chainrule"]} == {"declared"}
    code = "from chainrule.optimizers import adam, good; print(good(lr=0.5), adam().lr)"
    assert sites.run("python", "-c", code).stdout == "Rule(lr=0.5, schedule=None) 0.001\n"


def test_a_name_of_two_packages_is_ambiguous(sites, rows):
    assert rows["one"][0]["state"] == rows["other"][0]["state"] == "ambiguous"
    error = _error(sites, "shared")
    assert "must be registered once, got one (one:Rule), other (other:Rule)" in error
    assert 'chainrule.get("optimizers", "one:shared") or chainrule.get("optimizers", "other:shared")' in error
    assert sites.chainrule("show", "other:shared").returncode == 0


def test_a_name_twice_in_one_package_is_its_authors_to_mend(sites, rows):
    assert [row["state"] for row in rows["inside"]] == ["ambiguous", "ambiguous"]
    error = _error(sites, "twice")
    assert "must be registered once, got inside (inside:Rule), inside (inside:Other)" in error
    assert error.endswith("Rename or delete one in the metadata of inside.")


def test_of_two_versions_on_the_path_the_first_counts(sites, rows):
    assert [(row["version"], row["state"]) for row in rows["versions"]] == [("2.0", "declared")]
    assert "versions 2.0" in sites.chainrule("show", "old").stdout


@pytest.fixture(scope="module")
def report(sites):
    """One run of the doctor, which tells of all of them; it imports none of chainrule's own components."""
    done = sites.chainrule("doctor", "--json", CHAINRULE_DISABLE="dist:chainrule")
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("package", FAULTS)
def test_the_doctor_tells_each_faulty_package_once_and_as_its_use_does(report, package):
    told = [f for f in report["findings"] if f["package"] == package and f["topic"] != "requirement"]
    (finding,) = told
    assert finding["level"] == "wrong"
    assert finding["topic"] == ("component" if FAULTS[package].state == "declared" else "name")
    assert FAULTS[package].error in finding["message"]


def test_a_failing_import_has_its_traceback_from_the_plugins_code_on(report):
    (finding,) = [finding for finding in report["findings"] if finding["package"] == "failing-import"]
    lines = finding["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert Path(lines[1].split('"')[1]).name == "failing_import.py"
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_the_doctor_tells_what_an_extra_lacks(report):
    (finding,) = [finding for finding in report["findings"] if finding["topic"] == "requirement"]
    assert finding["message"] == (
        "missing-extra: its entry points need no-such-package>=2, which is not installed. "
        'pip install "missing-extra[fast]".'
    )


def test_the_doctor_tells_a_group_that_does_not_exist(report):
    messages = [finding["message"] for finding in report["findings"] if finding["topic"] == "group"]
    assert messages[0].startswith('group: a group of entry points must be "chainrule." and one of layers, ')
    assert [message.rpartition(" got ")[2] for message in messages] == [
        '"chainrule". Rename it.',
        '"chainrule.optimiser". Did you mean "optimizers"? Rename it.',
    ]


def test_the_doctor_tells_collisions_and_hidden_versions(report):
    def subjects(topic):
        return sorted(finding["subject"] for finding in report["findings"] if finding["topic"] == topic)

    assert subjects("collision") == ["optimizers:shared", "optimizers:twice"]
    assert subjects("shadowed") == ["versions"]


def test_the_doctor_loads_everything_else(report):
    broken = [finding for finding in report["findings"] if finding["topic"] == "component"]
    assert report["total"] - report["loaded"] == len(broken)
    assert not report["ok"]
