"""The command itself: errors, exit states, and the commands of plugins."""

import json
import re
from pathlib import Path

import pytest

import chainrule


def test_the_version_is_printed(packages):
    done = packages.chainrule("--version")
    assert (done.returncode, done.stdout) == (0, f"chainrule {chainrule.__version__}\n")


def test_a_users_mistake_is_one_line_on_stderr(packages):
    done = packages.chainrule("show", "lino")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r'chainrule: No component is registered as "lino"\..*\n', done.stderr)


def test_traceback_may_stand_anywhere_and_shows_where_it_came_from(packages):
    for arguments in (["--traceback", "show", "lino"], ["show", "lino", "--traceback"]):
        done = packages.chainrule(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("Traceback")


def test_a_missing_torch_is_one_line_and_another_missing_module_a_bug(packages):
    (packages.root / "torch.py").write_text("raise ModuleNotFoundError(name=__name__)")
    done = packages.chainrule("check", "adam", PYTHONPATH=str(packages.root))
    assert (done.returncode, done.stderr) == (
        1,
        "chainrule: chainrule needs torch, which is not installed: pip install torch.\n",
    )
    (packages.root / "torch.py").write_text("import no_such_module")
    assert packages.chainrule("check", "adam", PYTHONPATH=str(packages.root)).stderr.startswith("Traceback")


def test_how_to_add_a_component_is_told_of_names_that_it_may_have(packages):
    assert "To add it, install a package that declares it" in packages.chainrule("show", "lino").stderr
    assert "To add it" not in packages.chainrule("show", "li-no").stderr


def test_a_wrong_use_ends_with_2(packages):
    for arguments in (["lits"], ["list", "--nonsense"], ["show"]):
        assert packages.chainrule(*arguments).returncode == 2
    assert "Did you mean 'list'?" in packages.chainrule("lits").stderr


@pytest.mark.parametrize("arguments", [["stubs", "--out", ""], ["stubs", "--out="]])
def test_an_option_without_a_value_is_refused_before_anything_is_written(packages, arguments):
    done = packages.chainrule(*arguments)
    assert (done.returncode, done.stderr) == (
        1,
        'chainrule: --out: a value must not be empty, got "". Write one, or leave --out out.\n',
    )
    assert not list(packages.root.iterdir())


def test_a_malformed_variable_is_an_error_of_the_help_too(packages):
    done = packages.chainrule("--help", CHAINRULE_DISABLE="liger")
    assert done.returncode == 1
    assert done.stderr.startswith("chainrule: CHAINRULE_DISABLE: every entry must be")


def test_every_command_has_help_with_an_example(packages):
    for command in ([], ["list"], ["show"], ["check"], ["new"], ["doctor"], ["stubs"]):
        done = packages.chainrule(*command, "--help")
        assert done.returncode == 0
        assert "Example: chainrule" in done.stdout


CHATTY = """print("plugin here")
from chainrule import Optimizer


class Chatty(Optimizer):
    \"\"\"Go straight down.\"\"\"

    def update(self, parameter, grad, state, step):
        print("step", step.t)
        return grad
"""
HOOK = """from chainrule import hookimpl
@hookimpl
def chainrule_components():
    print("hook here")
    return []
"""


@pytest.mark.parametrize(
    "arguments", [["list", "optimizers"], ["show", "chatty"], ["check", "chatty", "-k", "descends_on*"]]
)
def test_what_plugins_print_does_not_get_into_the_json(packages, arguments):
    points = "[chainrule.optimizers]\nchatty = chatty:Chatty\n[chainrule.hooks]\nchatty = chatty_hooks\n"
    packages.add("chatty", points, {"chatty.py": CHATTY, "chatty_hooks.py": HOOK})
    done = packages.chainrule(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert "here" in done.stderr


GREET = """import typer
from chainrule import ChainruleError
print("imported")
def greet(name: str, loud: bool = False) -> None:
    \"\"\"Greet somebody.

    Example: chainrule greet Ada
    \"\"\"
    if name == "bug":
        raise KeyError(name)
    if name == "nobody":
        raise ChainruleError("greet: name must be somebody, got nobody. Name one.")
    typer.echo(f"hello {name}{'!' if loud else ''}")
"""


def _greeting(packages, source=GREET, name="greet", package="greeter"):
    module = package.replace("-", "_")
    packages.add(package, f"[chainrule.commands]\n{name} = {module}:greet\n", {f"{module}.py": source})
    return packages


def test_a_plugins_command_is_called_with_its_arguments(packages):
    done = _greeting(packages).chainrule("greet", "Ada", "--loud")
    assert (done.returncode, done.stdout) == (0, "imported\nhello Ada!\n")


def test_a_plugins_command_has_its_own_help_and_errors(packages):
    _greeting(packages)
    assert "Example: chainrule greet Ada" in packages.chainrule("greet", "--help").stdout
    assert packages.chainrule("greet").returncode == 2
    failed = packages.chainrule("greet", "nobody")
    assert (failed.returncode, failed.stderr) == (1, "chainrule: greet: name must be somebody, got nobody. Name one.\n")
    bug = packages.chainrule("greet", "bug")
    assert bug.returncode == 1
    assert bug.stderr.startswith("Traceback")


def test_help_names_a_plugins_command_and_package_without_importing_it(packages):
    source = GREET.replace("Greet somebody.", "Greet [/somebody] or [all].")
    done = _greeting(packages, source).chainrule("--help")
    assert "Greet [/somebody] or [all]. (greeter)" in done.stdout
    assert "imported" not in done.stdout


GROUP = """import typer
greet = typer.Typer(help="Greet people.")
@greet.command()
def one(name: str) -> None:
    typer.echo(f"hello {name}")
@greet.command()
def all() -> None:
    typer.echo("hello everybody")
"""


def test_a_plugins_typer_app_is_a_command_with_subcommands(packages):
    _greeting(packages, GROUP)
    assert packages.chainrule("greet", "one", "Ada").stdout == "hello Ada\n"
    assert packages.chainrule("greeter:greet", "all").stdout == "hello everybody\n"
    assert "Greet people." in packages.chainrule("greet", "-h").stdout


def test_a_broken_command_says_so_when_called_and_only_then(packages):
    _greeting(packages, "1 / 0")
    assert packages.chainrule("--help").returncode == 0
    assert packages.chainrule("list").returncode == 0
    done = packages.chainrule("greet")
    assert done.returncode == 1
    assert done.stderr.startswith("chainrule: commands:greet (greeter:greet) of greeter 1.0 cannot be loaded: ZeroDiv")


@pytest.mark.parametrize("source", ["class greet: pass", "async def greet(): pass"])
def test_a_command_must_be_a_plain_function(packages, source):
    done = _greeting(packages, source).chainrule("greet")
    assert done.returncode == 1
    assert "must be a plain function with typer's annotations" in done.stderr


def test_two_packages_commands_of_one_name_are_called_by_their_full_names(packages):
    _greeting(packages)
    _greeting(packages, GREET.replace("hello", "good day"), package="polite-greeter")
    ambiguous = packages.chainrule("greet", "Ada")
    assert ambiguous.returncode == 1
    assert 'commands: "greet" must be registered once' in ambiguous.stderr
    assert "Write chainrule greeter:greet or chainrule polite-greeter:greet, or set" in ambiguous.stderr
    assert packages.chainrule("polite-greeter:greet", "Ada").stdout.endswith("good day Ada\n")
    shown = packages.chainrule("--help").stdout
    assert "polite-greeter:greet" in shown
    assert " greeter:greet" in shown


def test_a_plugin_does_not_shadow_a_command_of_chainrule(packages):
    _greeting(packages, name="list")
    assert "imported" not in packages.chainrule("list").stdout
    assert packages.chainrule("greeter:list", "Ada").stdout.endswith("hello Ada\n")


def test_a_command_whose_name_is_not_allowed_says_so_when_called(packages):
    done = _greeting(packages, name="greet-all").chainrule("greet-all")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'chainrule.commands must match [a-z][a-z0-9_]* and not be a Python keyword, got "greet-all"' in done.stderr
    assert "greet-all" not in packages.chainrule("--help").stdout


def test_a_blocked_command_says_so_when_called_and_is_not_in_the_help(packages):
    done = _greeting(packages).chainrule("greet", "Ada", CHAINRULE_DISABLE="commands:greet")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'commands: "greet" of greeter is disabled by CHAINRULE_DISABLE="' in done.stderr
    assert "greet" not in packages.chainrule("--help", CHAINRULE_DISABLE="commands:greet").stdout


def test_a_package_with_a_command_a_hook_and_a_name_out_of_scope_works_as_documented(packages):
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = text.partition("## Commands and hooks")[2]
    command, hooks, scope = re.findall(r"^```py\n(.*?)^```$", told, flags=re.DOTALL | re.MULTILINE)
    points = "\n".join(re.findall(r"^```toml\n(.*?)^```$", told, flags=re.DOTALL | re.MULTILINE))
    points = points.replace("project.entry-points.", "").replace('"', "")
    modules = {"chainrule_halve.py": command, "chainrule_halve_hooks.py": hooks, "chainrule_halve_scope.py": scope}
    packages.add("chainrule-halve", points, modules)
    assert packages.chainrule("halve", "3").stdout == "1.5\n"
    assert packages.chainrule("halve", "nan").stderr.startswith("chainrule: halve: number must be a number, got nan.")
    assert "Halve a number. (chainrule-halve)" in packages.chainrule("--help").stdout
    assert packages.chainrule("list", "borrowed").stdout.split("\t")[3] == "chainrule-halve"
    assert packages.chainrule("show", "newton").stderr.endswith(
        "It needs second derivatives, and a rule gets first gradients alone. Use adamw.\n"
    )
