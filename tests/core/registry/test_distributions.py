"""Metadata of other packages, or what is left of it, hides no component and changes no version."""

import shutil
import sys
from importlib import import_module, metadata

import pytest

from chainrule.registry.distributions import licence_of, name_of, owner_of, version_of

POINTS = "[chainrule.optimizers]\nliger = liger_package:Liger\n"
HEADER = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"


def _empty(site, info):
    for version in range(8):  # the order in which a folder is listed is the file system's
        (site / f"chainrule_liger-0.0.{version}.dist-info").mkdir()
        (site / f"chainrule-0.0.{version}.dist-info").mkdir()


def _set_aside(site, info):
    shutil.copytree(info, site / "~hainrule_liger-0.9.dist-info")


def _egg(site, info):
    (site / "chainrule-liger.egg-info").mkdir()
    (site / "chainrule-liger.egg-info" / "PKG-INFO").write_text(HEADER.format("chainrule-liger", "1.0"))
    (site / "chainrule-liger.egg-info" / "entry_points.txt").write_text(POINTS)


def _another_ones_metadata(site, info):
    (site / "chainrule_liger-0.8.dist-info").mkdir()
    (site / "chainrule_liger-0.8.dist-info" / "METADATA").write_text(HEADER.format("unrelated", "3"))
    (site / "chainrule-0.dist-info").mkdir()
    (site / "chainrule-0.dist-info" / "METADATA").write_text(HEADER.format("unrelated", "3"))


def _hyphens(site, info):
    info.rename(site / "chainrule-liger-1.0.dist-info")


def _another_folder(site, info):
    info.rename(site / "unrelated-1.0.dist-info")


def _link_to_itself(site, info):
    for name in ("chainrule", "chainrule_liger"):
        other = site / f"{name}-0.dist-info"
        other.mkdir()
        (other / "METADATA").symlink_to(other / "METADATA")


def _spaces(site, info):
    (info / "METADATA").write_text("Name:  Chainrule_Liger \nVersion:  1.0 \n")


def _latin_1(site, info):
    with (info / "METADATA").open("ab") as file:
        file.write("Author: Zoë\n".encode("latin-1"))


FAULTS = {
    "empty folders of other versions": _empty,
    "a folder that pip has set aside": _set_aside,
    "a copy as egg-info with a hyphen": _egg,
    "the metadata of another package": _another_ones_metadata,
    "a folder with hyphens": _hyphens,
    "metadata that is a link to itself": _link_to_itself,
    "metadata with spaces": _spaces,
    "a folder of another name": _another_folder,
    "metadata that is not UTF-8": _latin_1,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("folder", ["site", "before"])
def test_nothing_is_hidden_and_every_version_is_right(liger, fault, folder):
    site = liger.root / folder
    site.mkdir(exist_ok=True)
    fault(site, liger.root / "site" / "chainrule_liger-1.0.dist-info")
    if folder == "before":
        liger.folders.insert(0, site)
    printed = liger.python(
        "import chainrule\nfrom chainrule import registry\n"
        "found = registry.resolve('liger')\n"
        "print(found.full_name, found.version, registry.state(found), registry.problems())\n"
        "print(chainrule.get('optimizers', 'liger').__name__, registry.resolve('adam').version)\n"
        "print(chainrule.__version__)"
    ).splitlines()
    own = metadata.version("chainrule")  # of this process, which has none of the faults
    printed[0] = printed[0].replace("Chainrule_Liger", "chainrule-liger")
    assert printed == ["chainrule-liger:liger 1.0 declared []", f"Liger {own}", own]


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("METADATA", None, "it has no Name"),
        ("METADATA", b"Metadata-Version: 2.1\nVersion: 1.0\n", "it has no Name"),
        ("entry_points.txt", b"[chainrule.optimizers]\nmy.liger\n", "TypeError"),
        (
            "entry_points.txt",
            b"\xef\xbb\xbf[chainrule.optimizers]\nx = x:Y\n",
            "ValueError: entry_points.txt begins with",
        ),
        ("entry_points.txt", b"[chainrule.optimizers]\n\xff = x:Y\n", "UnicodeDecodeError"),
    ],
)
def test_what_cannot_be_read_is_a_problem_that_names_its_folder(liger, file, text, reason):
    liger.add("garbled", POINTS.replace("liger", "garbled"))
    path = liger.root / "site" / "garbled-1.0.dist-info" / file
    path.write_bytes(text) if text is not None else path.unlink()
    printed = liger.python(
        "from chainrule import registry; print(*registry.problems()); print('liger' in registry.names('optimizers'))"
    )
    assert printed.startswith(f"The metadata of a distribution in {path.parent} cannot be read ({reason}")
    assert printed.endswith("Reinstall it.\nTrue\n")


def test_a_package_of_which_only_a_set_aside_folder_is_left_is_a_problem(liger):
    info = liger.root / "site" / "chainrule_liger-1.0.dist-info"
    aside = info.rename(info.with_name("~hainrule_liger-1.0.dist-info"))
    message = liger.error("chainrule.get('optimizers', 'liger')")
    assert (
        f"Also: The metadata of a distribution in {aside} cannot be read (its installation was interrupted)" in message
    )


def test_new_takes_leftovers_for_no_installed_package(packages):
    (packages.root / "site" / "nothing-1.dist-info").mkdir(parents=True)
    (packages.root / "site" / "latin-1.dist-info").mkdir()
    (packages.root / "site" / "latin-1.dist-info" / "METADATA").write_bytes(b"Name: \xe9\n")
    packages.folders.append(packages.root / "site")
    done = packages.chainrule("new", "optimizer", "fresh_rule")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_python_does_not_import_from_is_not_searched(liger):
    printed = liger.python(
        "import sys, pathlib\n"
        "sys.path += [pathlib.Path('site'), b'site', None, 3, '/nowhere', '']\n"
        "from chainrule import registry\n"
        "print('liger' in registry.names('optimizers'), registry.problems())"
    )
    assert printed == "True []\n"


@pytest.fixture
def zoo(packages, monkeypatch):
    """Two distributions that share the namespace package ``zoo``, of which one has a record of its files."""
    packages.add("zoo-ant", "[chainrule.optimizers]\nant = zoo.ant:Ant\nbee = zoo.bee.rule:Bee\n", {"zoo/ant.py": ""})
    modules = {"zoo/bee/__init__.py": "", "zoo/bee/rule.py": "", "zoo/bee/base.py": ""}
    packages.add("zoo-bee", "[chainrule.optimizers]\nbee = zoo.bee.rule:Bee\n", modules)
    site = packages.folders[0]
    (site / "zoo_bee-1.0.dist-info" / "RECORD").write_text("zoo/bee/__init__.py,,\nzoo/bee/rule.py,,\n")
    monkeypatch.syspath_prepend(site)
    for name in ("zoo.ant", "zoo.bee.rule", "zoo.bee.base"):
        import_module(name)
    yield site
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("module", "owner"),
    [("zoo.ant", "zoo-ant"), ("zoo.bee.rule", "zoo-bee"), ("zoo.bee.base", "zoo-bee"), ("zoo", None), ("zoos", None)],
)
def test_a_module_belongs_to_the_distribution_that_has_it_in_a_shared_namespace(zoo, module, owner):
    found = owner_of(module)
    assert (None if found is None else name_of(found)) == owner


def test_damaged_metadata_of_others_hides_no_owner(zoo):
    _empty(zoo, None)
    for name, files in {
        "latin": {"METADATA": b"Name: latin\nAuthor: \xeb\n", "RECORD": b"\xeb,,\n", "top_level.txt": b"\xeb"},
        "zoo_bee-0.9": {"RECORD": b"zoo/bee/rule.py,,\n", "top_level.txt": b"zoo\n"},
    }.items():
        (zoo / f"{name}.dist-info").mkdir()
        for file, content in files.items():
            (zoo / f"{name}.dist-info" / file).write_bytes(content)
    assert version_of(owner_of("zoo.bee.rule")) == "1.0"
    assert name_of(owner_of("zoo.ant")) == "zoo-ant"


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ("License-Expression: MIT\nLicense: of old", "MIT"),
        ("License: BSD\n        Copyright", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\nClassifier: A :: B", "MIT License"),
        ("Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Other", "MIT License, Other"),
        ("Classifier: Topic :: License", ""),
    ],
)
def test_a_licence_is_that_of_a_field_or_of_classifiers(tmp_path, lines, licence):
    (tmp_path / "METADATA").write_text(f"Name: stated\n{lines}\n")
    assert licence_of(metadata.PathDistribution(tmp_path)) == licence
