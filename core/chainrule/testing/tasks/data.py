"""Checks on tasks."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from chainrule.base.task import Splits, Task
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_finite
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.metrics.trials import values_over
from chainrule.testing.small_fit import Descent
from chainrule.testing.subject import Subject
from chainrule.training import fit
from chainrule.training.passed_parts import checked_metrics

RATES = torch.logspace(-4, -1, 4)
"""The learning rates of the trial fit."""

ROWS = 512
"""The maximum number of rows of a split that a network runs on."""


def _tensors(splits: Splits) -> dict[str, Tensor]:
    return {f"{part}.{name}": tensor for part in Splits._fields for name, tensor in zip("xy", getattr(splits, part))}  # noqa: B905


@check("tasks", once=True, cause="a missing section, or a task without a docstring of its own.")
def task_documents_its_data(subject: Subject) -> None:
    """The docstring begins with a sentence and has the sections Data and Source, so that results can be interpreted."""
    expect_sections(subject.component, ("Data:", "Source:"))


@check("tasks", cause="x and y of different lengths, an empty split, a NaN in the data, or float64 inputs.")
def splits_are_well_formed(task: Task) -> None:
    """Each split has at least one row, x and y of equal length, finite values, and floats of torch's default dtype."""
    splits = task.splits(0)
    for part in Splits._fields:
        x, y = getattr(splits, part)
        expect(
            len(x) == len(y) > 0,
            f"x and y of {part} must have the same number of rows, at least one, got {len(x)} and {len(y)}.",
        )
    for name, tensor in _tensors(splits).items():
        expect_finite(name, tensor)
        default = torch.get_default_dtype()
        fits = not tensor.is_floating_point() or tensor.dtype == default
        expect(fits, f"{name} must have torch's default dtype {default}, got {tensor.dtype}.")


@check("tasks", cause="data drawn from a global generator; draw from a torch.Generator with the seed.")
def splits_follow_from_the_seed(task: Task) -> None:
    """Equal seeds give bit-identical data, whatever was drawn before; different seeds give different data.

    Drawing the data leaves torch's global generator unchanged. Runs are compared by seed.
    """
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = _tensors(task.splits(0))
    expect(torch.equal(torch.get_rng_state(), state), "torch's global generator must be unchanged, got a draw from it.")
    torch.manual_seed(2)
    again, others = _tensors(task.splits(0)), _tensors(task.splits(1))
    for name, tensor in first.items():
        expect_close(f"{name} from a second call with seed 0", again[name], tensor)
    same = [f"{part}.x" for part in Splits._fields if torch.equal(first[f"{part}.x"], others[f"{part}.x"])]
    expect(len(same) < len(Splits._fields), f"the data of seeds 0 and 1 must differ, got equal {same}.")


@check(
    "tasks", once=True, cause="data that were changed since, or that depend on the processor or on a package's version."
)
def splits_have_the_declared_digest(subject: Subject) -> None:
    """The data of seed 0 have the SHA-256 that the class declares, so that a task's name stands for one data set."""
    tasks = [task for task in subject.make_examples() if task.digest is not None]
    if not tasks:
        raise NotApplicable("the task declares no digest")
    for task in tasks:
        found = task.splits(0).digest()
        expect(found == task.digest, f"splits(0).digest() must be the declared {task.digest!r}, got {found!r}.")


@check("tasks", cause="a permutation per split instead of one for all, or one generator state used for two splits.")
def splits_share_no_row(task: Task) -> None:
    """No row of x is in two splits, since a network looks better than it is on rows it was trained on.

    A task with few possible rows declares distinct_rows = False, and must share rows for at least one of three seeds.
    """
    shared = {}
    for seed in range(3):
        splits = task.splits(seed)
        rows = {part: {tuple(row) for row in getattr(splits, part)[0].flatten(1).tolist()} for part in Splits._fields}
        for one, other in itertools.combinations(rows, 2):
            if common := rows[one] & rows[other]:
                shared[f"{one} and {other} of seed {seed}"] = (len(common), min(common))
    if not task.distinct_rows:
        expect(bool(shared), "a task with distinct_rows = False must share rows between splits, got 0 for three seeds.")
        raise NotApplicable("the task declares distinct_rows = False")
    for what, (count, row) in shared.items():
        expect(False, f"{what} must share 0 rows, got {count}, such as {[round(value, 6) for value in row[:8]]}.")


@check("tasks", cause="a network kept on the task and returned again, or an output that the loss does not accept.")
def network_fits_data_and_loss(task: Task) -> None:
    """Every call of network() returns a new, unbuilt network, whose output gives a finite loss on every split."""
    one, other = task.network(), task.network()
    expect(one is not other, "network() must return a new network at every call, got the same object twice.")
    for module in (one, other):
        expect(
            not any(parameter.is_built for parameter in module.parameters()),
            "network() must return an unbuilt network, got a built one.",
        )
    network, loss = one.build(), task.loss()
    for part in Splits._fields:
        x, y = (tensor[:ROWS] for tensor in getattr(task.splits(0), part))
        value = loss(network(x), y)
        expect(value.shape == (), f"the loss on {part} must have shape (), got {tuple(value.shape)}.")
        expect_finite(f"the loss on {part}", value)


@check("tasks", cause="a mean over all axes, including the member axis, or a sum in place of the mean over rows.")
def metrics_have_a_value_per_member(task: Task) -> None:
    """Each metric has one finite value per member, the same for the member alone and over two batches, to 1e-5."""
    if not task.metrics:
        raise NotApplicable("the task has no metrics")
    x, y = (tensor[:ROWS] for tensor in task.splits(0).validation)
    sizes = [1, len(x) - 1] if len(x) > 1 else [1]
    network = task.network().build(seeds=[0, 1, 2]).eval()
    metrics = checked_metrics("the task", task.metrics, for_curves=True)
    prediction, target = network(x), network.with_member_axis(y)
    whole, parts = values_over(metrics, prediction, target), values_over(metrics, prediction, target, sizes)
    members = [values_over(metrics, prediction[i : i + 1], target[i : i + 1]) for i in range(3)]
    for name, value in whole.items():
        expect_finite(name, value)
        expect_close(f"{name} over batches of {sizes} rows", parts[name], value, tolerance=1e-5)
        for i, alone in enumerate(members):
            expect_close(f"{name} of member {i} alone", alone[name], value[i : i + 1], tolerance=1e-5)


@check("tasks", once=True, cause="a missing setting, or one of the wrong type.")
def settings_are_complete(subject: Subject) -> None:
    """The reference settings have epochs and batch_size, integers of at least 1, so that results are comparable."""
    for task in subject.make_examples():
        for name in ("epochs", "batch_size"):
            value = task.settings.get(name)
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            expect(fits, f"settings[{name!r}] must be an integer of at least 1, got {value!r}.")


@check(
    "tasks",
    cause="targets unrelated to the inputs, a network that cannot learn them, or a wrong gradient.",
)
def fitting_reduces_the_loss(task: Task) -> None:
    """A hundred steps of a simple adaptive rule reduce the loss on the training rows by at least a twentieth.

    One seed is tried with four learning rates from 1e-4 to 1e-1. If none succeeds, the task offers nothing to learn.
    """
    x, y = (tensor[:ROWS] for tensor in task.splits(0).train)
    network = task.network().build(seeds=[0] * len(RATES))
    size = max(1, min(task.settings["batch_size"], len(x)))
    epochs = -(-100 * size // len(x))
    loss = task.loss().over_members()
    first = loss.mean(network(x), network.with_member_axis(y), per_member=True)[0]
    history = fit(network, task.loss(), Descent(lr=RATES), train=(x, y), epochs=epochs, batch_size=size)
    last = history["train_loss"][-1].nan_to_num(nan=torch.inf).min()
    wanted = first - first.abs() / 20
    expect(bool(last <= wanted), f"the loss must fall from {first:.4g} to at most {wanted:.4g}, got {last:.4g}.")
