import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chainrule.errors import ChainruleError
from chainrule_lab.atomic import check_folder, write_together

OLD = {"report.md": b"old", "results.json": b"old"}
NEW = {"report.md": b"new" * 1000, "results.json": b"new" * 1000, "figure_2.png": b"image"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_folder_gets_all_files_and_the_usual_permissions(tmp_path):
    write_together(tmp_path / "a" / "b", NEW)
    assert contents(tmp_path / "a" / "b") == NEW
    (tmp_path / "made").mkdir()
    assert (tmp_path / "a" / "b").stat().st_mode == (tmp_path / "made").stat().st_mode
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_existing_folder_keeps_what_is_not_ours_and_loses_what_an_earlier_call_left(tmp_path):
    write_together(tmp_path / "out", {**OLD, "figure_1.png": b"old"})
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write_together(tmp_path / "out", NEW, owned=[*NEW, "figure_1.png"])
    assert contents(tmp_path / "out") == {**NEW, "notes.txt": b"mine"}


@pytest.mark.parametrize("existing", [True, False])
def test_an_error_while_writing_leaves_everything_as_it_was(tmp_path, monkeypatch, existing):
    out = tmp_path / "out"
    if existing:
        write_together(out, OLD)
    calls = []

    def fail_at_the_second(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail_at_the_second)
    with pytest.raises(OSError, match="no space left"):
        write_together(out, NEW)
    assert [path.name for path in tmp_path.iterdir()] == ["out"] * existing
    assert not existing or contents(out) == OLD


KILLED = """
import os, signal, sys
from pathlib import Path
from chainrule_lab.atomic import write_together
fsync, count = os.fsync, 0
def kill_at_the_second(descriptor):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = kill_at_the_second
write_together(Path(sys.argv[1]), {"report.md": b"new" * 1000, "results.json": b"new" * 1000})
"""


@pytest.mark.parametrize("existing", [True, False])
def test_a_killed_process_leaves_the_folder_as_it_was(tmp_path, existing):
    out = tmp_path / "out"
    if existing:
        write_together(out, OLD)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert contents(out) == OLD if existing else not out.exists()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ChainruleError, match=r"reproduce: the output must be a folder, got the file .*file\."):
            check_folder("reproduce", out)
    check_folder("reproduce", tmp_path / "not" / "yet")
    check_folder("reproduce", Path("relative"))


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
    with pytest.raises(ChainruleError, match="must be writable"):
        check_folder("reproduce", tmp_path / "out")


def test_a_folder_whose_parent_cannot_be_written_to_is_still_replaced(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_together(out, OLD)
    made = []
    mkdtemp = tempfile.mkdtemp
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **place: made.append(place["dir"]) or mkdtemp(**place))
    write_together(out, NEW)
    assert made == [out]
    assert contents(out) == NEW


@pytest.mark.parametrize("existing", [True, False])
def test_links_stay_links_and_their_targets_are_written(tmp_path, existing):
    out, target, linked = tmp_path / "out", tmp_path / "disk" / "target", tmp_path / "notes.md"
    target.parent.mkdir()
    out.symlink_to(target)
    if existing:
        target.mkdir()
        (target / "report.md").symlink_to(linked)
        linked.write_bytes(b"old")
    check_folder("reproduce", out)
    write_together(out, NEW)
    assert out.is_symlink()
    assert contents(target) == NEW
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    if existing:
        assert (target / "report.md").is_symlink()
        assert linked.read_bytes() == NEW["report.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", *["notes.md"] * existing, "out"]


def test_a_link_to_itself_is_named(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ChainruleError, match=r"reproduce: the output must be a folder, got .*loop"):
        check_folder("reproduce", tmp_path / "loop")
