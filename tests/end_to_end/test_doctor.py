"""``chainrule doctor``: whatever an installed package does, the rest is still looked at."""

import json

import pytest

RULE = '''from chainrule import Optimizer


class Rule(Optimizer):
    """Go straight down."""

    def update(self, parameter, grad, state, step):
        return grad
'''


def _points(**groups):
    groups = {"api": "1 = chainrule:API", **groups}
    return "".join(f"[chainrule.{kind}]\n{lines}\n" for kind, lines in groups.items())


def _report(sites, *arguments, **variables):
    done = sites.chainrule("doctor", "--json", *arguments, **variables)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    return report


def _told(report, package):
    (finding,) = [finding for finding in report["findings"] if finding["package"] == package]
    return finding


def test_a_sound_installation_has_nothing_wrong(environment):
    done = environment.run("chainrule", "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()[:6]] == [
        "python",
        "platform",
        "executable",
        "chainrule",
        "torch",
        "pluggy",
    ]
    assert done.stdout.endswith("nothing is wrong.\n")


CRASHES = {
    "segfault": ("import ctypes\nctypes.string_at(0)\n", "its import ended the process by signal 11", "string_at"),
    "leave": ("import os\nos._exit(0)\n", "its import ended the process with exit status 0", ""),
    "hang": ("import time\ntime.sleep(1000)\n", "its import did not end within 2 seconds", "hang.py"),
    "close": (
        "import os, threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "os.closerange(0, 100)\n",
        "its import ended the process with exit status 1",
        "",
    ),
    "interrupt": ("raise KeyboardInterrupt\n", "KeyboardInterrupt", "interrupt.py"),
    "chatter": ("print('hello')\nraise ValueError('no')\n", "ValueError: no", "chatter.py"),
}


@pytest.fixture(scope="module")
def crashes(environment, tmp_path_factory):
    sites = environment.sites(tmp_path_factory.mktemp("crashes"))
    for name, (source, _, _) in CRASHES.items():
        sites.add(name, {f"{name}.py": source}, _points(optimizers=f"a_{name} = {name}:Rule"))
    sites.add("zebra", {"zebra.py": RULE}, _points(optimizers="zebra = zebra:Rule"))
    fork = "import os, warnings\nwarnings.simplefilter('ignore')\nos.fork()\n"
    sites.add("a-fork", {"a_fork.py": fork + RULE}, _points(optimizers="a_fork = a_fork:Rule"))
    return sites


@pytest.fixture(scope="module")
def report(crashes):
    return _report(crashes, "--limit", "2")


@pytest.mark.parametrize("name", CRASHES)
def test_what_ends_the_process_is_named_with_its_traceback(report, name):
    _, cause, traceback = CRASHES[name]
    finding = _told(report, name)
    assert finding["message"].startswith(
        f"optimizers:a_{name} ({name}:Rule) of {name} 1.0 cannot be loaded: {cause}. Fix or reinstall {name}"
    )
    assert traceback in finding["traceback"]


def test_all_others_are_loaded_nevertheless(report):
    assert report["total"] - report["loaded"] == len(report["findings"]) == len(CRASHES)


def test_what_is_disabled_is_a_note_and_not_imported(crashes):
    report = _report(crashes, CHAINRULE_DISABLE=",".join(f"dist:{name}" for name in CRASHES))
    assert report["ok"]
    assert {(finding["level"], finding["topic"]) for finding in report["findings"]} == {("note", "blocked")}
    assert report["loaded"] == report["total"]


MISFITS = {
    "layers": ("from chainrule import Loss\nclass Part(Loss): pass\n", "got a class that inherits from chainrule.Loss"),
    "schedules": ("Part = 3\n", "it must be a class or a function, got a value of type int"),
    "commands": ("class part: pass\nPart = part\n", "must be a plain function with typer's annotations"),
    "hooks": ("import chainrule\n@chainrule.hookimpl\ndef chainrule_component(): pass\n", "unknown hook"),
}


def test_what_does_not_fit_its_kind_is_told(sites):
    for kind, (source, _) in MISFITS.items():
        address = f"of_{kind}" if kind == "hooks" else f"of_{kind}:Part"
        sites.add(f"of-{kind}", {f"of_{kind}.py": source}, _points(**{kind: f"part = {address}"}))
    odd = "def part(value: complex) -> None:\n    pass\n"
    sites.add("odd-command", {"odd.py": odd}, _points(commands="odd = odd:part"))
    report = _report(sites)
    for kind, (_, message) in MISFITS.items():
        assert message in _told(report, f"of-{kind}")["message"]
    assert "commands:odd must have annotations that typer knows" in _told(report, "odd-command")["message"]
    assert len(report["findings"]) == len(MISFITS) + 1


def test_what_a_hook_contributes_is_loaded_too_and_a_crashing_hook_stops_nothing(sites):
    bridge = (
        "from chainrule import Component, hookimpl\n"
        "@hookimpl\n"
        "def chainrule_components():\n"
        "    return [Component(kind='optimizers', name='borrowed', entry_point='borrowed:Rule')]\n"
    )
    sites.add("bridge", {"bridge.py": bridge, "borrowed.py": "1 / 0\n"}, _points(hooks="bridge = bridge"))
    sites.add("crash", {"crash.py": "import os\nos._exit(7)\n"}, _points(hooks="crash = crash"))
    report = _report(sites)
    assert _told(report, "bridge")["subject"] == "optimizers:borrowed"
    assert "ZeroDivisionError" in _told(report, "bridge")["message"]
    assert _told(report, "crash")["topic"] == "hook"
    assert "its import ended the process with exit status 7" in _told(report, "crash")["message"]


def test_requirements_on_chainrule_that_do_not_fit_are_told(sites):
    points = _points(optimizers="{0} = {0}:Rule")
    for name, requirement in {
        "late": "chainrule>=99",
        "fitting": "Chainrule>=0.0.1",
        "elsewhere": 'chainrule>=99; sys_platform == "nowhere"',
        "garbled": "chainrule=>1",
    }.items():
        sites.add(name, {f"{name}.py": RULE}, points.format(name), metadata=f"Requires-Dist: {requirement}\n")
    report = _report(sites)
    late, garbled = _told(report, "late"), _told(report, "garbled")
    assert late["message"].startswith("late requires chainrule>=99, got chainrule ")
    assert 'a requirement must be readable, got "chainrule=>1"' in garbled["message"]
    assert len(report["findings"]) == 2


def test_damaged_metadata_is_told_though_torch_itself_stumbles_over_it(sites):
    sites.add("damaged", {"damaged.py": RULE}, _points(optimizers="damaged = damaged:Rule"))
    sites.install()
    (entry_points,) = sites.folder.glob("site/damaged*/entry_points.txt")
    entry_points.write_text("[chainrule.optimizers]\nno address\n")
    assert "adam" in sites.chainrule("list", "optimizers").stdout
    report = _report(sites)
    assert [finding["topic"] for finding in report["findings"]] == ["metadata", "torch"]


@pytest.mark.parametrize(
    "origin",
    [
        "not json",
        "[]",
        "{}",
        '{"dir_info": {"editable": true}}',
        '{"url": "file:///x", "dir_info": null}',
        '{"url": 3}',
    ],
)
def test_a_broken_record_of_where_a_package_came_from_hides_nothing_else(sites, origin):
    sites.add("broken", {"broken.py": RULE}, _points(optimizers="broken = broken:Rule"))
    sites.add(
        "late", {"late.py": RULE}, _points(optimizers="late = late:Rule"), metadata="Requires-Dist: chainrule>=99\n"
    )
    sites.install()
    (info,) = sites.folder.glob("site/broken*.dist-info")
    (info / "direct_url.json").write_text(origin)
    assert [finding["package"] for finding in _report(sites)["findings"]] == ["late"]


@pytest.mark.parametrize(("name", "topics"), [("verse", []), ("prose", ["stale"])])
def test_entry_points_in_poetrys_table_are_compared_with_those_installed(sites, name, topics):
    sites.add("poetic", {"poetic.py": RULE}, _points(optimizers="verse = poetic:Rule"))
    sites.install()
    written = f'[tool.poetry]\nname = "poetic"\n[tool.poetry.plugins."chainrule.optimizers"]\n{name} = "poetic:Rule"\n'
    (sites.folder / "pyproject.toml").write_text(written)
    (info,) = sites.folder.glob("site/poetic*.dist-info")
    (info / "direct_url.json").write_text(json.dumps({"url": sites.folder.as_uri(), "dir_info": {"editable": True}}))
    assert [finding["topic"] for finding in _report(sites)["findings"]] == topics


def test_a_package_without_a_version_is_listed_and_loaded(sites):
    sites.add("nameless", {"nameless.py": RULE}, _points(optimizers="nameless = nameless:Rule"))
    sites.install()
    (metadata,) = sites.folder.glob("site/nameless*.dist-info/METADATA")
    metadata.write_text("Metadata-Version: 2.1\nName: nameless\n")
    assert "nameless\tunknown\tdeclared" in sites.chainrule("list", "nameless").stdout
    assert _report(sites)["findings"] == []


def test_a_package_that_states_no_contract_is_a_note(sites):
    sites.add("silent", {"silent.py": RULE}, "[chainrule.optimizers]\nsilent = silent:Rule\n")
    report = _report(sites)
    assert report["ok"]
    assert _told(report, "silent")["level"] == "note"
    assert _told(report, "silent")["message"].startswith("silent states no contract. Ask its author to add 1 = ")


class TestEditableInstallations:
    """Entry points are read from what was installed, so a change in pyproject.toml needs another installation."""

    @pytest.fixture
    def project(self, environment, tmp_path):
        environment.output("chainrule", "new", "optimizer", "pliable", cwd=tmp_path)
        project = tmp_path / "chainrule-pliable"
        environment.install("-e", project)
        yield project
        environment.pip("uninstall", "-q", "-y", "chainrule-pliable")

    def test_a_change_of_entry_points_is_told_with_the_mend(self, environment, project):
        report = json.loads(environment.output("chainrule", "doctor", "--json"))
        assert report["findings"] == []
        file = project / "pyproject.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("pliable = ", "flexible = "), encoding="utf-8")
        done = environment.run("chainrule", "doctor")
        assert done.returncode == 1
        assert (
            f"chainrule-pliable: the installed entry points must be those of {file}, got others for "
            f'optimizers:flexible, optimizers:pliable. Install it anew: pip install -e "{project}".'
        ) in done.stdout

        environment.install("-e", project)
        assert environment.output("chainrule", "doctor").endswith("nothing is wrong.\n")

        file.write_text("no toml", encoding="utf-8")
        assert f"chainrule-pliable: {file} must be readable" in environment.run("chainrule", "doctor").stdout
        project.rename(project.with_name("elsewhere"))
        assert f"no such folder for its editable install: {project}" in environment.run("chainrule", "doctor").stdout
