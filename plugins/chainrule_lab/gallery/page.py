"""The page: its cards, and how they are put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

import chainrule
from chainrule import Component
from chainrule.base.wrapper import Wrapper
from chainrule_lab.gallery import curves, paths
from chainrule_lab.gallery.entries import Entry, LeftOut, call_of, shown_or_left_out
from chainrule_lab.gallery.excerpts import prose, rule_source
from chainrule_lab.gallery.paths import Path, point_shape
from chainrule_lab.gallery.plots import PANEL, Frame, contour_lines, curve_points, frame_of, scientific
from chainrule_lab.gallery.surfaces import SURFACES, Point
from chainrule_lab.page_templates import page_templates

ACTIVATION_FRAME = Frame(curves.X_RANGE, curves.Y_RANGE, 240, 170)


@dataclass(frozen=True)
class Activation:
    """An activation with its curve.

    Attributes:
        entry: the component.
        call: the example that is drawn.
        curve: its curve.
        value: the line of its values.
        slope: the line of its derivative.
    """

    entry: Entry
    call: str
    curve: curves.Curve
    value: str
    slope: str


@dataclass(frozen=True)
class Schedule:
    """A schedule with the lines of its examples.

    Attributes:
        entry: the component.
        lines: each example's call with its line.
        frame: the plot's window, as high as the greatest factor, at least 1.
    """

    entry: Entry
    lines: list[tuple[str, str]]
    frame: Frame


@dataclass(frozen=True)
class Rule:
    """An optimizer with its paths.

    Attributes:
        entry: the component.
        call: the example that runs, its inner rule included.
        is_wrapper: whether it runs around another rule.
        shape: the shape of the parameter that holds the point.
        paths: its path over each surface.
        source: its source code.
    """

    entry: Entry
    call: str
    is_wrapper: bool
    shape: tuple[int, ...]
    paths: list[Path]
    source: Markup


@dataclass(frozen=True)
class Gallery:
    """All that is on the page."""

    activations: list[Activation]
    schedules: list[Schedule]
    optimizers: list[Rule]
    left_out: list[LeftOut]

    def html(self) -> str:
        """Return the page, which needs nothing from elsewhere."""
        environment = page_templates(
            "chainrule_lab.gallery", prose=prose, scientific=scientific, heat=heat, place=place, rate=rate
        )
        return environment.get_template("gallery.html.jinja").render(
            gallery=self,
            surfaces=SURFACES,
            contours={surface.name: contour_lines(surface) for surface in SURFACES},
            frames={surface.name: frame_of(surface) for surface in SURFACES},
            panel=PANEL,
            activation_frame=ACTIVATION_FRAME,
            curves=curves,
            search=paths,
            version=chainrule.__version__,
        )


def gallery(components: Sequence[Component], on_component: Callable[[str], None] = lambda _: None) -> Gallery:
    """Return the contents of the page; what cannot be shown is named with the reason.

    Args:
        components: the records to show.
        on_component: called with the key of each before its turn.
    """
    made: dict[str, list[Any]] = {"activations": [], "schedules": [], "optimizers": []}
    show = {"activations": _activation, "schedules": _schedule, "optimizers": _rule}
    left_out: list[LeftOut] = []
    for component in components:
        on_component(component.key)
        card = shown_or_left_out(component, show[component.kind], left_out)
        if card is not None:
            made[component.kind].append(card)
    return Gallery(left_out=left_out, **made)


def _activation(entry: Entry) -> Activation:
    curve = curves.activation_curve(entry.examples())
    value, slope = (ACTIVATION_FRAME.line(curve_points(curve.x, y)) for y in (curve.y, curve.slope))
    return Activation(entry, call_of(curve.module), curve, value, slope)


def _schedule(entry: Entry) -> Schedule:
    examples = [(call_of(one), curves.schedule_factors(one)) for one in entry.examples()]
    highest = max((f for _, factors in examples for f in factors if math.isfinite(f)), default=1.0)
    frame = Frame((1, curves.STEPS), (0, max(highest, 1.0)), 340, 170, margin=(34, 12, 14, 26))
    return Schedule(entry, [(call, frame.line(enumerate(factors, 1))) for call, factors in examples], frame)


def _rule(entry: Entry) -> Rule:
    rule = entry.examples()[0]
    return Rule(
        entry, call_of(rule), isinstance(rule, Wrapper), point_shape(rule), paths.paths(rule), rule_source(rule)
    )


def heat(value: float) -> float:
    """Return how dark a value's cell is, from 0 for 10 and more to 1 for 10⁻¹⁰ and less."""
    if not math.isfinite(value):
        return 0.0
    return round(min(max((1 - math.log10(max(value, 1e-300))) / 11, 0.0), 1.0), 2)


def place(point: Point) -> str:
    """Return a point as text: (−1.2, 1)."""
    return f"({point[0]:g}, {point[1]:g})".replace("-", "−")


def rate(lr: float) -> str:
    """Return a learning rate as in code: 0.001, 1e-5."""
    return f"{lr:g}".replace("e-0", "e-")
