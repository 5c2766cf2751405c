"""`fit`: train a network for a number of epochs and record its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor

from chainrule.arguments import flag, integer
from chainrule.base.metric import MetricLike
from chainrule.base.protocols import LossLike
from chainrule.calls import explained
from chainrule.errors import ChainruleError, ShapeError, one_line
from chainrule.network import Network
from chainrule.training.batches import (
    Batches,
    Data,
    IterableBatches,
    TensorBatches,
    check_pair,
    checked_data,
    is_pair,
)
from chainrule.training.checkpoint import Checkpoint
from chainrule.training.evaluation import values_over
from chainrule.training.finite_data import expect_finite_loss
from chainrule.training.history import History
from chainrule.training.metric_values import MetricValues
from chainrule.training.output_kinds import warn_of_thresholds
from chainrule.training.passed_parts import (
    Metrics,
    check_parts,
    check_reduction,
    checked_callbacks,
    checked_metrics,
)
from chainrule.training.run import Run
from chainrule.training.running_means import RunningMeans
from chainrule.training.steps.compiled import CompiledStep
from chainrule.training.steps.compiled_evaluation import compiled_evaluation
from chainrule.training.steps.eager import keep_as_ordinary_tensors
from chainrule.training.training_step import Attachable, StepForm, make_step


@explained
def fit(
    network: Network,
    loss: LossLike,
    optimizer: Attachable,
    *,
    train: Data,
    validation: Data | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    metrics: Metrics | None = None,
    callbacks: Sequence[object] = (),
    clip_norm: float | None = None,
    compile: bool = False,
    per_member: bool = False,
    evaluate_train: bool = True,
    checkpoint: str | Path | None = None,
    every: Literal["epoch"] | int = "epoch",
) -> History:
    """Train the network in place and return its curves.

    Every call starts from step 1 of the optimizer and its schedule and with the batch order of epoch 1, unless a
    checkpoint has the run: then it goes on from there, to the bit. The history has the updater.

    Every epoch ends with an evaluation in eval mode on all of train and validation, with the parameters that the
    optimizer evaluates with; callbacks at an epoch's end see those, and the network keeps the last. The curves are
    `train_loss`, `validation_loss`, and each metric under both prefixes. The loss is averaged over rows whatever its
    reduction; one with its own `denominator` is its sum over all rows divided by that. A metric follows from all rows.

    The network is in train mode after it, as in callbacks, where a call draws dropout and updates running statistics:
    predict with ``network.eval()(x)``.

    Args:
        network: a built network, single or ensemble.
        loss: called on each batch; its reduction, "mean" or "sum", sets the scale of the gradient.
        optimizer: an optimizer, or `param_groups({…})`.
        train: tensors x and y, each (N, …), or an iterable of batches, with one pass per epoch.
        validation: the same; an iterable needs one pass per epoch too.
        epochs: the number of passes over train.
        batch_size: rows per step and member; ignored for an iterable of batches.
        metrics: metrics or their names, as in `evaluate`, each with one number for each member.
        callbacks: objects with methods marked by `chainrule.hookimpl`.
        clip_norm: the largest global norm of each member's gradient.
        compile: whether to compile the step, forward to update, as one function, which takes 5 to 20 seconds the first
            time. On a CUDA device it is launched as one graph; on a CPU, from 2²² parameters on, only the update rule
            is compiled, as in `Optimizer.attach`. Where the step is one function, on a CPU so is the evaluation of data
            given as tensors, from epoch 25 on: compiling it takes a second or more, which fewer epochs do not win back.
            With more than two threads of torch, large data is evaluated eagerly by all of them. What cannot be compiled
            warns and runs eagerly; a metric does so without a warning. Callbacks may change settings and attributes,
            but not global constants that a component reads, which are those of the beginning.
        per_member: whether each member has its own data, with M in front of every shape.
        evaluate_train: False skips the pass over train at the end of each epoch; the curves of train then follow
            from the epoch's steps, as they always do for an iterable.
        checkpoint: a file that holds the whole run at any time. Called again with the same arguments, `fit` goes on
            from it; a run that has ended returns at once, unless epochs is larger. Callbacks that have `state_dict` and
            `load_state_dict` take part.
        every: after how many steps the checkpoint is written; "epoch" for every epoch.

    Raises:
        ShapeError: if data, network and loss do not fit, or tensors hold NaN or ±∞ where the loss is not finite then.
        ChainruleError: if compile=True and the machine has no compiler, or the loss's reduction is "none", or the
            checkpoint cannot be written.
        StateError: if the checkpoint is damaged, or that of another run; the message has what differs.
        CallbackError: if a callback raises, after every callback has been told of the event and of the end; its error
            is chained. Where the fit itself failed, errors of callbacks at its end are notes of the fit's error.
    """
    check_parts("fit", network=network, loss=loss, optimizer=optimizer)
    check_reduction("fit", loss)
    if network.frozen and len(network.frozen) == len(network.parameters()):
        raise ChainruleError(
            'fit: a parameter or more must be trained, got all of them frozen. Write network.unfreeze("*").'
        )
    epochs = integer("fit", "epochs", epochs, at_least=0)
    batch_size = integer("fit", "batch_size", batch_size, at_least=1, error=ShapeError)
    per_member, evaluate_train = flag("fit", "per_member", per_member), flag("fit", "evaluate_train", evaluate_train)
    loss, callbacks = loss.over_members(), checked_callbacks(callbacks)
    metrics = checked_metrics("fit", metrics, for_curves=True)
    warn_of_thresholds("fit", loss, metrics.values())
    splits: dict[str, Data] = {}
    source: TensorBatches | IterableBatches
    train = checked_data("fit: train", train)
    if is_pair(train):
        source = TensorBatches(*train, network, batch_size, per_member=per_member)
        expect_finite_loss("fit: train", network, loss, x=train[0], y=train[1], per_member=per_member)
        if evaluate_train:
            splits["train"] = train
    else:
        batches = cast("Batches", train)
        check = partial(expect_finite_loss, loss=loss)
        source = IterableBatches("fit: train", batches, network, per_member=per_member, check=check)
    if validation is not None:
        splits["validation"] = checked_data("fit: validation", validation)
        if is_pair(splits["validation"]):
            check_pair("fit: validation", *splits["validation"], network, per_member=per_member)
            x, y = splits["validation"]
            expect_finite_loss("fit: validation", network, loss, x=x, y=y, per_member=per_member)

    step, updater = make_step("fit", network, loss, optimizer, clip_norm=clip_norm, compile=compile)
    run = Run(network, updater, epochs, source.steps, callbacks)
    saving = Checkpoint(
        checkpoint,
        every,
        run,
        step,
        parts={"network": network.module, "loss": loss},
        data={"train": train, **({} if validation is None else {"validation": splits["validation"]})},
        settings={
            "loss": loss,
            "optimizer": optimizer,
            "batch_size": batch_size,
            "metrics": metrics,
            "clip_norm": clip_norm,
            "compile": compile,
            "per_member": per_member,
            "evaluate_train": evaluate_train,
        },
    )
    running = None if "train" in splits else metrics
    rows = [split[1].shape[int(per_member)] for split in splits.values() if is_pair(split)]
    evaluation = compiled_evaluation(step, metrics, rows)
    try:
        with torch.no_grad():
            saving.resume()
            run.make_whole()
            run.call("chainrule_fit_start")
            saving.resume_callbacks()
            while saving.taken or (run.epoch < epochs and not run.stopped):
                run.epoch += 1
                network.train()
                values = {"train": _train(run, step, source, loss, running, saving)}
                run.show_evaluation_parameters()
                for name, split in splits.items():
                    values[name] = values_over(
                        f"fit: {name}",
                        network,
                        loss,
                        split,
                        metrics,
                        per_member=per_member,
                        chosen=run.chosen,
                        compiled=evaluation and evaluation.due(run.epoch),
                    )
                record = {f"{name}_{key}": value for name, found in values.items() for key, value in found.items()}
                run.end_epoch(record)
                saving.end_epoch()
        run.show_evaluation_parameters()
        run.make_whole()
    except BaseException as error:
        _end_after(error, run)
        raise
    run.call("chainrule_fit_end", error=None)
    return run.history


def _end_after(error: BaseException, run: Run) -> None:
    """End a fit that failed; whatever else fails in doing so becomes a note of its error."""
    for end in (run.show_evaluation_parameters, run.make_whole, partial(run.call, "chainrule_fit_end", error=error)):
        try:
            end()
        except Exception as failure:  # noqa: BLE001 - the error of the fit is the one to raise
            error.add_note(one_line(failure))


def _train(
    run: Run,
    step: StepForm,
    source: TensorBatches | IterableBatches,
    loss: LossLike,
    running: Mapping[str, MetricLike] | None,
    saving: Checkpoint,
) -> dict[str, Tensor]:
    """Take one step per batch; unless running is None, return the mean loss and its metrics over the steps."""
    run.network.module.needs_input_grad = False
    step_end = run.event("chainrule_step_end")
    means, metrics = RunningMeans(run.network.members), MetricValues(running or {}, run.network.members)
    batches = source.epoch(run.epoch, saving.taken, run.chosen)
    saving.resume_epoch(means, metrics)
    step.follow_settings()
    for xs, ys in saving.pieces(batches):
        if isinstance(step, CompiledStep) and not step_end and not running and not run.stopped_members:
            _take_all(run, step, xs, ys, None if running is None else means)
            saving.end_step(means, metrics)
            continue
        for x, y in zip(xs.unbind(), ys.unbind(), strict=True):
            with torch.inference_mode():  # the quickest torch has; batches and callbacks come from outside of it
                prediction, value = step(x, y)
                if running is not None:
                    means.add_loss(loss, prediction, value, y)
                    metrics.add(prediction, y)
            run.step += 1
            run.step_loss, run.batch = value, (x, y)
            if run.stopped_members:
                run.keep_stopped_members()
            if step_end:
                step_end()
                if not run.network.training:
                    run.network.train()
                step.follow_settings()
        saving.end_step(means, metrics)
    keep_as_ordinary_tensors(run.network.modules())
    found = means.means() | metrics.values()
    return {name: value if run.network.is_ensemble else value[0] for name, value in found.items()}


def _take_all(run: Run, step: CompiledStep, xs: Tensor, ys: Tensor, means: RunningMeans | None) -> None:
    """Take a step on each batch, with nothing in between."""
    before = run.updater.t
    try:
        with torch.inference_mode():
            _, run.step_loss = step.take_all(xs, ys, means)
    finally:
        run.step += run.updater.t - before
    run.batch = xs[-1], ys[-1]
