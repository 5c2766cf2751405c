"""The callback that records the learning rate."""

from __future__ import annotations

from chainrule import Run, hookimpl


class LrMonitor:
    """Record the learning rate of each epoch's last step, after its schedule, as the curve lr.

    With `param_groups` there is a curve for each group, such as ``lr.*.bias``. Callbacks later in the list, such as
    `csv`, get the values with the other metrics.
    """

    @hookimpl
    def chainrule_epoch_end(self, run: Run) -> None:
        rates = run.updater.rates
        for group, rate in rates.items():
            run.record("lr" if list(rates) == ["*"] else f"lr.{group}", rate)

    @classmethod
    def examples(cls) -> list[LrMonitor]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]

    def __repr__(self) -> str:
        return "LrMonitor()"
