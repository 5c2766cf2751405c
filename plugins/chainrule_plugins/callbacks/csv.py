"""The callback that writes a fit's curves to a file, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from chainrule import Run, hookimpl
from chainrule_plugins.line_file import LineFile


class Csv(LineFile):
    """Write one row per epoch and, for an ensemble, member: ``epoch,member,train_loss,validation_loss``.

    A single network's rows have no column member; a member that was dropped has no more rows. A fit starts the file
    anew at its first epoch, with a header, and then appends the rows of each epoch by a single write, which is undone
    if it fails. Values that are not finite are nan, inf and -inf. ``pandas.read_csv(path)`` reads the table.
    """

    example_path: ClassVar[str] = "history.csv"

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int, metrics: Mapping[str, Tensor]) -> None:
        columns = [value.reshape(-1).tolist() for value in metrics.values()]
        rows = list(zip(*columns, strict=True))
        first = ["epoch", "member"] if run.network.is_ensemble else ["epoch"]
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        if epoch == 1:
            table.writerow([*first, *metrics])
        table.writerows([*[epoch, member][: len(first)], *rows[member]] for member in run.members)
        self.write(text.getvalue(), anew=epoch == 1)

    @classmethod
    def examples(cls) -> list[Csv]:
        """Return instances that the conformance kit, in a folder of its own, and the documentation use."""
        return [cls("history.csv")]
