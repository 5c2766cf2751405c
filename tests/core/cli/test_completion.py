"""Completion of commands, kinds and names in bash, zsh and fish, from metadata alone."""

import os
import shutil
import subprocess
import sys

import pytest
import typer

from chainrule.cli.main import app

BASH = shutil.which("bash")
MAIN = "from chainrule.cli.main import main; main()"


def _bash(packages, line):
    words = line.split(" ")
    variables = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    return _completed(packages, _CHAINRULE_COMPLETE="complete_bash", **variables)


def _zsh(packages, line):
    return _completed(packages, _CHAINRULE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)


def _fish(packages, line):
    variables = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return _completed(packages, _CHAINRULE_COMPLETE="complete_fish", **variables)


def _completed(packages, **variables):
    return packages.run("-W", "error", "-c", MAIN, **variables).stdout


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "offered", "left_out"),
    [
        ("chainrule show li", ["linear", "liger"], "adam"),
        ("chainrule check li", ["linear", "liger"], "adam"),
        ("chainrule list opt", ["optimizers"], "layers"),
        ("chainrule new opt", ["optimizer"], "layer"),
        ("chainrule do", ["doctor"], "list"),
        ("chainrule gr", ["greet"], "list"),
    ],
)
def test_what_was_begun_is_completed(liger, shell, line, offered, left_out):
    liger.add("greeter", "[chainrule.commands]\ngreet = greeter:greet\n", {"greeter.py": "1 / 0"})
    completed = SHELLS[shell](liger, line)
    assert all(name in completed for name in offered)
    assert left_out not in completed


def test_a_name_with_its_kind_is_completed(liger):
    assert "optimizers:liger" in _fish(liger, "chainrule show optimizers:li")


def test_a_name_that_cannot_be_used_is_not_offered(liger):
    liger.add("odd", "[chainrule.optimizers]\nliger-odd = odd:Rule\n")
    assert _bash(liger, "chainrule show lig").split() == ["liger"]
    variables = {"_CHAINRULE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    blocked = _completed(
        liger, **variables, _TYPER_COMPLETE_ARGS="chainrule show lig", CHAINRULE_DISABLE="optimizers:liger"
    )
    assert blocked.split() == []


def test_a_path_is_left_to_the_shell_which_completes_files(liger):
    for begun in ("./", "./liger_package.py", "optimizers:./"):
        assert _fish(liger, f"chainrule check {begun}").split() == []


def test_what_a_hook_prints_is_not_offered(liger):
    liger.add("chatty", "[chainrule.hooks]\nchatty = chatty\n", {"chatty.py": "print('liger_from_a_hook')\n"})
    assert _bash(liger, "chainrule show lig").split() == ["liger"]


def test_a_name_with_its_package_is_completed(liger):
    assert _fish(liger, "chainrule show chainrule-liger:").split() == ["chainrule-liger:liger"]
    assert _bash(liger, "chainrule show chainrule-liger : l").split() == ["liger"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("chainrule show optimizers : li", ["liger"]),
        ("chainrule check adam optimizers : li", ["liger"]),
        ("chainrule show initializers :", ["constant", "zeros"]),
        ("chainrule show layers : li", ["linear"]),
    ],
)
def test_bash_which_splits_words_at_colons_gets_what_follows_the_colon(liger, line, expected):
    completed = _bash(liger, line).split()
    assert set(expected) <= set(completed)
    assert not any(":" in name for name in completed)
    assert "adam" not in completed


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_bash_completes_with_its_script(liger):
    command = liger.root / "chainrule"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error -m chainrule "$@"\n')
    command.chmod(0o755)
    script = liger.run("-c", MAIN, _CHAINRULE_COMPLETE="source_bash").stdout
    lines = [
        script,
        "COMP_WORDS=(chainrule show optimizers : lig) COMP_CWORD=4",
        "_chainrule_completion ./chainrule",
        'echo "${COMPREPLY[@]}"',
    ]
    variables = {**os.environ, "PYTHONPATH": str(liger.folders[0])}
    done = subprocess.run(
        [BASH, "-c", "\n".join(lines)], cwd=liger.root, env=variables, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("liger\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(packages, shell):
    script = packages.run("-W", "error", "-c", MAIN, _CHAINRULE_COMPLETE=f"source_{shell}").stdout
    assert f"_CHAINRULE_COMPLETE=complete_{shell}" in script


def test_the_help_says_how_to_install_completion(packages):
    assert {"--install-completion", "--show-completion"} <= set(packages.chainrule("--help").stdout.split())


def test_completing_imports_neither_torch_nor_any_plugin(liger):
    code = (
        "import sys\n"
        "from chainrule.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(tops & {'torch', 'chainrule_plugins', 'chainrule_lab', 'liger_package'})"
    )
    variables = {"_CHAINRULE_COMPLETE": "complete_bash", "COMP_WORDS": "chainrule\nshow\nli", "COMP_CWORD": "2"}
    assert liger.run("-c", code, **variables).stdout.splitlines()[-1] == "set()"


def test_a_home_that_cannot_be_written_to_is_told_in_one_line(monkeypatch, capsys):
    def refuse():
        raise PermissionError(13, "Permission denied", "home/.bashrc")

    monkeypatch.setattr("typer.completion.install", refuse)
    with pytest.raises(SystemExit, match="1"):
        typer.main.get_command(app)(["--install-completion"], prog_name="chainrule")
    assert capsys.readouterr().err == (
        "chainrule: --install-completion: home/.bashrc must be writable, got Permission denied. "
        "Put the output of --show-completion where your shell reads it.\n"
    )
