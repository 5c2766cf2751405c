"""`RunDescription`: a run as components and their settings by name."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from chainrule import (
    CallbackError,
    ChainruleError,
    Loss,
    Module,
    Network,
    Optimizer,
    ShapeError,
    Splits,
    Task,
    create,
    label,
)
from chainrule.arguments import nearest
from chainrule_lab.identity import digest, text_of
from chainrule_lab.runs.data import Data, FileData, read_data
from chainrule_lab.runs.dotted import changed
from chainrule_lab.runs.fit_settings import FIT_KEYS, expect_metrics, read_fit_settings
from chainrule_lab.runs.member_settings import member_settings
from chainrule_lab.runs.network_settings import NETWORK_KEYS, NetworkSettings, read_network_settings
from chainrule_lab.runs.parts import MODULES, Part, completed, distributions_in, made, read_part
from chainrule_lab.runs.place import Place
from chainrule_lab.runs.tables import of_task, task_parts
from chainrule_lab.runs.toml_file import read_toml

KEYS = ("task", "data", "network", "loss", "optimizer", *NETWORK_KEYS, *FIT_KEYS)
"""What a description may have."""


@dataclass(frozen=True, eq=False)
class RunDescription:
    """A run: data, network, loss, optimizer, and the arguments of `fit`, checked against their own signatures.

    Two are equal if their complete forms are. A task brings its own network, loss, metrics and settings, each of which
    may be given in place of it.

    Args:
        given: the contents of the file.
        where: the name of the file in messages.
        folder: the folder from which paths in it are read.

    Raises:
        ChainruleError: if a key, a name or a value does not fit; the message begins with the place in the file.
    """

    given: Mapping[str, Any]
    where: str = "run"
    folder: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        object.__setattr__(self, "given", copy.deepcopy(dict(self.given)))
        try:
            self._check()
        except RecursionError as error:
            raise self._place.error("must be nested less deeply, got too many levels. Flatten it.") from error

    @classmethod
    def read(cls, path: str | Path, values: Mapping[str, Any] | None = None) -> RunDescription:
        """Return the description in a file, with these values in place of its own, as in `with_values`."""
        path = Path(path)
        return cls.of(read_toml(path), where=str(path), folder=path.parent, values=values)

    @classmethod
    def of(
        cls,
        mapping: Mapping[str, Any],
        *,
        where: str = "run",
        folder: str | Path = "",
        values: Mapping[str, Any] | None = None,
    ) -> RunDescription:
        """Return the description that a mapping is, as it would stand in a file; values as in `with_values`."""
        return cls(changed(Place(where, Path(folder)), mapping, values or {}), where, Path(folder))

    def with_values(self, values: Mapping[str, Any]) -> RunDescription:
        """Return another with these values at dotted keys, such as ``{"network.2.out_features": 64}``.

        The keys may lead into the network, the loss and the metrics that a task brings.
        """
        return RunDescription.of(self.given, where=self.where, folder=self.folder, values=values)

    def module(self) -> Module:
        """Return a new network, not built."""
        return self._module()

    def build(self) -> Network:
        """Return a new network, built with its seeds and the parameters frozen that are to be."""
        return self._network_settings.build(self._place.at("network"), self.module())

    def loss(self) -> Loss:
        """Return a new loss."""
        found: Loss = of_task(self._place, self._task_object, "loss") if self._loss is None else self._loss.make()
        return found

    def optimizer(self) -> Optimizer:
        """Return the optimizer, or parameter groups."""
        found: Optimizer = self._optimizer.make()
        return found

    @property
    def data_file(self) -> Path | None:
        """The file that the data is read from, if it is one."""
        return self._data.path if isinstance(self._data, FileData) else None

    def splits(self) -> Splits:
        """Return the data, in the network's dtype and on its device."""
        return self._network_settings.converted(self._data.splits())

    def fit_arguments(self) -> dict[str, Any]:
        """Return the arguments of `fit` but for network, loss, optimizer and data; callbacks and metrics are new."""
        return {name: made(value) for name, value in self._fit_settings.items()}

    def explain(self, error: ShapeError | CallbackError) -> NoReturn:
        """Raise the error of a fit, whose parts do not fit together, with the place and the remedy."""
        rule = str(error).partition(". ")[0]
        told: ChainruleError = error
        if isinstance(self._data, FileData):
            if rule.startswith("fit: y of "):
                self._data.expect_finite_targets()
            if refused := re.search(rf"^{label(self.loss())}: (target) must|: (x) must have shape", rule):
                told = ShapeError(f"{rule}. {self._data.remedy(refused[1] or refused[2])}")
        raise self._place.error_of(told, "fit") from error

    def complete(self, folder: Path | None = None) -> dict[str, Any]:
        """Return the whole description with every default filled in, as a mapping that TOML can hold.

        Paths are from the folder in which it is to be saved, or whole.
        """
        parts = {"task": self._task, "network": self._network, "loss": self._loss, "optimizer": self._optimizer}
        found = {name: completed(part, folder) for name, part in parts.items() if part is not None}
        found["data"] = self._data.complete(folder)
        found |= self._network_settings.complete()
        found |= {name: completed(value, folder) for name, value in self._fit_settings.items()}
        if self._task is not None and "metrics" not in self.given:
            del found["metrics"]
        found |= {name: completed(part, folder) for name, part in self._of_task_alone.items()}
        return {key: found[key] for key in KEYS if key in found}

    def digests(self, splits: Splits) -> dict[str, str]:
        """Return a digest of the data and, by its key, of each part with its code."""
        fit = self.fit_arguments()
        parts = {"network": self.module(), "loss": self.loss(), "optimizer": self.optimizer()}
        parts |= {name: fit[name] for name in ("metrics", "callbacks")}
        return {name: digest(text_of(value)) for name, value in {"data": splits, **parts}.items()}

    def packages(self) -> set[str]:
        """Return the names of the distributions whose components the run has."""
        found = [self._task, self._data, self._network, self._loss, self._optimizer, self._fit_settings]
        return {name for one in found for name in distributions_in(one)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunDescription) and self._complete == other._complete

    def __hash__(self) -> int:
        return hash(json.dumps(self._complete, sort_keys=True, default=str))

    def __reduce__(self) -> tuple[Any, ...]:
        return RunDescription, (self.given, self.where, self.folder)  # components in files are imported anew

    @cached_property
    def _complete(self) -> dict[str, Any]:
        return self.complete()

    @cached_property
    def _place(self) -> Place:
        return Place(self.where, self.folder)

    @cached_property
    def _task(self) -> Part | None:
        given = self.given.get("task")
        return None if given is None else read_part(self._place.at("task"), given, ("tasks",))

    @cached_property
    def _task_object(self) -> Task | None:
        task: Task | None = None if self._task is None else self._task.make()
        for name in ("metrics", "settings"):
            if task is not None and not hasattr(task, name):
                raise self._place.at("task").error(
                    f"needs a task with {name}, got {label(task)} without. Write {name} in its class, as a dict."
                )
        return task

    @cached_property
    def _data(self) -> Data:
        of_classes = getattr(self.loss(), "class_axis", None) is not None
        return read_data(self._place.at("data"), self.given.get("data", {}), self._task_object, of_classes=of_classes)

    @cached_property
    def _network(self) -> Part | list[Part] | None:
        given, place = self.given.get("network"), self._place.at("network")
        if isinstance(given, list):
            return [read_part(place.at(index), one, MODULES) for index, one in enumerate(given)]
        return self._part("network", MODULES)

    @cached_property
    def _of_task_alone(self) -> dict[str, Any]:
        """What the task brings and the description does not, as parts, as far as it can be described."""
        found = {} if self._task_object is None else task_parts(self._place, self._task_object)
        return {name: part for name, part in found.items() if name not in self.given}

    @cached_property
    def _loss(self) -> Part | None:
        return self._part("loss", ("losses",))

    @cached_property
    def _optimizer(self) -> Part:
        given = self.given.get("optimizer")
        if given is None:
            raise self._place.error('needs an optimizer, got none. Write optimizer = "adam".')
        return read_part(self._place.at("optimizer"), given, ("optimizers",))

    @cached_property
    def _network_settings(self) -> NetworkSettings:
        return read_network_settings(self._place, self.given)

    @cached_property
    def _fit_settings(self) -> dict[str, Any]:
        return read_fit_settings(self._place, self.given, self._task_object)

    def _part(self, name: str, kinds: tuple[str, ...]) -> Part | None:
        given = self.given.get(name)
        if given is None and self._task is None:
            raise self._place.error(f'needs a {name}, got none. Write it, or a task that has one: task = "circle".')
        return None if given is None else read_part(self._place.at(name), given, kinds)

    def _module(self) -> Module:
        if self._network is None:
            found: Module = of_task(self._place, self._task_object, "network")
            return found
        if isinstance(self._network, Part):
            module: Module = self._network.make()
            return module
        modules = [part.make() for part in self._network]
        try:
            return create("layers", "sequential", *modules)
        except ChainruleError as error:
            raise self._place.at("network").error_of(error, "sequential") from error

    def _check(self) -> None:
        """Raise ChainruleError unless every part of the description can be made."""
        for key in self.given:
            if key == "search":
                raise self._place.error('takes no "search", which is of a sweep. Run chainrule sweep on it.')
            if key not in KEYS:
                known = f" It takes {', '.join(KEYS)}."
                raise self._place.error(f'takes no "{key}".{nearest(key, KEYS) or known}')
        _ = self._data, self._network_settings
        expect_metrics(self._place.at("metrics"), self.fit_arguments()["metrics"])
        _ = self.module(), self.loss()
        members = self._network_settings.members
        for name, values in member_settings(self.optimizer()).items():
            if len(values) != members:
                raise self._place.error(
                    f"must have a member for each value of optimizer.{name}, got {members} for {len(values)}. "
                    f"Write members = {len(values)}, or as many seeds."
                )
