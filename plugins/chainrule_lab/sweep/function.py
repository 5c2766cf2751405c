"""`sweep`: the Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import Executor
from dataclasses import dataclass, field
from inspect import Parameter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chainrule import ChainruleError, Module
from chainrule.arguments import advice, integer, nearest, number, shown
from chainrule.base.protocols import LossLike
from chainrule.building import checked_device, checked_dtype
from chainrule.calls import explained, signature_of
from chainrule.training.batches import is_pair
from chainrule.training.passed_parts import Metrics, check_parts, checked_callbacks, checked_metrics
from chainrule_lab.sweep.results import Results
from chainrule_lab.sweep.runner import Workers, run
from chainrule_lab.sweep.space import SEED, Method, Settings, trials_of
from chainrule_lab.sweep.trial import Pair, Trial, copies_of

OF_THE_FIT = ("epochs", "batch_size", "clip_norm")
"""Settings of a search that are arguments of the fit, not of build."""


@explained
def sweep(
    build: Callable[..., tuple[Any, Any]],
    search: Mapping[str, Any],
    *,
    loss: LossLike,
    train: Pair,
    validation: Pair | None = None,
    test: Pair | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    metrics: Metrics | None = None,
    callbacks: Sequence[object] = (),
    clip_norm: float | None = None,
    compile: bool = False,
    evaluate_train: bool = True,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    method: Method = "grid",
    trials: int | None = None,
    seed: int = 0,
    store: str | Path = "sweep.db",
    name: str = "sweep",
    executor: Executor | None = None,
    memory: float | None = None,
    members: int | None = None,
) -> Results:
    """Train every trial of a search, alike ones together as one ensemble, and return the table of results.

    A trial is written as a single run: build(lr=…, width=…) returns a module, not built, and an optimizer. Trials with
    modules of one structure, and rules that differ in numbers alone, become one ensemble. Each has what the single run
    of its settings has, to rounding.

    Results are kept in the store, in one transaction for each ensemble. The same call goes on with what is missing
    there, and computes nothing twice; other sweeps, and other processes at the same time, may use the same store.

    Args:
        build: takes the settings of a trial by name, but not its seed, and returns (module, optimizer), always the
            same for the same settings.
        search: by name, what each setting may be: one value, a list, a range, `choice`, `uniform` or `log_uniform`.
            The name "seed" is that of the first values and the order of batches; epochs, batch_size and clip_norm go to
            the fit in place of the arguments below; all others go to build.
        loss: the loss.
        train: tensors x and y, each (N, …).
        validation: the same, or None.
        test: the same; every trained network is evaluated on it once.
        epochs: as in `chainrule.fit`.
        batch_size: as in `chainrule.fit`.
        metrics: as in `chainrule.fit`.
        callbacks: as in `chainrule.fit`; each ensemble gets copies of them, which must write no file, and of the loss
            and the metrics, which a callback that changes one must hold. A trial's curves end where one stops it. An
            ensemble that one ends as a whole is trained again in parts.
        clip_norm: as in `chainrule.fit`.
        compile: as in `chainrule.fit`; it changes results to rounding alone, and has no part in their keys.
        evaluate_train: as in `chainrule.fit`.
        dtype: as in `Module.build`.
        device: as in `Module.build`.
        method: "grid" for every combination; "random" or "sobol" for so many trials as points, evenly distributed or
            by a scrambled Sobol sequence, each with every seed of the search.
        trials: the number of points, unless method="grid".
        seed: what the drawn points follow from.
        store: the SQLite file for the results; it is made if there is none.
        name: the name of the sweep in the store and in figures.
        executor: any `concurrent.futures.Executor`, such as Dask's client.get_executor(); one ensemble is a task, and
            each of its processes works with one thread. None trains in this process.
        memory: the bytes that one ensemble may take; by default half of what is available, divided by the workers.
        members: the most members of one ensemble, where memory alone would allow more.

    Raises:
        ChainruleError: if an argument does not fit, a trial cannot be made or trained, or the store is damaged. What
            was finished before is in the store.
    """
    check_parts("sweep", loss=loss)
    place = {"dtype": checked_dtype(dtype), "device": checked_device(device)}
    for split, data in (("train", train), ("validation", validation), ("test", test)):
        if not is_pair(data) and not (data is None and split != "train"):
            fix = _form(split, data, place["dtype"])
            raise ChainruleError(f"sweep: {split} must be two tensors x and y, got {shown(data)}. {fix}")
    if not callable(build) or isinstance(build, Module):
        raise ChainruleError(
            f"sweep: build must be a function that returns (module, optimizer), got {shown(build)}. Write one."
        )
    if executor is not None and (isinstance(executor, type) or not hasattr(executor, "submit")):
        raise ChainruleError(
            f"sweep: executor must be a concurrent.futures.Executor, got {shown(executor)}. "
            "Pass ProcessPoolExecutor(2), for example, or client.get_executor() of Dask."
        )
    if not isinstance(name, str) or not name:
        raise ChainruleError(f'sweep: name must be text, got {shown(name)}. Pass name="rates", for example.')
    workers = Workers(
        executor,
        None if memory is None else number("sweep", "memory", memory, above=0),
        None if members is None else integer("sweep", "members", members, at_least=1),
    )
    fit = {
        "epochs": epochs,
        "batch_size": batch_size,
        "metrics": None if metrics is None else checked_metrics("fit", metrics, for_curves=True),
        "callbacks": checked_callbacks(callbacks),
        "clip_norm": clip_norm,
        "compile": compile,
        "evaluate_train": evaluate_train,
    }
    loss, fit = copies_of(loss, fit)
    make = OfFunction(build, loss, train, validation, test, fit, place)
    all_settings = trials_of(search, method, trials, seed)
    _expect_taken(build, all_settings[0].keys() - {SEED, *OF_THE_FIT})
    return run(name, make, all_settings, store, workers)


def _form(split: str, data: object, dtype: object) -> str:
    """Return a sentence with the form to pass in place of this data."""
    if isinstance(data, tuple | list) and any(isinstance(part, np.ndarray | list) for part in data):
        return f"Convert each with torch.as_tensor(part, dtype={dtype}), class indices with dtype=torch.int64."
    tensors = getattr(data, "tensors", None)  # of a TensorDataset
    return f"Pass {split}=data.tensors." if is_pair(tensors) else "Pass (x, y)."


def _expect_taken(build: Callable[..., object], settings: Set[str]) -> None:
    """Raise ChainruleError unless build takes the settings of these names, and needs no others."""
    try:
        parameters = signature_of(build).parameters.values()
    except (TypeError, ValueError):  # of compiled code
        return
    by_name = {one.name: one.default for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    if (unknown := sorted(settings - by_name.keys())) and not takes_any:
        known = f" It takes {', '.join(by_name) or 'none'}. Rename the setting, or leave it out."
        name = unknown[0]
        raise ChainruleError(f'sweep: build takes no setting "{name}" of the search.{nearest(name, by_name) or known}')
    if missing := [name for name, default in by_name.items() if default is Parameter.empty and name not in settings]:
        name = missing[0]
        if name in (SEED, *OF_THE_FIT):
            raise ChainruleError(f'sweep: build must not need "{name}", which the sweep itself uses. Leave it out.')
        raise ChainruleError(
            f'sweep: build needs "{name}", which the search lacks. Add it there, or give it a default in build.'
        )


@dataclass(frozen=True)
class OfFunction:
    """Makes trials by a function of their settings."""

    build: Callable[..., tuple[Any, Any]]
    loss: LossLike
    train: Pair
    validation: Pair | None
    test: Pair | None
    fit: Mapping[str, Any]
    place: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, settings: Settings) -> Trial:
        """Return the trial of these settings."""
        own = dict(settings)
        fit = {**self.fit, **{name: own.pop(name) for name in OF_THE_FIT if name in own}}
        for name in ("epochs", "batch_size"):
            integer("fit", name, fit[name], at_least=1)
        made = self.build(**own)
        if not isinstance(made, tuple) or len(made) != 2:
            raise ChainruleError(
                f"build must return a module and an optimizer, got {shown(made)}. Write return module, optimizer."
            )
        module, optimizer = made
        check_parts("build", optimizer=optimizer)
        if not hasattr(module, "build"):
            fix = "Leave out build()." if hasattr(module, "flat") else advice("module", module)
            raise ChainruleError(f"build must return a module that is not built, got {shown(module)}. {fix}")
        return Trial(module, optimizer, self.loss, self.train, self.validation, self.test, fit, self.place)
