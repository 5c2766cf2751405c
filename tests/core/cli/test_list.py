"""``chainrule list``."""

import json
import re
import sys

import pytest

from chainrule.cli import list_command


def _rows(done):
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_a_row_tells_kind_name_summary_package_version_and_state(liger):
    assert _rows(liger.chainrule("list", "optimizers", "liger")) == [
        ["optimizers", "liger", "Step by the sign of an interpolated momentum.", "chainrule-liger", "1.0", "declared"]
    ]


def test_all_kinds_are_listed_in_order(packages):
    kinds = list(dict.fromkeys(row[0] for row in _rows(packages.chainrule("list"))))
    assert kinds[:3] == ["layers", "activations", "losses"]
    assert kinds[-1] == "tasks"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["optimizer", "ada*"], {"adadelta", "adagrad", "adam"}),
        (["optimizers", "prop"], {"rmsprop"}),
        (["*_normal"], {"he_normal", "xavier_normal"}),
        (["layers"], {"linear", "sequential"}),
        (["layers:"], {"linear", "sequential"}),
        (["optimizer:ada*"], {"adadelta", "adagrad", "adam"}),
        (["optimizers", "chainrule:*"], {"adam", "sgd"}),
    ],
)
def test_kind_and_pattern_select(packages, arguments, expected):
    names = {row[1] for row in _rows(packages.chainrule("list", *arguments))}
    assert expected <= names
    assert "relu" not in names


def test_nothing_found_is_an_error_with_a_hint(packages):
    for arguments, hint in ((["optimisers"], '"optimizers"'), (["optimizers", "adm"], '"adam"')):
        done = packages.chainrule("list", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"Did you mean {hint}" in done.stderr


def test_states_are_shown(liger):
    liger.add(
        "other", "[chainrule.optimizers]\nliger = other:Liger\nBad = other:Bad\ncub = other:Cub\n", {"other.py": ""}
    )
    listed = _rows(liger.chainrule("list", "optimizers", CHAINRULE_DISABLE="optimizers:cub"))
    states = {(row[1], row[3]): row[5] for row in listed}
    assert states["liger", "chainrule-liger"] == states["liger", "other"] == "ambiguous"
    assert states["Bad", "other"] == "invalid"
    assert states["cub", "other"] == "blocked"


def test_json_has_the_same_columns(liger):
    done = liger.chainrule("list", "optimizers", "liger", "--json")
    (row,) = json.loads(done.stdout)
    assert list(row.values()) == _rows(liger.chainrule("list", "optimizers", "liger"))[0]
    assert list(row) == ["kind", "name", "summary", "package", "version", "state"]


def test_unreadable_metadata_is_told_on_stderr_and_stops_nothing(liger):
    liger.add("garbled", b"[chainrule.optimizers]\n\xff = x:Y\n")
    done = liger.chainrule("list", "optimizers", "liger")
    assert len(_rows(done)) == 1
    assert done.stderr.startswith("chainrule: The metadata of a distribution in ")


def test_a_name_that_is_missing_since_metadata_cannot_be_read_is_answered_with_that(liger):
    liger.add("garbled", b"[chainrule.optimizers]\n\xff = x:Y\n")
    done = liger.chainrule("list", "optimizers", "garbled")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Also: The metadata of a distribution in " in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_plugin_that_cannot_be_imported_is_listed(packages):
    packages.add("broken", "[chainrule.optimizers]\nbroken = broken:Liger\n", {"broken.py": "raise SystemExit(3)"})
    assert _rows(packages.chainrule("list", "broken"))[0][1:3] == ["broken", ""]


def test_listing_imports_neither_torch_nor_rich_nor_any_plugin(liger):
    printed = liger.python(
        "import sys\n"
        "from chainrule.cli.main import main\n"
        "sys.argv = ['chainrule', 'list']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(tops & {'torch', 'rich', 'chainrule_plugins', 'chainrule_lab', 'liger_package'})"
    )
    assert printed.splitlines()[-1] == "set()"


ROWS = [
    ("layers", "linear", "An affine map of the last axis.", "chainrule", "1.0", "declared"),
    ("optimizers", "adam", "Adaptive moments.", "chainrule", "1.0", "declared"),
    ("optimizers", "liger", "Step by the sign of an interpolated momentum.", "chainrule-liger", "2.0", "ambiguous"),
]


def _table(monkeypatch, capsys, width, rows):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    list_command._print_table([dict(zip(list_command.COLUMNS, row, strict=True)) for row in rows])
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()


@pytest.mark.parametrize(
    ("width", "last"),
    [
        (90, "  liger   Step by the sign of an interpolated momentum.  chainrule-liger 2.0  ambiguous"),
        (72, "  liger   Step by the sign of an interp…  chainrule-liger 2.0  ambiguous"),
        (62, "  liger   Step by the sign of an interpolated mome…  ambiguous"),
        (24, "  liger   ambiguous"),
    ],
)
def test_a_terminal_gets_the_columns_that_fit_under_each_kind(monkeypatch, capsys, width, last):
    lines = _table(monkeypatch, capsys, width, ROWS)
    assert [line.split()[0] for line in lines] == ["layers", "linear", "optimizers", "adam", "liger"]
    assert (lines[2], lines[-1]) == ("optimizers (2)", last)


def test_the_source_that_all_share_is_named_once(monkeypatch, capsys):
    lines = _table(monkeypatch, capsys, 80, ROWS[:2])
    assert lines[1:] == [
        "  linear  An affine map of the last axis.",
        "optimizers (1)",
        "  adam    Adaptive moments.",
        "2 from chainrule 1.0",
    ]


def test_an_empty_table_says_so(monkeypatch, capsys):
    assert _table(monkeypatch, capsys, 80, []) == ["None is installed."]


def test_a_terminal_that_tells_no_width_gets_a_table_too(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "0")
    list_command.list_components("optimizers", "adam")
    assert "adam" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["list", "tasks"], ["show", "circle"], ["list", "tasks", "--json"]])
def test_where_the_encoding_lacks_a_symbol_it_is_escaped(packages, arguments):
    done = packages.chainrule(*arguments, PYTHONIOENCODING="iso8859-5")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\u221a" in done.stdout
