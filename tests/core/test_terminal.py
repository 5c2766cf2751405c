import pytest

from chainrule import console


@pytest.mark.parametrize(("columns", "width"), [("0", 80), ("1", 20), ("19", 20), ("40", 40), ("-5", 80), ("many", 80)])
@pytest.mark.parametrize("stderr", [False, True])
def test_a_console_is_wide_enough_to_print(monkeypatch, capfd, columns, width, stderr):
    monkeypatch.setenv("COLUMNS", columns)
    made = console(stderr=stderr)
    assert made.width == width
    made.print("words")
    assert capfd.readouterr()[stderr] == "words\n"
