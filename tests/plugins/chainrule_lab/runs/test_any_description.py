"""Descriptions and files of all sorts: each is a run, or one line that begins with the file's name."""

import copy
import datetime
import tomllib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule import ChainruleError, components
from chainrule.registry import KINDS, load
from chainrule_lab.runs.description import KEYS, RunDescription
from chainrule_lab.runs.parts import completed
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.tables import parts_of
from chainrule_lab.runs.toml_file import keys_of, setting, to_toml

NESTED = {
    "data": {"file": "points.csv", "x": ["a", "b"], "y": "c", "validation": 0.2, "test": 0.1, "seed": 3},
    "network": [
        {"name": "linear", "in_features": 2, "out_features": 8, "weight_init": {"name": "xavier_normal", "gain": 1.5}},
        {"name": "residual", "modules": [{"name": "mlp", "sizes": [8, 8], "activation": "tanh"}, "relu"]},
        {"name": "linear", "in_features": 8, "out_features": 2},
    ],
    "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
    "optimizer": {
        "name": "lookahead",
        "inner": {
            "name": "adam",
            "lr": [0.001, 0.01],
            "betas": [0.9, 0.99],
            "schedule": {"name": "warmup", "warmup_steps": 3, "inner": {"name": "cosine", "total_steps": 50}},
        },
    },
    "metrics": ["accuracy", {"name": "f1", "average": "macro"}],
    "callbacks": [{"name": "early_stopping", "patience": 3}, "best"],
    "seeds": [3, 4],
    "epochs": 3,
    "clip_norm": 1.0,
}

NAMES = [one.name for one in components() if not one.foreign]

MODULES = ("layers", "activations")
OF_KINDS = {"network": MODULES, "loss": ("losses",), "optimizer": ("optimizers",), "metrics": ("metrics",)}


@cache
def tables(*kinds):
    """Return a complete table for each example of each component of some kinds."""
    place = Place("RUN.toml", Path())
    records = [one for kind in kinds for one in components(kind) if not one.foreign]
    examples = [one[0] if isinstance(one, tuple) else one for record in records for one in load(record).examples()]
    return [completed(parts_of(place, one, kinds)) for one in examples]


@st.composite
def varied(draw):
    """Return a description with other components at some places, each an example of its own."""
    description = copy.deepcopy(NESTED)
    for key, kinds in OF_KINDS.items():
        one = st.sampled_from(tables(*kinds)).map(copy.deepcopy)
        if draw(st.booleans()):
            table = draw(st.lists(one, min_size=1, max_size=3) if key in ("network", "metrics") else one)
            description[key] = {f"m{i}": each for i, each in enumerate(table)} if key == "metrics" else table
    for key, numbers in {
        "epochs": st.integers(1, 9),
        "clip_norm": st.floats(0.1, 9),
        "batch_size": st.integers(1, 99),
    }.items():
        description[key] = draw(numbers)
    return description


scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-2, 9),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [*NAMES, *KEYS, "none", "name", "FILE.py:Class", "chainrule:adam", "optimizers:adam", "~nobody/x.py:A"]
    ),
    st.dates(max_value=datetime.date(2030, 1, 1)),
)
values = st.recursive(
    scalars,
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["name", "inner", "lr", "modules"]), st.text(max_size=5)), inside, max_size=4
        ),
        st.fixed_dictionaries({"name": st.sampled_from(NAMES)}),
    ),
    max_leaves=8,
)


def places(value, keys=()):
    """Yield the keys of everything inside a description."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*keys, key)
        yield from places(inner, (*keys, key))


PLACES = list(places(NESTED))


@st.composite
def changed(draw):
    """Return a description with other values, or keys, at some places."""
    description = copy.deepcopy(NESTED)
    for keys in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        held = description
        try:
            for key in keys[:-1]:
                held = held[key]
            held[keys[-1]] = draw(values)
            if isinstance(held, dict) and draw(st.booleans()):
                held[draw(st.text(max_size=6))] = held.pop(keys[-1])
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change removed the place
    return description


def unless_refused(beginning, read):
    """Return what was read, or None where it is refused in one line with this beginning."""
    try:
        return read()
    except ChainruleError as error:
        message = str(error)
    assert message.startswith(beginning)
    assert "\n" not in message
    return None


def is_a_run(mapping, folder):
    """Return whether it is a run, which then reads back from its own file to an equal one."""
    run = unless_refused("RUN.toml: ", lambda: RunDescription.of(mapping, where="RUN.toml", folder=folder))
    if run is None:
        return False
    text = to_toml("test", run.complete())
    again = RunDescription.of(tomllib.loads(text), where="run.toml")
    assert again == run
    assert to_toml("test", again.complete()) == text
    return True


def damaged(content, draw):
    """Return bytes cut short, and with some bits flipped."""
    content = bytearray(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)
    for place in draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=4)):
        if content:
            content[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


def check_descriptions(examples, folder):
    """Return how many descriptions were checked, and how many of them were runs."""
    counts = [0, 0]

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(varied(), changed(), st.dictionaries(st.sampled_from(KEYS), values, max_size=5)))
    def check(mapping):
        counts[0] += 1
        counts[1] += is_a_run(mapping, folder)

    check()
    return counts


def check_files(examples, folder):
    """Return how many files were read."""
    counts = [0]
    whole = to_toml("test", RunDescription.of(NESTED, folder=folder).complete()).encode()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data):
        counts[0] += 1
        file = folder / "RUN.toml"
        file.write_bytes(damaged(whole, data.draw) if data.draw(st.booleans()) else data.draw(st.binary(max_size=60)))
        unless_refused(f"{file}: ", lambda: RunDescription.read(file))

    check()
    return counts[0]


def test_any_description_is_a_run_or_one_line(tmp_path):
    assert check_descriptions(15, tmp_path)[0] >= 15


def test_any_file_is_a_run_or_one_line(tmp_path):
    assert check_files(15, tmp_path) >= 15


@given(st.text(max_size=20))
def test_any_setting_and_key_is_read_or_one_line(text):
    unless_refused("--set: ", lambda: setting(text))
    unless_refused("RUN.toml: ", lambda: keys_of("RUN.toml", text))


@pytest.mark.slow
def test_two_thousand_descriptions_and_files_are_runs_or_one_line(tmp_path):
    described, runs = check_descriptions(1500, tmp_path)
    files = check_files(700, tmp_path)
    print(f"{described} descriptions, {runs} of them runs, and {files} files")
    assert described + files >= 2000
    assert runs >= 50


@pytest.mark.parametrize(
    "kinds", [MODULES, *((kind,) for kind in KINDS if kind not in (*MODULES, "callbacks", "tasks"))]
)
def test_every_example_of_every_component_is_described_by_a_table(kinds):
    assert len(tables(*kinds)) >= len([one for kind in kinds for one in components(kind) if not one.foreign])
    assert all(isinstance(table, dict | list) for table in tables(*kinds))
