"""The paths that commands take: home folders, links, and places that cannot be written."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from chainrule.cli.paths import write_whole

RULE = '''from chainrule import Optimizer


class Down(Optimizer):
    """Go straight down."""

    def update(self, parameter, grad, state, step):
        return grad
'''
CAPPED = """import resource, sys
from chainrule.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
main()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_path_may_begin_with_the_home_folder(packages):
    home = packages.root / "home"
    home.mkdir()
    (home / "rules.py").write_text(RULE, encoding="utf-8")
    for arguments in (
        ["new", "optimizer", "my_rule", "--directory=~/mine"],
        ["stubs", "--out=~/typings"],
        ["check", "optimizer:~/rules.py:Down", "-k", "descends*"],
        ["reproduce", "--figure=2", "--seeds=2", "--epochs=1", "--out=~/report"],
    ):
        done = packages.chainrule(*arguments, HOME=str(home))
        assert done.returncode == 0, done.stderr
    assert {"mine", "report", "typings"} < set(names(home))
    assert names(packages.root) == ["home"]


@pytest.mark.parametrize(
    "arguments",
    [["new", "optimizer", "my_rule", "--directory"], ["stubs", "--out"], ["reproduce", "--out"], ["check"]],
    ids=" ".join,
)
def test_the_home_folder_of_nobody_is_one_line(packages, arguments):
    done = packages.chainrule(*arguments, "~nobody-here/rules.py")
    assert done.returncode == 1
    assert re.fullmatch(
        rf"chainrule: {arguments[0]}: a path with ~ must .* exists, got ~nobody-here/rules.py. Write it out.\n",
        done.stderr,
    )
    assert not names(packages.root)


@pytest.mark.parametrize("arguments", [["new", "optimizer", "my_rule", "--directory"], ["stubs", "--out"]])
def test_a_link_to_a_folder_stays_one(packages, arguments):
    for name, target in (("dangling", "later"), ("link", "folder")):
        (packages.root / name).symlink_to(target)
    (packages.root / "folder").mkdir()
    for name in ("dangling", "link"):
        done = packages.chainrule(*arguments, name)
        assert done.returncode == 0, done.stderr
        assert (packages.root / name).is_symlink()
        assert names(packages.root / name)
    assert names(packages.root) == ["dangling", "folder", "later", "link"]


@pytest.mark.parametrize("arguments", [["new", "optimizer", "my_rule", "--directory"], ["stubs", "--out"]])
@pytest.mark.parametrize("path", ["loop", "file/below", "/proc/none"])
def test_a_place_that_cannot_be_written_is_one_line(packages, arguments, path):
    (packages.root / "loop").symlink_to("loop")
    (packages.root / "file").touch()
    done = packages.chainrule(*arguments, path)
    assert done.returncode == 1
    assert re.fullmatch(rf"chainrule: {arguments[0]}: .*{path}.*\n", done.stderr)
    assert names(packages.root) == ["file", "loop"]


def test_a_file_is_not_written_to_a_link_to_itself(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole({tmp_path / "loop": "text"})


@pytest.mark.parametrize(
    "arguments", [["new", "optimizer", "my_rule", "--directory", "out"], ["stubs", "--out", "out"]]
)
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(packages, arguments):
    if arguments[0] == "stubs":
        assert packages.chainrule(*arguments).returncode == 0
    folder = packages.root / "out" / "chainrule"
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
    done = packages.run("-c", CAPPED, "300", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(rf"chainrule: {arguments[0]}: .* must be writable, got File too large\. .*\n", done.stderr)
    assert names(packages.root) == ["out"] * bool(before)
    assert not before or {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_stub_that_is_a_link_is_written_through_and_a_folder_in_its_place_is_refused(tmp_path):
    target, link, folder = tmp_path / "target.pyi", tmp_path / "link.pyi", tmp_path / "folder.pyi"
    link.symlink_to(target)
    write_whole({link: "text"})
    assert link.is_symlink()
    assert target.read_text() == "text"
    folder.mkdir()
    with pytest.raises(OSError, match="no writable file at"):
        write_whole({link: "other", folder: "other"})
    assert target.read_text() == "text"
    assert names(tmp_path) == ["folder.pyi", "link.pyi", "target.pyi"]


def test_stubs_that_are_not_text_are_not_ours(packages):
    package = packages.root / "typings" / "chainrule"
    package.mkdir(parents=True)
    (package / "__init__.pyi").write_bytes(b"\xe9")
    done = packages.chainrule("stubs")
    assert done.returncode == 1
    assert "exists and was not written by chainrule stubs" in done.stderr


def test_completion_that_cannot_be_installed_is_one_line(packages):
    (packages.root / "file").touch()
    program = f"HOME=file {shlex.quote(sys.executable)} -m chainrule --install-completion; exit $?"
    done = subprocess.run(
        [shutil.which("bash"), "-c", program], cwd=packages.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.fullmatch(r"chainrule: --install-completion: .*file.* must be writable, got .*\n", done.stderr)
