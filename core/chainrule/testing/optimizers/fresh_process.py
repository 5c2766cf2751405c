"""Resume a saved run in a fresh process, from files alone."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.testing.check import CheckFailed, NotApplicable
from chainrule.testing.module_file import files_of, import_files
from chainrule.testing.optimizers.trials import take, weights
from chainrule.testing.process_server import call_in_fresh_process
from chainrule.updates.updater import Updater

NOT_IMPORTABLE = 3
"""The exit status of a process that cannot import the rule."""


def in_fresh_process(rule: Optimizer, updater: Updater, steps: int, folder: Path) -> dict[str, Tensor]:
    """Return the parameters after further steps of the updater's run, taken by a fresh process from files.

    Raises:
        NotApplicable: if another process cannot import the rule, such as one defined in a function or a notebook.
        CheckFailed: if the process fails for another reason.
    """
    try:
        (folder / "rule.pickle").write_bytes(pickle.dumps(rule))
    except (AttributeError, pickle.PicklingError) as error:
        raise NotApplicable(f"another process cannot import the rule: {error}") from error
    torch.save({"network": updater.network.state_dict(), "updater": updater.state_dict()}, folder / "before.pt")
    root, files = _root_of(type(rule)), files_of(type(rule).__module__)
    status, printed = call_in_fresh_process(f"{__name__}:go_on", folder, steps=steps, files=files, root=root)
    if status == NOT_IMPORTABLE:
        raise NotApplicable(f"another process cannot import the rule: {printed}")
    if status:
        raise CheckFailed(
            f"a fresh process must resume the saved run, got exit status {status}: {printed.rstrip('.')}."
        )
    after: dict[str, Tensor] = torch.load(folder / "after.pt", weights_only=True)
    return after


def _root_of(kind: type) -> str:
    """Return the folder from which the class's module can be imported by its dotted name, or "" if it has no file."""
    file = getattr(sys.modules[kind.__module__], "__file__", None)
    return str(Path(file).parents[kind.__module__.count(".")]) if file else ""


def go_on(folder: str, steps: int, files: Iterable[tuple[str, str]], root: str) -> None:
    """Resume the run that `in_fresh_process` saved in the folder, and save the final parameters there.

    Args:
        folder: where it is.
        steps: further steps to take.
        files: those of the rule's module, as `files_of` returns them.
        root: where the module can be imported from, as `_root_of` returns it.
    """
    sys.path += filter(None, [root])
    place = Path(folder)
    try:
        import_files(files)
        rule = pickle.loads((place / "rule.pickle").read_bytes())  # noqa: S301 - written by this user just before
    except (AttributeError, ImportError) as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_IMPORTABLE)
    network = weights(rule)
    updater = rule.attach(network)
    saved = torch.load(place / "before.pt", weights_only=True)
    network.load_state_dict(saved["network"])
    updater.load_state_dict(saved["updater"])
    take(updater, steps)
    torch.save(network.state_dict(), place / "after.pt")
