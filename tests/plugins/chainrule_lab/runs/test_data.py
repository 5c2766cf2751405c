import numpy as np
import pytest
import torch

from chainrule import ChainruleError, Splits
from chainrule_lab.runs.data import _tensor
from chainrule_lab.runs.description import RunDescription

CSV = "width, height,kind,weight\n" + "".join(
    f"{i},{i / 2},{'rose' if i % 3 else 'iris'},{i * 10}\n" for i in range(20)
)


@pytest.fixture
def splits(tmp_path):
    """Return a function from the table `data` to splits, in a folder with some files."""
    (tmp_path / "flowers.csv").write_text(CSV)
    x = np.arange(60, dtype=np.float64).reshape(20, 3)
    np.savez(tmp_path / "arrays.npz", x=x, y=np.arange(20) % 4, objects=np.array([{}, None], dtype=object))
    (tmp_path / "tenths.csv").write_text("x,y\n" + "0.1,0.3\n" * 10)
    np.savez(tmp_path / "tenths.npz", x=np.full((10, 2), 0.1), y=np.full((10, 1), 0.3))
    np.savez(tmp_path / "pairs.npz", x=x, y=np.array([["a", "b"], ["c", ""]] * 10))
    np.savez(tmp_path / "words.npz", x=x, y=np.array([["b"], ["a"]] * 10))
    np.savez(tmp_path / "foreign.npz", x=x.astype(">f8"), y=x.astype(np.longdouble))
    (tmp_path / "blanks.csv").write_text("height,twice,twice \n1.5,2,3\n,4,5\n")
    (tmp_path / "floats.csv").write_text("x,kind\n" + "1.5,2.0\n3.0,0.0\n" * 10)
    (tmp_path / "blank.csv").write_text("height,kind\n1.5,2\n,4\n")
    (tmp_path / "missing.csv").write_text("x,kind,grade\n" + "1.5,2,K\n3.0,0,1\n0.5,NA,none\n" * 5)
    (tmp_path / "gaps.csv").write_text("height,weight,kind,a\n1.5,2,0,1\nnan,4,nan,2\n1,-inf,1,3\n")
    np.savez(tmp_path / "gaps.npz", x=np.where(x == 13, np.nan, x), y=np.where(x[:, 0] == 9, np.inf, 0.5))
    (tmp_path / "semicolons.csv").write_text("age;height cm\n1;1,5\n")
    (tmp_path / "tabs.csv").write_text("age\theight\n1\t5\n")
    (tmp_path / "made.py").write_text(
        "import numpy as np\nfrom chainrule import Splits\n\n\n"
        "def pairs(rows=4, scale=1.0):\n    pair = scale * np.ones((rows, 2)), np.zeros(rows, dtype=np.int64)\n"
        "    return Splits(pair, pair, pair)\n\n\n"
        "def foreign(kind='float64', words=False):\n    x = np.arange(8.0).reshape(4, 2)[::-1].astype(kind)[::-1]\n"
        "    x.setflags(write=False)\n    pair = x, np.array(['no', 'yes'] * 2) if words else x[::-1, 0]\n"
        "    return pair, pair, pair\n\n\n"
        "def lists():\n    pair = pairs().train\n    return Splits(pair, ([[0], [1]], [0, 1]), pair)\n\n\n"
        "def one():\n    return pairs().train\n\n\ndef fails():\n    return 1 / 0\n\n\ndef needs(a, b): ...\n"
    )

    def of(*, loss="cross_entropy", dtype="float32", **data):
        network = {"name": "linear", "in_features": 2, "out_features": 2}
        given = {"network": network, "loss": loss, "optimizer": "sgd", "dtype": dtype, "data": data}
        return RunDescription.of(given, where="RUN.toml", folder=tmp_path).splits()

    return of


def test_rows_of_a_csv_file_are_cut_into_three_in_an_order_drawn_from_the_seed(splits):
    found = splits(file="flowers.csv", x=["width", "height"], y="kind", validation=0.2, test=0.1)
    assert [len(x) for x, _ in found] == [14, 4, 2]
    x, y = (torch.cat(parts) for parts in zip(*found, strict=True))
    assert sorted(x[:, 0].tolist()) == list(range(20))
    assert torch.equal(y, (x[:, 0] % 3 != 0).long())  # iris before rose
    assert x.dtype == torch.float32
    again, other = (splits(file="flowers.csv", x="width", y="kind", seed=seed).train for seed in (0, 1))
    assert torch.equal(again[0], splits(file="flowers.csv", x="width", y="kind").train[0])
    assert not torch.equal(again[0], other[0])


def test_a_target_of_one_name_is_classes_and_of_a_list_numbers(splits):
    assert splits(file="flowers.csv", x=["width"], y="weight").train[1].dtype == torch.int64
    y = splits(file="flowers.csv", x=["width"], y=["weight"]).train[1]
    assert (y.dtype, y.shape) == (torch.float32, (16, 1))


def test_a_target_of_one_name_that_has_fractions_is_a_column_of_numbers(splits):
    x, y = splits(file="flowers.csv", x=["width"], y="height").train
    torch.testing.assert_close(y, x / 2)


def test_whole_numbers_written_as_floats_are_classes_for_a_loss_of_classes_alone(splits):
    classes = splits(file="floats.csv", y="kind").train[1]
    assert (classes.dtype, set(classes.tolist())) == (torch.int64, {0, 2})
    numbers = splits(file="floats.csv", y="kind", loss="mse").train[1]
    assert (numbers.dtype, numbers.shape) == (torch.float32, (16, 1))


def test_arrays_of_an_npz_file_go_by_their_names(splits):
    x, y = splits(file="arrays.npz").train
    assert (x.shape, x.dtype, y.dtype) == ((16, 3), torch.float32, torch.int64)
    assert torch.equal(x[:, 0] / 3 % 4, y)


def test_arrays_of_another_byte_order_or_of_more_than_64_bits_keep_their_values(splits):
    x, y = splits(file="foreign.npz").train
    assert x.dtype == y.dtype == torch.float32
    assert torch.equal(x, splits(file="arrays.npz").train[0])
    assert torch.equal(x, y)


def test_a_function_gets_the_other_keys_as_arguments(splits):
    found = splits(function="made.py:pairs", rows=6, scale=2.0)
    assert isinstance(found, Splits)
    assert torch.equal(found.test[0], torch.full((6, 2), 2.0))


@pytest.mark.parametrize("kind", ["float64", ">f8", "longdouble", ">i2"])
def test_a_function_may_return_arrays_that_torch_does_not_take(splits, kind):
    x, y = splits(function="made.py:foreign", kind=kind).test
    assert x.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert y.tolist() == [6, 4, 2, 0]


@pytest.mark.parametrize("is_writable", [True, False])
def test_a_tensor_is_a_view_of_an_array_only_where_that_may_be_written(is_writable):
    array = np.ones((2, 3))
    array.setflags(write=is_writable)
    assert (_tensor(None, "", array).data_ptr() == array.ctypes.data) is is_writable


@pytest.mark.parametrize("data", [{"file": "tenths.csv", "x": "x", "y": ["y"]}, {"file": "tenths.npz"}])
def test_numbers_for_a_network_in_float64_are_those_of_the_file(splits, data):
    x, y = splits(**data, loss="mse", dtype="float64").train
    assert (x.unique().item(), y.unique().item()) == (0.1, 0.3)


def test_words_of_an_array_are_classes(splits):
    assert splits(file="words.npz").train[1].unique().tolist() == [0, 1]


def test_words_beside_numbers_may_be_classes(splits):
    assert sorted({*splits(file="missing.csv", x="x", y="grade").train[1].tolist()}) == [0, 1, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"file": "flowers.csv", "x": "with", "y": "kind"},
            'data.x must name columns of the file, got "with". Did you',
        ),
        (
            {"file": "flowers.csv", "x": ["kind"], "y": "kind"},
            'data.x must name columns of numbers, got kind with "',
        ),
        (
            {"file": "flowers.csv", "x": "width", "y": "kind", "test": 1},
            "data.test must be a share of the rows below 1",
        ),
        (
            {"file": "flowers.csv", "x": "width", "y": "kind", "validation": 0.01},
            "data must have a row or more for train, validation",
        ),
        ({"file": "blanks.csv"}, 'data.file must have a name for each column, got "twice" twice in '),
        (
            {"file": "blank.csv", "x": "height", "y": "kind"},
            'data.x must name columns of numbers, got height with "" in row 2. Mend it there, or name others.',
        ),
        (
            {"file": "blank.csv", "x": "kind", "y": "height"},
            'data.y must have a value in each row, got height with "" in row 2. Write one there.',
        ),
        (
            {"file": "missing.csv", "x": "x", "y": "kind"},
            'data.y must have a value in each row, got kind with "NA" in row 3. Write one there.',
        ),
        (
            {"file": "gaps.csv", "x": ["weight", "height"], "y": "weight"},
            "data.x must be finite, got -inf in weight, row 3 of gaps.csv. Leave such rows out, fill them in, or load",
        ),
        ({"file": "gaps.csv", "x": "height", "y": "weight"}, "data.x must be finite, got nan in height, row 2 of gaps"),
        ({"file": "gaps.csv", "x": "a", "y": "kind"}, "data.y must be finite, got nan in kind, row 2 of gaps.csv."),
        ({"file": "gaps.npz", "loss": "mse"}, "data.x must be finite, got nan in x[4, 1] of gaps.npz."),
        ({"file": "gaps.npz", "x": "y", "y": ["y"]}, "data.x must be finite, got inf in y[3] of gaps.npz."),
        ({"file": "semicolons.csv"}, "data.file must be separated by commas, got names 'age;height cm'. Save it"),
        ({"file": "tabs.csv"}, "data.file must be separated by commas, got names 'age\\theight'. Save it with commas."),
        ({"file": "pairs.npz"}, 'data.y must have a value in each row, got y with "" in row 2. Write one there.'),
        ({"file": "none.csv"}, "data.file must be a .csv file that can be read, got"),
        ({"file": "made.py"}, "data.file must be a file .csv or .npz, got 'made.py'."),
        ({"file": "arrays.npz", "x": "objects"}, "data.file must be a .npz file that can be read, got"),
        ({"file": "arrays.npz", "seed": -1}, "data.seed must be an integer of at least 0, got -1."),
        ({"fil": "arrays.npz"}, "data must name where the data comes from, got {'fil': 'arrays.npz'}."),
        (
            {"function": "made.py:pairs", "row": 3},
            'data: pairs: takes no argument "row". Did you mean "rows"?',
        ),
        ({"function": "made.py:pear"}, 'data: no "pear" in'),
        ({"function": "made.py:one"}, "data.function must return three pairs (x, y) of tensors, got"),
        (
            {"function": "made.py:lists"},
            "data.function must return tensors or arrays, got [[0], [1]] as x of validation. Return torch.tensor(x).",
        ),
        *(
            (
                {"function": "made.py:foreign", **other},
                f"data.function must return arrays of real numbers, got one of {name}. Return classes as np.unique(y, ",
            )
            for other, name in [
                ({"words": True}, "str96"),
                ({"kind": "object"}, "object"),
                ({"kind": "datetime64[s]"}, "datetime64[s]"),
                ({"kind": "complex64"}, "complex64"),
            ]
        ),
        ({"function": "made.py:fails"}, "data: fails: ZeroDivisionError: division by zero."),
        (
            {"function": "made.py:needs"},
            'data needs a, b, got none. Write { function = "made.py:needs", a = …, b = … }.',
        ),
        (
            {"function": "made.py:needs", "b": 1},
            'data needs a, got none. Write { function = "made.py:needs", b = …, a = … }.',
        ),
        ({"function": "made"}, "data.function must be FILE.py:NAME, got 'made'."),
    ],
    ids=str,
)
def test_what_does_not_fit_is_one_line(splits, data, message):
    with pytest.raises(ChainruleError) as caught:
        splits(**data)
    assert str(caught.value).startswith(f"RUN.toml: {message}")
    assert "\n" not in str(caught.value)
