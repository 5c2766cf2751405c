"""Texts of settings: as short as may be, and different for different values."""

import pytest

from chainrule_lab.bench.results import Point
from chainrule_lab.runs.member_settings import in_words
from chainrule_lab.setting_texts import told_apart

SGD = {"name": "sgd", "momentum": 0.0}


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.00021544346900318845, 0.1], ["0.000215", "0.1"]),
        ([0.12345678, 0.12344321], ["0.1235", "0.1234"]),
        ([0.0, 0.99, 0.995, 0.9999], ["0", "0.99", "0.995", "0.9999"]),
        ([[0.9, 0.995], [0.9, 0.999]], ["0.9, 0.995", "0.9, 0.999"]),
        ([SGD, {"name": "adam", "lr": 0.1}], ["sgd", "adam"]),
        ([SGD, {"name": "sgd", "momentum": 0.9}, "adam"], ["sgd(momentum=0)", "sgd(momentum=0.9)", "adam"]),
        ([{"name": "lookahead", "inner": SGD}, "lookahead"], ["lookahead(inner=sgd(momentum=0))", "lookahead"]),
        ([1, 1.0, True, float("nan")], ["1", "1", "True", "nan"]),
    ],
)
def test_texts_are_short_and_differ_where_values_do(values, texts):
    assert told_apart(values) == texts


def test_members_and_points_of_a_benchmark_are_told_apart():
    assert in_words({"lr": [0.1, 0.1], "momentum": [0.9995, 0.9999]}, 2) == [
        "lr 0.1, momentum 0.9995",
        "lr 0.1, momentum 0.9999",
    ]
    assert in_words({}, 2) == ["", ""]
    assert str(Point.of({"lr": 0.0031622776, "momentum": 0.9995}, "cosine")) == "lr=0.00316, momentum=0.9995, cosine"
