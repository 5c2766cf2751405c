"""What is told where there is no working folder, or none for temporary files."""

import json
import os
import tempfile

import pytest
import typer

from chainrule.cli.command_group import CommandGroup
from chainrule.cli.main import app
from chainrule.errors import ChainruleError

NO_TEMPORARY_FOLDER = (
    "temporary files must have a folder that can be written, got none. Set TMPDIR to a writable folder."
)
NO_WORKING_FOLDER = "the working folder must exist, got one that was removed. Change to a folder that exists."


def refuse(*_):
    raise FileNotFoundError(2, "No such folder")


@pytest.fixture
def no_temporary_folder(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", refuse)


def printed(capsys, *arguments, of=app):
    """Return what a command that ends with 1 prints, without its name."""
    with pytest.raises(SystemExit) as ended:
        typer.main.get_group(of).main(list(arguments))
    assert ended.value.code == 1
    streams = capsys.readouterr()
    return streams.out + streams.err.removeprefix("chainrule: ").rstrip("\n")


@pytest.mark.usefixtures("no_temporary_folder")
def test_check_blames_no_component_for_a_missing_temporary_folder(capsys):
    assert printed(capsys, "check", "tanh") == NO_TEMPORARY_FOLDER


@pytest.mark.usefixtures("no_temporary_folder")
def test_doctor_finds_a_missing_temporary_folder(capsys):
    (finding,) = json.loads(printed(capsys, "doctor", "--json"))["findings"]
    assert (finding["level"], finding["message"]) == ("wrong", NO_TEMPORARY_FOLDER)


def test_doctor_finds_a_missing_working_folder(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "getcwd", refuse)
        text = printed(capsys, "doctor", "--json")
    (finding,) = json.loads(text)["findings"]
    assert (finding["level"], finding["message"]) == ("wrong", NO_WORKING_FOLDER)


commands = typer.Typer(cls=CommandGroup)


@commands.command()
def blames():
    try:
        tempfile.mkdtemp(dir="none" if tempfile.tempdir else None)
    except OSError as error:
        raise ChainruleError("adam: its settings must be usable. Change them.") from error


@commands.command()
def misses():
    raise ChainruleError("no component is called so.")


def test_an_error_that_follows_from_a_missing_temporary_folder_is_told_as_that(capsys, request):
    tempfile.gettempdir()
    assert printed(capsys, "blames", of=commands).startswith("adam: its settings")
    request.getfixturevalue("no_temporary_folder")
    assert printed(capsys, "blames", of=commands) == NO_TEMPORARY_FOLDER
    assert printed(capsys, "misses", of=commands) == "no component is called so."
