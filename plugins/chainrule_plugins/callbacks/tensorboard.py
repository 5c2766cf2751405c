"""The callback that writes a fit's curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from chainrule import ChainruleError, Run, hookimpl
from chainrule.ops import shown


class Tensorboard:
    """Write every metric of every epoch to log_dir, which ``tensorboard --logdir runs`` shows; needs the extra.

    Each member of an ensemble is a run of its own, in log_dir/member_0 and so on. A second fit needs another folder,
    or its curves are drawn over those of the first. Install it by ``pip install "chainrule[tensorboard]"``.
    """

    def __init__(self, log_dir: str | Path = "runs") -> None:
        if not isinstance(log_dir, str | Path) or not str(log_dir):
            raise ChainruleError(f'tensorboard: log_dir must be text or a Path, got {shown(log_dir)}. Pass "runs".')
        self.log_dir = log_dir
        self._writers: list[Any] = []

    @hookimpl
    def chainrule_fit_start(self, run: Run) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ChainruleError(
                'tensorboard: its package was not found. Install it with pip install "chainrule[tensorboard]".'
            ) from error
        members = [f"member_{member}" for member in range(run.network.members)] if run.network.is_ensemble else [""]
        try:
            folders = [Path(self.log_dir).expanduser() / member for member in members]
            again = run.epoch + 1 if run.epoch else None  # of a resumed run, later epochs than the last are drawn anew
            self._writers = [SummaryWriter(str(each), purge_step=again) for each in folders]
        except (OSError, RuntimeError) as error:  # the latter for a home folder that does not exist
            reason = getattr(error, "strerror", None) or error
            raise ChainruleError(
                f"tensorboard: log_dir must be a folder that can be written, got {self.log_dir} ({reason}). "
                "Choose another."
            ) from error

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        for name, values in metrics.items():
            each = values.reshape(-1).tolist()
            for member in run.members:
                self._writers[member].add_scalar(name, each[member], epoch)

    @hookimpl
    def chainrule_fit_end(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers = []

    @classmethod
    def examples(cls) -> list[Tensorboard]:
        """Return instances that the conformance kit, in a folder of its own, and the documentation use."""
        return [cls("runs")]

    def __repr__(self) -> str:
        return f'Tensorboard("{self.log_dir}")'
