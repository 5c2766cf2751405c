"""Checkpoints that cannot be written, are damaged, or are those of another run."""

import io
import os
import pickle
import resource
import zlib
from contextlib import contextmanager

import pytest
import torch

from chainrule import ChainruleError, StateError, fit
from chainrule.callbacks import best, history_file
from chainrule.layers import batch_norm, dropout, linear, sequential
from chainrule.losses import bce_with_logits, mse
from chainrule.optimizers import adam, ema, sgd
from chainrule.training.checkpoint_file import CheckpointFile

X, Y = torch.rand(2, 16, 2, generator=torch.Generator().manual_seed(0))


def build(seeds=(0, 1), *, rate=0.3, width=4, dtype=torch.float32):
    return sequential(linear(2, width), dropout(rate), batch_norm(width), linear(width, 2)).build(
        seeds=list(seeds), dtype=dtype
    )


def train(path, network=None, **settings):
    given = {"loss": mse(), "optimizer": ema(inner=adam(lr=0.01)), "train": (X, Y), "epochs": 1} | settings
    return fit(network or build(), checkpoint=path, **given)


@pytest.fixture
def written(tmp_path):
    train(path := tmp_path / "run.ckpt")
    return path


@contextmanager
def refused(path, kind, message):
    """Expect one line of an error, and the file to stay as it is."""
    before = path.read_bytes()
    with pytest.raises(kind, match=message) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".part"] == []


def decay(base):
    return lambda t: base**t


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 4}, "got batch_size 4 in place of 32"),
        ({"optimizer": sgd(lr=0.01)}, r"got optimizer Sgd\(lr=0.01.*in place of Ema\("),
        ({"optimizer": ema(inner=adam(lr=0.010000001))}, r"got optimizer .*lr=0.010000001.* in place of .*lr=0.01,"),
        (
            {"optimizer": ema(inner=adam(lr=torch.tensor([0.01, 0.02])))},
            r"got optimizer .*lr=\[0.0099.* in place of .*lr=0.01,",
        ),
        ({"loss": bce_with_logits()}, "got loss BceWithLogits.* in place of Mse"),
        ({"network": build([0, 1, 2])}, "got members 3 in place of 2[.]"),
        ({"network": build([0, 2])}, r"got seeds \[0, 2\] in place of \[0, 1\][.]"),
        ({"network": build(rate=0.2)}, r"got network .*Dropout\(p=0.2\).* in place of .*Dropout\(p=0.3\)[^;]*"),
        ({"network": build(width=5)}, "got network [^;]*out_features=5[^;]*$"),
        ({"network": build().freeze("0.*")}, r"got frozen \['0.bias', '0.weight'\] in place of \[\]"),
        ({"train": (X, Y + (torch.arange(16) == 15).unsqueeze(1))}, "got train x .* in place of"),
        ({"train": (X[:8], Y[:8])}, r"got train x \(8, 2\)"),
        ({"validation": (X, Y)}, r"got validation x .* in place of none"),
        ({"train": [(X, Y)]}, "got train batches of a list with checksum .* in place of x"),
        ({"metrics": ["r2"]}, "got metrics {r2: R2"),
        ({"clip_norm": 1.0}, "got clip_norm 1.0 in place of None"),
        ({"callbacks": [best("train_loss")]}, r"got callbacks \[Best.* in place of \[\]"),
    ],
)
def test_of_other_arguments_the_message_names_those_that_differ(written, changed, message):
    with refused(written, StateError, f"fit: the arguments must be those of the run in {written}, {message}"):
        train(written, **changed)


def test_two_functions_of_one_name_differ_by_what_they_compute(tmp_path):
    path = tmp_path / "run.ckpt"
    train(path, optimizer=sgd(lr=0.1, schedule=decay(0.5)))
    train(path, optimizer=sgd(lr=0.1, schedule=decay(0.5)))
    with refused(path, StateError, "got optimizer .*<lambda> with checksum .* in place of .*<lambda> with checksum"):
        train(path, optimizer=sgd(lr=0.1, schedule=decay(0.25)))


def test_an_iterable_of_another_length_is_refused(tmp_path):
    path = tmp_path / "run.ckpt"
    train(path, train=[(X, Y)])
    with refused(path, StateError, "; steps_per_epoch 2 in place of 1[.]"):
        train(path, train=[(X, Y)] * 2)


def test_another_version_is_refused(written, monkeypatch):
    monkeypatch.setattr("torch.__version__", "1.0")
    with refused(written, StateError, "got torch 1.0 in place of 2"):
        train(written)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused(written, share):
    written.write_bytes(written.read_bytes()[: int(share * written.stat().st_size)])
    with refused(written, StateError, "must end as a checkpoint does, got one cut short, or another kind of file"):
        train(written)


def test_a_flipped_bit_is_refused_wherever_it_is(written):
    content = written.read_bytes()
    for place in range(0, len(content), len(content) // 40):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        written.write_bytes(flipped)
        with refused(written, StateError, f"fit: checkpoint {written} must .* Delete it, or pass another path."):
            train(written)


def test_another_format_is_refused(written):
    written.write_bytes(written.read_bytes().replace(b"chainrule run 0001", b"chainrule run 0002"))
    with refused(written, StateError, "must have format 0001, got 0002"):
        train(written)


class Runs:
    """Create a file when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def zipped(value, **form):
    torch.save(value, content := io.BytesIO(), **form)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        lambda trace: zipped(Runs(trace)),
        lambda trace: zipped({"run": {"network": {"0.weight": Runs(trace)}}}),
        lambda trace: zipped({Runs(trace): 1}),
        lambda trace: zipped(Runs(trace), _use_new_zipfile_serialization=False),
        lambda trace: zipped(Runs(trace), pickle_protocol=4),
        lambda trace: pickle.dumps(Runs(trace)),
        lambda trace: f"cos\nmkdir\n(V{trace}\ntR.".encode(),
        lambda trace: b"",
        lambda trace: zipped({"settings": {}}),
        lambda trace: zipped([1]),
    ],
)
def test_a_file_made_to_execute_code_is_refused_and_does_not(tmp_path, content):
    """Its checksum is right."""
    path, trace = tmp_path / "run.ckpt", tmp_path / "executed"
    made = content(trace)
    path.write_bytes(made + b"chainrule run 0001%08x" % zlib.crc32(made))
    with refused(path, StateError, f"fit: checkpoint {path} must "):
        train(path)
    assert not trace.exists()


def test_a_full_disk_leaves_the_last_checkpoint(written):
    """A limit on the size of files fails as a full disk does, in the middle of writing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with refused(written, ChainruleError, f"must be a file that can be written, got {written} .File too large.. Make"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (written.stat().st_size // 2, hard))
        try:
            train(written, epochs=3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert train(written, epochs=3)["train_loss"].equal(train(None, epochs=3)["train_loss"])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/run.ckpt", "No such file or directory"),
        ("/proc/run.ckpt", "No such file or directory"),
        ("", r'fit: checkpoint must be text or a Path, got ""|\'\'. Pass "run.ckpt"'),
        (5, 'fit: checkpoint must be text or a Path, got 5. Pass "run.ckpt"'),
        (".", "no file"),
        ("/dev/null", "no file"),
        ("a\0b", "embedded null byte"),
        ("~nobody-here/run.ckpt", "home directory"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_before_anything_is_trained(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    network = build()
    before = network.state_dict()
    with pytest.raises(ChainruleError, match=reason):
        train(path, network)
    assert network.state_dict()["0.weight"].equal(before["0.weight"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_must_not_be_written_is_refused(written):
    written.parent.chmod(0o500)
    with refused(written, ChainruleError, "Permission denied"):
        train(written, epochs=2)


def test_what_a_killed_run_left_half_written_is_taken_away(written):
    part = f"{'0a' * 16}.part"
    (left := written.with_name(f".run.ckpt.{part}")).write_bytes(b"half")
    (of_another := written.with_name(f".run.ckpt.a.{part}")).write_bytes(b"half")
    for file in (left, of_another):
        os.utime(file, (0, 0))
    train(written)
    assert not left.exists()
    assert of_another.exists()


def test_another_start_leaves_alone_what_a_living_run_is_writing(tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    first, flush = CheckpointFile(path, ["a"]), os.fsync

    def flush_as_another_starts(file):
        monkeypatch.setattr(os, "fsync", flush)
        CheckpointFile(path, ["a"]).write({"a": 2})
        flush(file)

    monkeypatch.setattr(os, "fsync", flush_as_another_starts)
    first.write({"a": 1})
    assert first.read(torch.device("cpu")) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(written):
    link = written.with_name("link")
    link.symlink_to(written)
    assert train(link, epochs=2).epochs == 2
    assert link.is_symlink()
    assert train(written, epochs=2).epochs == 2


def test_every_needs_a_number_of_steps_and_a_checkpoint_of_tensors(tmp_path):
    path = tmp_path / "run.ckpt"
    for every, settings, message in (
        (0, {}, "fit: every must be an integer of at least 1, got 0"),
        ("step", {}, 'fit: every must be "epoch" or a number of steps, got \'step\'. Pass "epoch", or 500.'),
        (5, {"train": [(X, Y)]}, 'fit: every must be "epoch" for an iterable of batches'),
    ):
        with pytest.raises(ChainruleError, match=message):
            train(path, every=every, **settings)
    with pytest.raises(ChainruleError, match="fit: every must come with a checkpoint, got 5 alone"):
        train(None, every=5)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_lines_that_lost_some_is_told(tmp_path):
    lines = tmp_path / "history.jsonl"
    train(tmp_path / "run.ckpt", callbacks=[history_file(lines)])
    lines.write_text("{}\n")
    with pytest.raises(ChainruleError, match=r"history_file: .* must have the \d+ bytes .* got 3. Put the file back"):
        train(tmp_path / "run.ckpt", callbacks=[history_file(lines)], epochs=2)
