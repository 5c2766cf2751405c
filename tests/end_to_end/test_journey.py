"""An author's journey, in a clean environment and from wheels alone: from nothing to a found, checked optimizer."""

import json
import re

import pytest

RULE = '        return state["m"].lerp_(grad, 1 - self.momentum)\n'
SIGNED = RULE.rstrip() + ".sign()\n"
STEPS = "parameter = parameter - rule.lr * (1 - beta) * sum(terms[1:], terms[0])"
TESTS = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")

TRAIN = """
import chainrule
from chainrule.optimizers import brisk
from chainrule.tasks import circle

assert "site-packages" in chainrule.__file__, chainrule.__file__
task = circle()
data = task.splits(seed=0)
network = task.network().build(seeds=[0, 1])
history = chainrule.fit(
    network, task.loss(), brisk(lr=3e-3), train=data.train, validation=data.validation,
    epochs=20, batch_size=20, metrics=task.metrics,
)
print(history["validation_accuracy"][-1].min().item())
"""


@pytest.fixture(scope="module")
def project(environment, tmp_path_factory):
    """A package from `chainrule new`, installed as an editable project."""
    folder = tmp_path_factory.mktemp("author")
    assert "chainrule check optimizers:brisk" in environment.output(
        "chainrule", "new", "optimizer", "brisk", cwd=folder
    )
    project = folder / "chainrule-brisk"
    environment.install("-e", project)
    return project


def test_as_generated_it_is_found_checked_and_tested(environment, project):
    (row,) = json.loads(environment.output("chainrule", "list", "brisk", "--json"))
    assert row == {
        "kind": "optimizers",
        "name": "brisk",
        "summary": "Descend along a running mean of the gradient.",
        "package": "chainrule-brisk",
        "version": "0.1.0",
        "state": "declared",
    }
    assert "optimizers:brisk: ok" in environment.output("chainrule", "check", "brisk", "-k", "descends*")
    assert "passed" in environment.output(*TESTS, "-k", "reference or describes or search", cwd=project)


def test_edited_built_installed_used_and_removed(environment, project, tmp_path):
    # The rule is edited, and an editable installation follows at once: its own formula no longer holds.
    module, test = project / "src/chainrule_brisk/__init__.py", project / "tests/test_brisk.py"
    source = module.read_text(encoding="utf-8")
    assert source.count(RULE) == 1
    source = source.replace(RULE, SIGNED).replace("Descend along a running mean", "Follow the sign of a running mean")
    module.write_text(source, encoding="utf-8")
    failed = environment.run(*TESTS, "-k", "reference", cwd=project)
    assert failed.returncode == 1
    assert "formula" in failed.stdout
    formula = test.read_text(encoding="utf-8")
    assert formula.count(STEPS) == 1
    test.write_text(
        formula.replace(STEPS, "parameter = parameter - rule.lr * sum(terms[1:], terms[0]).sign()"), "utf-8"
    )
    environment.output(*TESTS, "-k", "reference", cwd=project)

    # The wheel takes the place of the editable project.
    environment.pip("uninstall", "-q", "-y", "chainrule-brisk")
    environment.pip("wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(project))
    (wheel,) = tmp_path.glob("*.whl")
    environment.install(wheel)

    assert "Follow the sign of a running mean" in environment.output("chainrule", "list", "optimizers", "brisk")
    shown = environment.output("chainrule", "show", "brisk")
    assert "momentum: float = 0.9   (at least 0; below 1; search 0 to 0.99)" in shown
    assert "Package:     chainrule-brisk 0.1.0" in shown
    assert "sign()" in environment.output("chainrule", "show", "brisk", "--source")
    assert "optimizers:brisk: ok" in environment.output("chainrule", "check", "optimizers:brisk")
    assert "nothing is wrong" in environment.output("chainrule", "doctor", CHAINRULE_DISABLE="dist:chainrule")
    environment.output("chainrule", "stubs", cwd=tmp_path)
    stub = (tmp_path / "typings/chainrule/optimizers.pyi").read_text(encoding="utf-8")
    assert "from chainrule_brisk import Brisk as brisk\n" in stub
    assert float(environment.output("python", "-c", TRAIN)) > 0.9

    environment.pip("uninstall", "-q", "-y", "chainrule-brisk")
    gone = environment.run("python", "-c", TRAIN)
    assert gone.returncode == 1
    last = gone.stderr.splitlines()[-1]
    assert re.match(r'chainrule\.errors\.UnknownComponentError: No optimizer is registered as "brisk"\.', last)
    assert "Installed: chainrule list optimizers." in last
    assert '[project.entry-points."chainrule.optimizers"]' in last
    assert environment.run("chainrule", "list", "brisk").returncode == 1
