"""``report.md`` and ``report.html``: verdicts, table, figures, corrections and assumptions in one document."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule_lab.page_templates import page_templates
from chainrule_lab.paper import experiment_settings, findings
from chainrule_lab.paper.claims import Claim, Comparison
from chainrule_lab.paper.experiment_settings import Setting
from chainrule_lab.paper.results import versions
from chainrule_lab.paper.table import Row

MISSING = "–"  # noqa: RUF001

CAPTIONS = {
    1: "MSE (solid) against cross-entropy (dashed); uniform initialization, SGD. The two losses have different units, "
    "so only their accuracies can be compared.",
    2: "Xavier normal against uniform initialization; cross-entropy, SGD.",
    3: "The five optimizers, learning rate 0.001 (Adadelta 1), and Adagrad again at 0.01; cross-entropy, uniform "
    "initialization.",
}


@dataclass(frozen=True)
class Report:
    """The contents of the report.

    Attributes:
        seeds: one per member.
        epochs: the number of epochs trained.
        chosen: the settings that were run.
        table: the test values of each setting.
        claims: the claims with their verdicts.
        figures: each figure's SVG by number.
    """

    seeds: Sequence[int]
    epochs: int
    chosen: Sequence[Setting]
    table: Sequence[Row]
    claims: Sequence[Claim]
    figures: Mapping[int, bytes]

    def markdown(self) -> str:
        """Return the report as Markdown with links to the figures in the same folder."""
        return self._render("report.md.jinja")

    def html(self) -> str:
        """Return the report as one self-contained HTML page."""
        return self._render("report.html.jinja").replace(" %", "\u00a0%")

    def _render(self, template: str) -> str:
        environment = page_templates(
            "chainrule_lab.paper",
            number=number,
            signed=signed,
            percent=percent,
            share=share,
            points=points,
            difference=difference,
            embedded=embedded,
            hyperparameters=hyperparameters,
        )
        return environment.get_template(template).render(
            report=self,
            captions=CAPTIONS,
            corrections=findings.CORRECTIONS,
            assumptions=findings.ASSUMPTIONS,
            claim_note=findings.CLAIM_NOTE,
            causes=[(row.title, cause) for row in self.table if (cause := findings.likely_cause(row, self.epochs))],
            paper=experiment_settings,
            versions=versions(),
        )


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as text with a true minus sign; a dash for None."""
    return MISSING if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 4) -> str:
    """Return a number as text with its sign; a dash for None."""
    return MISSING if value is None else f"{value:+.{digits}f}".replace("-", "−")


def percent(fraction: float | None) -> str:
    """Return a fraction in percent, without the percent sign; a dash for None."""
    return number(None if fraction is None else 100 * fraction, 2)


def share(fraction: float) -> str:
    """Return a fraction in percent, clipped to 0 to 100."""
    return percent(min(max(fraction, 0.0), 1.0))


def points(fraction: float | None) -> str:
    """Return a difference of fractions in percentage points, with its sign; a dash for None."""
    return signed(None if fraction is None else 100 * fraction, 2)


def difference(comparison: Comparison) -> str:
    """Return a comparison's mean difference and interval in its measure's unit: ``+1.10 [+0.57, +1.63] points``."""
    interval, unit = comparison.difference, comparison.measure.unit
    scale, digits = {"points": (100, 2), "epochs": (1, 1)}.get(unit, (1, 4))
    mean, low, high = (signed(scale * value, digits) for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}] {unit}".rstrip()


def embedded(svg: bytes) -> str:
    """Return an SVG image as a data URL."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"


def hyperparameters(setting: Setting) -> str:
    """Return a setting's hyperparameters as keyword arguments: ``lr=0.001, momentum=0.0``."""
    values: Mapping[str, Any] = setting.hyperparameters
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
