"""``chainrule doctor``: whatever an installed package does, the rest is still looked at."""

import json
import re
import shutil
from importlib import metadata

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


def _whole_report(place, *arguments, **variables):
    done = place.run("chainrule", "doctor", "--json", *arguments, **variables)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    return report


def _report(place, *arguments, disable=()):
    """Return the report on all but chainrule's own components, the import of which takes most of a doctor's time."""
    disabled = ",".join(["dist:chainrule", *disable])
    report = _whole_report(place, *arguments, CHAINRULE_DISABLE=disabled)
    report["findings"] = [
        finding for finding in report["findings"] if (finding["topic"], finding["package"]) != ("blocked", "chainrule")
    ]
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
    "mumble": (
        "import sys, time\nprint('wait', file=sys.stderr)\ntime.sleep(1000)\n",
        "its import did not end within 2 seconds",
        "wait",
    ),
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
    fork = "import os, warnings\nwarnings.simplefilter('ignore')\nif not os.fork():\n    raise ValueError\nos.wait()\n"
    sites.add("a-fork", {"a_fork.py": fork + RULE}, _points(optimizers="a_fork = a_fork:Rule"))
    mute = "import io, sys\nsys.stdout = sys.stderr = io.StringIO()\n"
    sites.add("a-mute", {"a_mute.py": mute + RULE}, _points(optimizers="a_mute = a_mute:Rule"))
    bridge = (
        "from chainrule import Component, hookimpl\n"
        "@hookimpl\n"
        "def chainrule_components():\n"
        "    return [Component(kind='optimizers', name='borrowed', entry_point='borrowed:Rule')]\n"
    )
    sites.add("bridge", {"bridge.py": bridge, "borrowed.py": "1 / 0\n"}, _points(hooks="bridge = bridge"))
    sites.add("crash", {"crash.py": "import os\nos._exit(7)\n"}, _points(hooks="crash = crash"))
    looks_up = "from chainrule.optimizers import borrower\nclass Rule(borrower): pass\n"
    sites.add(
        "innocent",
        {"looks_up.py": looks_up, "borrower.py": RULE},
        _points(optimizers="innocent = looks_up:Rule\nborrower = borrower:Rule"),
    )
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
    assert {finding["package"] for finding in report["findings"]} == {*CRASHES, "bridge", "crash"}
    assert report["total"] - report["loaded"] == len(report["findings"]) == len(CRASHES) + 2


def test_what_a_hook_contributes_is_loaded_too(report):
    assert _told(report, "bridge")["subject"] == "optimizers:borrowed"
    assert "ZeroDivisionError" in _told(report, "bridge")["message"]


def test_a_crashing_hook_is_named_with_the_way_to_leave_it_out(report):
    assert _told(report, "crash")["topic"] == "hook"
    assert "its import ended the process with exit status 7" in _told(report, "crash")["message"]
    assert "CHAINRULE_DISABLE=hooks:crash leaves it out." in _told(report, "crash")["message"]


def test_what_is_disabled_is_a_note_and_not_imported(crashes):
    report = _report(crashes, disable=[*(f"dist:{name}" for name in CRASHES), "dist:bridge", "hooks:crash"])
    assert report["ok"]
    assert {(finding["level"], finding["topic"]) for finding in report["findings"]} == {("note", "blocked")}
    assert _told(report, "crash")["subject"] == "hooks:crash"
    assert report["loaded"] == report["total"]


def test_damaged_metadata_is_told_though_torch_itself_stumbles_over_it(sites):
    sites.add("damaged", {"damaged.py": RULE}, _points(optimizers="damaged = damaged:Rule"))
    sites.install()
    (entry_points,) = sites.folder.glob("site/damaged*/entry_points.txt")
    entry_points.write_text("[chainrule.optimizers]\nno address\n")
    assert "adam" in sites.chainrule("list", "optimizers").stdout
    report = _report(sites)
    assert [finding["topic"] for finding in report["findings"]] == ["metadata", "torch"]
    assert report["findings"][1]["message"].endswith("Mend the metadata named above first.")


def _add_sound(sites, name, **settings):
    sites.add(name, {f"{name}.py": RULE}, _points(optimizers=f"{name} = {name}:Rule"), **settings)


def _package(sites, name, **settings):
    """Install a sound package and return its folder of metadata."""
    _add_sound(sites, name, **settings)
    sites.install()
    (info,) = sites.folder.glob(f"site/{name}-*.dist-info")
    return info


MISFITS = {
    "layers": ("from chainrule import Loss\nclass Part(Loss): pass\n", "got a class that inherits from chainrule.Loss"),
    "schedules": ("Part = 3\n", "it must be a class or a function, got a value of type int"),
    "commands": ("class part: pass\nPart = part\n", "must be a plain function with typer's annotations"),
    "hooks": ("import chainrule\n@chainrule.hookimpl\ndef chainrule_component(): pass\n", "unknown hook"),
}
SCOPES = {
    "scope-list": ("optimizers", "NAMES = ['newton']\n", "must be a dict of reasons, as text, by name, got ['newton']"),
    "scope-kind": ("optimisers", "NAMES = {'newton': 'No.'}\n", "its name must be a kind, such as layers"),
}
REQUIREMENTS = {
    "late": ("chainrule>=99", "late requires chainrule>=99, got chainrule "),
    "garbled": ("chainrule=>1", 'a requirement must be readable, got "chainrule=>1"'),
}
MET = {"fitting": "Chainrule>=0.0.1", "elsewhere": 'chainrule>=99; sys_platform == "nowhere"'}
ORIGINS = {
    "origin_empty": "",
    "origin_text": "not json",
    "origin_list": "[]",
    "origin_without_url": '{"dir_info": {"editable": true}}',
    "origin_of_null": '{"url": "file:///x", "dir_info": null}',
    "origin_of_number": '{"url": 3}',
}
POETRY, STANDARD = "tool.poetry.plugins", "project.entry-points"
TABLES = '[{0}."chainrule.api"]\n1 = "chainrule:API"\n[{0}."chainrule.optimizers"]\n'
CURRENT = {
    "verse": f'{TABLES.format(POETRY)}verse = "verse:Rule"\n',
    "verse_in_both": (
        f'{TABLES.format(POETRY)}other = "other:Rule"\n{TABLES.format(STANDARD)}verse_in_both = "verse_in_both:Rule"\n'
    ),
    "verse_of_hatchling": (
        'build-system.build-backend = "hatchling.build"\nproject.dynamic = ["entry-points"]\n'
        f'{TABLES.format(POETRY)}other = "other:Rule"\n'
    ),
    "verse_in_setup_cfg": 'build-system.build-backend = "setuptools.build_meta"\n',
    "verse_with_spaces": f'{TABLES.format(STANDARD)}verse_with_spaces = " verse_with_spaces : Rule "\n',
}
CHANGED = {
    "prose": (f'{TABLES.format(POETRY)}other = "prose:Rule"\n', "optimizers:other, optimizers:prose"),
    "prose_moved": (
        f'project.name = "prose_moved"\n{TABLES.format(POETRY)}prose_moved = "elsewhere:Rule"\n',
        "optimizers:prose_moved",
    ),
    "prose_dynamic": (
        f'project.dynamic = ["entry-points"]\n{TABLES.format(POETRY)}prose_dynamic = "elsewhere:Rule"\n',
        "optimizers:prose_dynamic",
    ),
    "prose_without_any": ('tool.poetry.name = "prose_without_any"\n', "api:1, optimizers:prose_without_any"),
    "prose_without_contract": (
        f'[{STANDARD}."chainrule.optimizers"]\nprose_without_contract = "prose_without_contract:Rule"\n',
        "api:1",
    ),
}
MISSHAPEN = {
    "tool_of_number": "tool = 3\n",
    "project_of_list": "project = []\n",
    "points_of_number": '[project.entry-points]\n"chainrule.optimizers" = 3\n',
    "points_without_quotes": '[project.entry-points.chainrule.optimizers]\nother = "other:Rule"\n',
    "no_toml": "no toml",
}
TOO_LONG = "x" * 300
VERSIONS = {"version_missing": "", "version_unknown": "Version: unknown\n", "version_odd": "Version: new!\n"}
MARKERS = {"marker_of_version": "python_version ~= 'three'", "marker_of_name": "no_such_variable == '1'"}


@pytest.fixture(scope="module")
def faults(environment, tmp_path_factory):
    """The report on packages each of which is a little off, and the folder of metadata of each."""
    sites = environment.sites(tmp_path_factory.mktemp("faults"))
    _add_misfits(sites)
    projects = {**CURRENT, **{name: text for name, (text, _) in CHANGED.items()}, **MISSHAPEN}
    records = [*ORIGINS, *projects, "too_long", "moved"]
    for name in [*records, *VERSIONS, "extra", "unreadable", "nested", "linked"]:
        entry_point = f"{name} = {name}:Rule{' [very-fast]' if name == 'extra' else ''}"
        needs = "Provides-Extra: very-fast\nRequires-Dist: no-such-package; extra == 'very-fast'\n"
        sites.add(name, {f"{name}.py": RULE}, _points(optimizers=entry_point), metadata=needs)
    markers = {name: f"numpy; {marker}" for name, marker in MARKERS.items()}
    requirements = {name: requirement for name, (requirement, _) in REQUIREMENTS.items()}
    for name, requirement in {**markers, **requirements, **MET}.items():
        _add_sound(sites, name, metadata=f"Requires-Dist: {requirement}\n")
    sites.add("silent", {"silent.py": RULE}, "[chainrule.optimizers]\nsilent = silent:Rule\n")
    sites.install()
    infos = {info.name.partition("-")[0]: info for info in sites.folder.glob("site/*.dist-info")}
    for name, text in ORIGINS.items():
        (infos[name] / "direct_url.json").write_text(text)
    for name in records[len(ORIGINS) :]:
        project = sites.folder / (TOO_LONG if name == "too_long" else name)
        if name in projects:
            project.mkdir()
            (project / "pyproject.toml").write_text(projects[name])
        record = {"url": project.as_uri(), "dir_info": {"editable": True}}
        (infos[name] / "direct_url.json").write_text(json.dumps(record))
    for name, line in VERSIONS.items():
        (infos[name] / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n{line}")
    points = infos["unreadable"] / "entry_points.txt"
    points.unlink()
    points.mkdir()  # which Python takes for no file at all
    (infos["nested"] / "direct_url.json").write_text("[" * 100_000)
    linked = infos["linked"] / "METADATA"
    linked.unlink()
    linked.symlink_to(linked)
    return _report(sites), infos


def _add_misfits(sites):
    """Add packages with components and names out of scope that do not fit their kinds."""
    for kind, (source, _) in MISFITS.items():
        address = f"of_{kind}" if kind == "hooks" else f"of_{kind}:Part"
        sites.add(f"of-{kind}", {f"of_{kind}.py": source}, _points(**{kind: f"part = {address}"}))
    odd = "def part(value: complex) -> None:\n    pass\n"
    sites.add("odd-command", {"odd.py": odd}, _points(commands="odd = odd:part"))
    for name, (kind, source, _) in SCOPES.items():
        module = name.replace("-", "_")
        sites.add(name, {f"{module}.py": source}, _points(out_of_scope=f"{kind} = {module}:NAMES"))


def test_all_that_is_not_a_misfit_is_loaded(faults):
    report, _ = faults
    misfits = [*(f"of-{kind}" for kind in MISFITS), "odd-command", *SCOPES]
    assert report["total"] - report["loaded"] == len(misfits)
    told = [*misfits, *REQUIREMENTS, *ORIGINS, *CHANGED, *MISSHAPEN, *VERSIONS, *MARKERS]
    told += [
        "unreadable",
        "nested",
        "silent",
        "too_long",
        "moved",
        "extra",
        "linked",
        "",
    ]  # the last two of one package
    assert sorted(finding["package"] for finding in report["findings"]) == sorted(told)


@pytest.mark.parametrize("kind", MISFITS)
def test_what_does_not_fit_its_kind_is_told(faults, kind):
    assert MISFITS[kind][1] in _told(faults[0], f"of-{kind}")["message"]


def test_a_command_of_a_type_that_typer_does_not_know_is_told(faults):
    assert "commands:odd must have annotations that typer knows" in _told(faults[0], "odd-command")["message"]


@pytest.mark.parametrize("name", SCOPES)
def test_names_out_of_scope_without_reasons_are_told(faults, name):
    finding = _told(faults[0], name)
    assert finding["topic"] == "scope"
    assert SCOPES[name][2] in finding["message"]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_on_chainrule_that_do_not_fit_are_told(faults, name):
    assert REQUIREMENTS[name][1] in _told(faults[0], name)["message"]


def test_files_of_metadata_that_the_system_refuses_are_told(faults):
    report, infos = faults
    points = infos["unreadable"] / "entry_points.txt"
    assert _told(report, "unreadable")["message"] == f"{points} must be a file that can be read. Reinstall unreadable."
    assert f"{infos['linked']} must hold the metadata of linked, got none" in _told(report, "linked")["message"]
    assert "direct_url.json must be readable, got RecursionError" in _told(report, "nested")["message"]


def test_a_package_that_states_no_contract_is_a_note(faults):
    finding = _told(faults[0], "silent")
    assert finding["level"] == "note"
    assert finding["message"].startswith("silent states no contract. Ask its author to add 1 = ")


@pytest.mark.parametrize("name", ORIGINS)
def test_a_broken_record_of_where_a_package_came_from_is_a_note(faults, name):
    report, infos = faults
    finding = _told(report, name)
    assert (finding["level"], finding["topic"]) == ("note", "metadata")
    assert finding["message"].startswith(f"{name}: {infos[name] / 'direct_url.json'} must be readable, got ")


@pytest.mark.parametrize("name", CHANGED)
def test_entry_points_unlike_those_installed_are_found_in_each_table_that_counts(faults, name):
    finding = _told(faults[0], name)
    assert finding["topic"] == "stale"
    assert f"got others for {CHANGED[name][1]}. Install it anew: pip install -e" in finding["message"]


@pytest.mark.parametrize("name", CURRENT)
def test_entry_points_as_installed_are_found_in_each_table_that_counts(faults, name):
    assert name not in [finding["package"] for finding in faults[0]["findings"]]


@pytest.mark.parametrize("name", MISSHAPEN)
def test_a_pyproject_of_another_shape_is_to_be_corrected(faults, name):
    assert re.match(rf"{name}: .*{name}/pyproject.toml must be readable, got ", _told(faults[0], name)["message"])


def test_a_group_without_quotes_is_told_as_such(faults):
    message = _told(faults[0], "points_without_quotes")["message"]
    assert 'a group of entry points without quotes: write "chainrule.optimizers". Correct it' in message


def test_a_source_folder_that_the_system_refuses_is_named(faults):
    message = _told(faults[0], "too_long")["message"]
    assert f"/{TOO_LONG}/pyproject.toml must be readable, got OSError" in message


def test_an_editable_package_whose_source_folder_is_gone_is_told(faults):
    message = _told(faults[0], "moved")["message"]
    assert re.search(r"no such folder for its editable install: .*/moved\b", message)


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_that_cannot_be_compared_is_a_note(faults, name):
    version = VERSIONS[name].removeprefix("Version: ").strip()
    finding = _told(faults[0], name)
    assert (finding["level"], finding["topic"]) == ("note", "metadata")
    assert finding["message"].startswith(f'{name}: the version must follow PEP 440, got "{version}".')


@pytest.mark.parametrize("name", MARKERS)
def test_a_requirement_whose_marker_cannot_be_evaluated_is_told(faults, name):
    assert "a requirement must be readable, got " in _told(faults[0], name)["message"]


def test_an_extra_with_a_hyphen_is_looked_up_whole(faults):
    message = _told(faults[0], "extra")["message"]
    assert message.endswith('no-such-package, which is not installed. pip install "extra[very-fast]".')


def test_a_package_without_a_version_is_listed_as_unknown(sites):
    (_package(sites, "nameless") / "METADATA").write_text("Metadata-Version: 2.1\nName: nameless\n")
    assert "nameless\tunknown\tdeclared" in sites.chainrule("list", "nameless").stdout


def test_requirements_on_a_chainrule_without_a_proper_version_are_not_judged(sites):
    _package(sites, "late", metadata="Requires-Dist: chainrule>=99\n")
    own = sites.folder / "site" / "chainrule-0.dist-info"
    own.mkdir()
    (own / "METADATA").write_text("Metadata-Version: 2.1\nName: chainrule\nVersion: unknown\n")
    report = _report(sites)
    assert report["versions"]["chainrule"] == "unknown"
    assert [(finding["topic"], finding["package"]) for finding in report["findings"]] == [("shadowed", "chainrule")]


def _empty(info, folder):
    (info.parent / folder).mkdir()


def _copied(info, folder):
    shutil.copytree(info, info.parent / folder)


def _renamed(info, folder):
    info.rename(info.parent / folder)


def _without_metadata(info, folder):
    (info / "METADATA").unlink()


def _of_an_egg(info, folder):
    (info.parent / folder).mkdir()
    (info.parent / folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: chainrule-puma\nVersion: 0.9\n")


LEFTOVERS = {
    "an empty folder": ("liger", "liger-0.0.1.dist-info", _empty),
    "a folder with a tilde": ("tiger", "~iger-0.9.dist-info", _copied),
    "a folder with a tilde and nothing else": ("lion", "~ion-1.0.dist-info", _renamed),
    "a folder without its metadata file": ("lynx", "lynx-1.0.dist-info", _without_metadata),
    "an empty folder of chainrule itself": ("chainrule", "chainrule-0.0.1.dist-info", _empty),
    "an empty folder of what may have been a plugin": ("chainrule-ocelot", "chainrule_ocelot-0.0.1.dist-info", _empty),
    "a folder with a hyphen in the name of its package": ("chainrule-puma", "chainrule-puma.egg-info", _of_an_egg),
}
"""What interrupted upgrades leave: the package that it was of, its folder, and how that comes about."""


@pytest.fixture(scope="module")
def leftovers(environment, tmp_path_factory):
    """The reports on one installation with what is left over, and once all that is deleted.

    Beside them are broken records, empty folders and files that are not UTF-8 of packages that declare nothing, and
    modules in the working folder with the names of Python's and torch's.
    """
    sites = environment.sites(tmp_path_factory.mktemp("leftovers"))
    sites.add("unrelated", {"unrelated.py": ""}, "[console_scripts]\nunrelated = unrelated:main\n")
    sound = {owner: owner.replace("chainrule-", "").replace("chainrule", "sound") for owner, _, _ in LEFTOVERS.values()}
    for name in sound.values():
        _add_sound(sites, name)
    sites.install()
    (info,) = sites.folder.glob("site/unrelated*.dist-info")
    (info / "direct_url.json").write_text("not json")
    info.with_name("unrelated-0.0.1.dist-info").mkdir()
    info.with_name("rich-0.dist-info").mkdir()
    (info.with_name("rich-0.dist-info") / "METADATA").write_bytes(b"Name: r\xefch\n")
    for name in ("torch", "json", "typing"):
        (sites.folder / f"{name}.py").write_text("1 / 0\n")
    for owner, folder, leave in LEFTOVERS.values():
        leave(sites.folder / "site" / f"{sound[owner]}-1.0.dist-info", folder)
    found = _report(sites)
    for _, folder, _ in LEFTOVERS.values():
        shutil.rmtree(sites.folder / "site" / folder)
    return found, _report(sites)


@pytest.mark.parametrize("left", LEFTOVERS)
def test_what_an_interrupted_upgrade_leaves_is_told(leftovers, left):
    owner, folder, _ = LEFTOVERS[left]
    finding = _told(leftovers[0], owner)
    assert (finding["level"], finding["topic"]) == ("wrong", "metadata")
    assert f"/site/{folder}" in finding["message"]
    assert finding["message"].endswith(f"Delete it and reinstall {owner}.")


def test_deleting_what_is_left_over_as_told_ends_it(leftovers):
    before, after = leftovers
    assert not any("pip install chainrule" in finding["message"] for finding in before["findings"])
    assert after["findings"] == []


def test_metadata_of_packages_that_declare_nothing_is_none_of_the_doctors_business(leftovers):
    _, after = leftovers
    assert after["versions"]["rich"] == metadata.version("rich")
    assert after["findings"] == []


def test_modules_in_the_working_folder_are_not_taken_for_those_of_python_or_torch(leftovers):
    _, after = leftovers
    assert after["loaded"] == after["total"] > 0


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
        file = project / "pyproject.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("pliable = ", "flexible = "), encoding="utf-8")
        assert _told(_report(environment), "chainrule-pliable")["message"] == (
            f"chainrule-pliable: the installed entry points must be those of {file}, got others for "
            f'optimizers:flexible, optimizers:pliable. Install it anew: pip install -e "{project}".'
        )

        environment.install("-e", project)
        assert _report(environment)["findings"] == []
