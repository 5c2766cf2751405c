"""The table of results, and what it is exported as."""

import csv
import io
import json
import math
from http import HTTPStatus

import numpy
import pytest

from chainrule import ArgumentError, ChainruleError, UnknownCurveError
from chainrule_lab.sweep.export import csv_bytes, json_bytes, parquet_bytes
from chainrule_lab.sweep.results import Results, Row


def row(loss, accuracy=0.5, **settings):
    curves = {"validation_loss": [3.0, loss], "validation_accuracy": [0.1, accuracy]}
    return Row({**settings, "seed": 0}, curves, not math.isfinite(loss), 0.25)


RESULTS = Results(
    "rates",
    [
        row(math.nan, lr=1.0, sizes=[2, 3], act={"name": "relu"}),
        row(0.5, 0.75, lr=0.1, sizes=[2], act="tanh"),
        row(0.25, lr=0.01, sizes=[2], act=None),
    ],
)


def test_the_best_is_the_lowest_or_highest_at_the_end_and_never_what_diverged():
    assert RESULTS.best()["lr"] == 0.01
    assert RESULTS.best("validation_accuracy", largest=True)["lr"] == 0.1
    assert RESULTS[:1].best()["lr"] == 1.0
    assert RESULTS.rows[0].lowest("validation_loss") == 3.0
    assert RESULTS.where(lr=0.1).rows == RESULTS.where(lr=numpy.float32(0.1)).rows == RESULTS.rows[1:2]
    assert len(RESULTS.where(sizes=numpy.int64(4))) == 0
    assert RESULTS.where(sizes=(2, 3)).rows == RESULTS.where(sizes=numpy.array([2, 3])).rows == RESULTS.rows[:1]


@pytest.mark.parametrize("given", [{}, {"largest": "max"}])
def test_whether_more_of_a_curve_is_better_is_told_unless_it_is_a_loss(given):
    with pytest.raises(ArgumentError, match=r"^sweep: best needs largest=True or False for the curve validation_accu"):
        RESULTS.best("validation_accuracy", **given)
    assert RESULTS.best("validation_accuracy", largest=False)["lr"] == 1.0
    assert RESULTS.best("validation_loss", largest=True)["lr"] == 0.1


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: RESULTS.best(mode="max"), 'best: takes no argument "mode". It takes curve and largest.'),
        (lambda: RESULTS.to_pandas(), 'results: has no "to_pandas". Write pandas.DataFrame(results.table()).'),
        (lambda: RESULTS.best_params_, 'results: has no "best_params_". Write results.best("validation_loss").setting'),
        (lambda: RESULTS.plot(), 'results: has no "plot". Draw the columns of results.table(), or write chainrule swe'),
        (lambda: RESULTS.where({"lr": 0.1}), "where: takes arguments by name, got {'lr': 0.1}. Write where(NAME=…)."),
        (lambda: RESULTS.where(rate=0.1), 'sweep: no setting is called "rate". It has lr, sizes, act, seed.'),
        (lambda: RESULTS.where(validation_lr=0.1), 'sweep: no setting is called "validation_lr". It has lr, sizes, a'),
        (lambda: RESULTS.where(seeds=0), 'sweep: no setting is called "seeds". Did you mean "seed"?'),
        (lambda: RESULTS[1].lr, 'row: has no "lr" but in its settings. Write row["lr"].'),
        (lambda: RESULTS[1].validation_loss, 'row: has no "validation_loss" but in its curves. Write row["validation'),
        (lambda: RESULTS[1].params, 'row: has no "params". Write row.settings.'),
        (lambda: RESULTS[1].network, 'row: has no "network". A sweep keeps none: build and fit one with row.settings.'),
        (lambda: RESULTS[1].curvs, 'row: has no "curvs". Did you mean "curves"?'),
        (lambda: RESULTS.serched, 'results: has no "serched". Did you mean "searched"?'),
    ],
)
def test_likely_names_of_others_are_answered_with_what_to_write(mistake, words):
    with pytest.raises(ChainruleError) as caught:
        mistake()
    assert str(caught.value).startswith(words)


def test_what_is_not_there_is_told_in_one_line():
    with pytest.raises(
        UnknownCurveError, match=r'no curve is called "validation_los"\. Did you mean "validation_loss"\?'
    ):
        RESULTS.best("validation_los")
    with pytest.raises(
        UnknownCurveError, match=r'no setting or curve is called "rate"\. It has lr, sizes, act, seed, va'
    ):
        RESULTS[0]["rate"]
    for none in (RESULTS[:0], RESULTS.where(lr=0.5), RESULTS[:0].where(rate=1)):
        with pytest.raises(ChainruleError, match=r"got none of rates\. Run the sweep first, or choose settings that "):
            none.best()


@pytest.mark.parametrize(
    "look",
    [lambda: RESULTS.best(0), lambda: RESULTS.best(["a"]), lambda: RESULTS[0][0], lambda: RESULTS[0].curve(["a"])],
)
def test_a_curve_has_a_name(look):
    with pytest.raises(UnknownCurveError, match=r"^sweep: no (setting or )?curve is called "):
        look()


def test_rows_have_numbers():
    with pytest.raises(ArgumentError, match=r"^sweep: results have rows by number, got 'lr'\. Write \[row\["):
        RESULTS["lr"]
    assert RESULTS[numpy.int64(1)] is RESULTS.rows[1]


def test_csv_has_a_line_for_each_trial():
    rows = list(csv.DictReader(io.StringIO(csv_bytes(RESULTS).decode())))
    assert list(rows[0]) == [
        "lr",
        "sizes",
        "act",
        "seed",
        "validation_loss",
        "validation_accuracy",
        "diverged",
        "seconds",
    ]
    assert [float(one["validation_loss"]) for one in rows[1:]] == [0.5, 0.25]
    assert (rows[0]["validation_loss"], rows[0]["diverged"], rows[0]["sizes"]) == ("nan", "true", "[2, 3]")


def test_json_is_strict_and_has_the_whole_curves():
    found = json.loads(json_bytes(RESULTS), parse_constant=lambda name: pytest.fail(name))
    assert found["trials"][0]["curves"]["validation_loss"] == [3.0, None]
    assert found["trials"][2]["settings"] == {"lr": 0.01, "sizes": [2], "act": None, "seed": 0}


def test_parquet_has_typed_columns_and_the_whole_curves():
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(io.BytesIO(parquet_bytes(RESULTS)))
    assert table["lr"].to_pylist() == [1.0, 0.1, 0.01]
    assert table["diverged"].to_pylist() == [True, False, False]
    assert table["act"].to_pylist() == ['{"name": "relu"}', "tanh", "null"]
    assert table["validation_loss_curve"].to_pylist()[1] == [3.0, 0.5]
    assert math.isnan(table["validation_loss"].to_pylist()[0])


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([[{"name": "linear", "n": 1}, "relu"], ["tanh"]], ['[{"name": "linear", "n": 1}, "relu"]', '["tanh"]']),
        ([[1, "a"], ["b", None]], ['[1, "a"]', '["b", null]']),
        ([[1], [[1]]], ["[1]", "[[1]]"]),
        ([[[1, 2], [3]], [[]]], ["[[1, 2], [3]]", "[[]]"]),
        ([[], []], ["[]", "[]"]),
        ([{"a": 1}, {"b": [1]}], ['{"a": 1}', '{"b": [1]}']),
        ([2**63, 1], ["9223372036854775808", "1"]),
        ([2**2000, 0.5], [str(2**2000), "0.5"]),
        ([math.nan, "a"], ["nan", "a"]),
        ([2**60 + 1, 0.5], [2.0**60, 0.5]),
        ([[2**60 + 1, 0.5], [1]], [[2.0**60, 0.5], [1.0]]),
        ([["a"], []], [["a"], []]),
        ([HTTPStatus.OK, 1], [200, 1]),
        ([None, 1], [None, 1]),
        ([0.5, None, 1], [0.5, None, 1.0]),
        ([[0.5, 1], None], [[0.5, 1.0], None]),
        ([None, None], ["null", "null"]),
        ([None, "a", 1], ["null", "a", "1"]),
    ],
)
def test_settings_without_a_type_of_parquet_are_text_as_in_the_csv(values, column):
    pq = pytest.importorskip("pyarrow.parquet")
    results = Results("settings", [row(0.5, z=value) for value in values])
    assert pq.read_table(io.BytesIO(parquet_bytes(results)))["z"].to_pylist() == column
    if isinstance(column[0], str):
        assert [one["z"] for one in csv.DictReader(io.StringIO(csv_bytes(results).decode()))] == column


def test_a_curve_that_some_rows_lack_stays_numbers_in_parquet():
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [row(0.5, lr=1), Row({"lr": 1, "steps": "many"}, {"validation_loss": [3.0]}, False, 0.25)]
    table = pq.read_table(io.BytesIO(parquet_bytes(Results("metrics", rows))))
    assert table["validation_accuracy"].to_pylist() == [0.5, None]
    assert table["validation_accuracy_curve"].to_pylist() == [[0.1, 0.5], None]
    assert table["steps"].to_pylist() == [None, "many"]


def test_no_trials_are_a_file_without_rows():
    assert csv_bytes(RESULTS[:0]).decode().strip() == ""
    assert json.loads(json_bytes(RESULTS[:0]))["trials"] == []
