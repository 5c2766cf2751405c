"""Searches and stores of all sorts: what is refused is refused in one line, and no result is ever another one."""

import struct

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chainrule import ChainruleError
from chainrule_lab.runs.toml_file import to_toml
from chainrule_lab.sweep.record import Record
from chainrule_lab.sweep.store import Store
from chainrule_lab.sweep.sweep_file import SweepFile

CASES = 1000
KEYS = [f"key{i}" for i in range(60)]
RECORDS = {
    key: Record(key, i, {"train_loss": [i / 7, 1e300 * i], "test_loss": [0.5]}, 0.1, {}) for i, key in enumerate(KEYS)
}

deep = settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

numbers = st.floats(allow_nan=False) | st.integers(-(2**40), 2**40)
scalars = numbers | st.booleans() | st.sampled_from(["relu", "tanh", "adam", "", "a b", "ünï"])
spaces = st.one_of(
    scalars,
    st.lists(scalars, max_size=4),
    st.dictionaries(
        st.sampled_from(["log_uniform", "uniform", "range"]),
        st.lists(numbers, max_size=3) | scalars,
        min_size=1,
        max_size=1,
    ),
    st.dictionaries(
        st.sampled_from(["log_uniform", "uniform", "range", "points", "lr", "name"]),
        st.lists(st.sampled_from([0, 1, 2, 0.5, 1e-3, -1]), max_size=3) | st.integers(0, 5),
        min_size=1,
        max_size=3,
    ),
)
keys = st.sampled_from(
    ["optimizer.lr", "optimizer.betas", "optimizer", "network", "network.sizes", "network.activation", "seed", "epochs",
     "batch_size", "task", "data.seed", "loss", "x", "", "optimizer..lr", "metrics", "callbacks", "dtype"]
)  # fmt: skip
options = st.dictionaries(
    st.sampled_from(["method", "trials", "seed", "members", "memory", "other"]),
    st.sampled_from(["grid", "random", "sobol", 0, 3, -1, 2.5, "x", True]),
    max_size=3,
)

sensible = st.fixed_dictionaries(
    {
        "optimizer.lr": st.lists(st.floats(0, 1), min_size=1, max_size=3)
        | st.just({"log_uniform": [1e-3, 1], "points": 3}),
        "seed": st.fixed_dictionaries({"range": st.integers(1, 4)}) | st.integers(0, 2**40),
    },
    optional={
        "network.activation": st.lists(st.sampled_from(["relu", "tanh"]), min_size=1, max_size=2),
        "network.sizes": st.just([[2, 3, 2], [2, 2, 2, 2]]),
    },
)
ways = st.sampled_from(
    [{}, {"members": 3}, {"method": "random", "trials": 4}, {"method": "sobol", "trials": 5, "seed": 7}]
)
files = st.tuples(sensible, ways) | st.tuples(st.dictionaries(keys, spaces, max_size=3), options)


def count_printed(counts, capsys):
    with capsys.disabled():
        print(f"\n{sum(counts.values())} cases: {counts}")
    assert sum(counts.values()) >= CASES


def refusal_of(act):
    """Return the line in which something is refused, or None."""
    try:
        act()
    except ChainruleError as error:
        line = str(error)
    else:
        return None
    assert "\n" not in line
    return line


def made(sweep):
    for one in sweep.settings[:3]:
        sweep.make({name: value for name, value in one.items() if name != "seed"})


def used(path):
    with Store(path) as store:
        found = store.results(KEYS)
        store.sweeps()
        store.claim(KEYS)
        store.save([RECORDS["key0"]])
    assert all(one == RECORDS[key] for key, one in found.items())


@pytest.mark.slow
def test_files_of_all_sorts_are_read_or_refused_in_one_line(tmp_path, capsys):
    counts = {"read": 0, "refused": 0}

    @deep
    @given(files)
    def check(file):
        search, sweep = file
        given = {"task": "circle", "network": {"name": "mlp", "sizes": [2, 3, 2]}, "optimizer": {"name": "adam"}}
        path = tmp_path / "some.toml"
        path.write_text(to_toml("test", {**given, "epochs": 2, "search": search, "sweep": sweep}), encoding="utf-8")
        refusal = refusal_of(lambda: made(SweepFile.read(path, {})))
        assert refusal is None or "some.toml" in refusal
        counts["read" if refusal is None else "refused"] += 1

    check()
    count_printed(counts, capsys)
    assert min(counts.values()) > CASES / 20


@pytest.mark.slow
def test_damaged_stores_give_right_results_or_are_refused_in_one_line(tmp_path, capsys):
    with Store(tmp_path / "whole.db") as store:
        store.register("sweep", [(key, {"lr": 0.1}) for key in KEYS])
        store.save(RECORDS.values())
    whole = (tmp_path / "whole.db").read_bytes()
    counts = {"whole": 0, "refused": 0}

    @deep
    @given(st.data())
    def check(data):
        content = bytearray(whole)
        if data.draw(st.booleans()):
            for _ in range(data.draw(st.integers(1, 4))):
                content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            content = content[: data.draw(st.integers(0, len(content)))]
        if data.draw(st.integers(0, 9)) == 0:
            content[60:64] = struct.pack(">i", data.draw(st.integers(-5, 5)))  # the version
        path = tmp_path / "damaged.db"
        for left in tmp_path.glob("damaged.db*"):
            left.unlink()
        path.write_bytes(content)
        refusal = refusal_of(lambda: used(path))
        counts["whole" if refusal is None else "refused"] += 1

    check()
    count_printed(counts, capsys)
    assert min(counts.values()) > CASES / 20
