"""A network as a picture: nested boxes in SVG, on whose edges stand the norms of the gradients of one backward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from chainrule.base.module import Shape, named_parameters
from chainrule.base.protocols import ModuleLike
from chainrule.errors import label, one_line
from chainrule.formulas import formula
from chainrule.inspection import (
    LARGEST,
    Passage,
    input_shape_of,
    is_small,
    output_shapes,
    passages,
    shapes_seen,
    shown_shape,
    total,
)

if TYPE_CHECKING:
    from chainrule.network import Network

WIDTH = 343
"""Of the picture in pixels, which fits a telephone of 375."""

NARROWEST = 132
"""The least width of a box; branches for which there is less room stand below each other."""

LEAF, HEADER, EDGE, PAD, GAP, LETTER = 48, 28, 30, 9, 8, 7.0
"""Heights of a box, a heading and an edge; the space around and between boxes; the width of a letter."""

STYLE = """
.chainrule{--ink:#1c2430;--soft:#586174;--line:#8a94a6;--box:#fff;--rim:#b9c1cf;--group:#f2f5f9;--grad:#0b63b8}
@media (prefers-color-scheme:dark){.chainrule{--ink:#e8ecf3;--soft:#a3adbd;--line:#79849a;--box:#1d2430;--rim:#465166;
--group:#151a23;--grad:#7cb8ff}}
.chainrule text{font:13px system-ui,sans-serif;fill:var(--ink)}.chainrule .soft{font-size:12px;fill:var(--soft)}
.chainrule .grad{font-size:12px;fill:var(--grad)}.chainrule .name{font-weight:600}.chainrule .right{text-anchor:end}
.chainrule rect{fill:var(--box);stroke:var(--rim)}.chainrule .group{fill:var(--group)}
.chainrule .edge,.chainrule .join{stroke:var(--line);fill:none}.chainrule .join{stroke-width:3;stroke-linecap:round}
.chainrule .tip{fill:var(--line)}.chainrule g:hover>rect{stroke:var(--grad)}
"""


@dataclass
class Box:
    """A module to draw, with the modules inside it.

    Attributes:
        name: its name in its container.
        module: the module.
        shape: that of one output, if known.
        passage: what passed through it, if known.
        children: the boxes inside, in the order in which their forwards ended.
    """

    name: str
    module: ModuleLike
    shape: Shape | None
    passage: Passage | None
    children: list[Box] = field(default_factory=list)

    def count(self) -> int:
        """Return the number of values, for each member, of the parameters inside, each counted once."""
        return sum(parameter.shape.numel() for _, parameter in named_parameters(self.module))


def boxes(
    module: ModuleLike, shapes: Mapping[str, Shape], passed: Mapping[str, Passage], path: str = "", name: str = ""
) -> Box:
    """Return the box of a module, with all boxes inside it."""
    box = Box(name, module, shapes.get(path), passed.get(path))
    for key, child in module.named_children():
        box.children.append(boxes(child, shapes, passed, f"{path}.{key}" if path else key, key))
    box.children.sort(key=_order)
    return box


def _order(box: Box) -> float:
    return math.inf if box.passage is None else box.passage.order


def picture_in_a_notebook(network: Network) -> str:
    """Return the picture in HTML; without gradients, and the reason, where they cannot be had."""
    shape = input_shape_of(network)
    passed: Mapping[str, Passage] = {}
    why = "No gradients: call the network once, so that the shape of its input is known."
    if not is_small(network):
        why = f"No gradients: it has more than {LARGEST:,} parameters."
    elif shape is not None:
        try:
            passed = passages(network, shape)
        except Exception as error:  # noqa: BLE001 - a picture is shown whatever a module does
            why = f"No gradients: {one_line(error)}"
    if not passed and not network.known_inputs:
        shape = None  # a guess that does not fit
    drawn = svg(network, shape, passed)
    return f'{drawn}<p style="font:13px system-ui,sans-serif">{escape(total(network))}. {caption(passed, why)}</p>'


def caption(passed: Mapping[str, Passage], why: str = "") -> str:
    """Return in HTML what the numbers on the edges are, or why there are none."""
    if not passed:
        return escape(why)
    return (
        "On each edge: the norm of the gradient that flows back along it, for a drawn batch and ‖dL/dy‖ = 1. "
        "A bar: what a container computes by itself."
    )


def svg(network: Network, input_shape: Shape | None, passed: Mapping[str, Passage]) -> str:
    """Return the picture as SVG with its own style, which follows the reader's light or dark scheme."""
    static = {} if passed else output_shapes(network, (...,) if input_shape is None else input_shape)
    root = boxes(network.module, shapes_seen(passed) or static, passed)
    parts, y = _pill("input", shown_shape((...,) if input_shape is None else input_shape), 1)
    inner, y = _inside(root, 1, y, WIDTH - 2) if root.children else _row([[root]], 1, y, WIDTH - 2)
    last, y = _pill("output", shown_shape(root.shape), y)
    title = f"<title>{escape(_title(root))}</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chainrule" role="img" width="{WIDTH}" height="{y + 1}" '
        f'viewBox="0 0 {WIDTH} {y + 1}"><style>{STYLE}</style>{title}{"".join([*parts, *inner, *last])}</svg>'
    )


def _pill(name: str, shape: str, y: float) -> tuple[list[str], float]:
    width = min(WIDTH - 2, LETTER * (len(name) + len(shape) + 1) + 24)
    x = (WIDTH - width) / 2
    text = f'<tspan class="name">{name}</tspan> {escape(shape)}'
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="26" rx="13"/>'
        f'<text x="{WIDTH / 2:g}" y="{y + 17:g}" text-anchor="middle">{text}</text>'
    ], y + 26


def _box(box: Box, x: float, y: float, width: float) -> tuple[list[str], float]:
    """Return the parts of one box, and the y below it."""
    inner: list[str] = []
    bottom = y + LEAF
    if box.children:
        inner, bottom = _inside(box, x + PAD, y + HEADER, width - 2 * PAD)
    count = box.count()
    numbers = f"{count:,} parameters" if count and width > 220 else f"{count:,}" if count else ""
    room = int((width - 2 * PAD) / LETTER) - len(numbers) - 1
    heading = f"{box.name} {label(box.module)}".strip()
    kind = "group" if box.children else "box"
    shape = "" if box.children else shown_shape(box.shape)
    parts = [
        f'<g><title>{escape(_title(box))}</title><rect class="{kind}" x="{x:g}" y="{y:g}" '
        f'width="{width:g}" height="{bottom - y:g}" rx="7"/>',
        f'<text class="name" x="{x + PAD:g}" y="{y + 19:g}">{escape(_cut(heading, room))}</text>',
        f'<text class="soft right" x="{x + width - PAD:g}" y="{y + 19:g}">{numbers}</text>' if numbers else "",
        f'<text class="soft" x="{x + PAD:g}" y="{y + 38:g}">{escape(_cut(shape, int((width - 2 * PAD) / 6.3)))}</text>'
        if shape
        else "",
    ]
    return [*parts, *inner, "</g>"], bottom


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(1, room - 1)] + "…"


def _title(box: Box) -> str:
    """Return what hovering shows: what the module is, and its formulas."""
    cls = type(box.module)
    formulas = [f"{heading}: {text}" for heading in ("Forward", "Backward") if (text := formula(cls, heading))]
    return "\n".join([f"{label(cls)}, output {shown_shape(box.shape)}, {box.count():,} parameters", *formulas])


def _inside(box: Box, x: float, y: float, width: float) -> tuple[list[str], float]:
    """Return the parts of a container's children: chains of those whose input is the output of the one before.

    Chains with the same input stand side by side if there is room. Where tensors come from or go to something other
    than a child or the container's border, a bar stands for the operations in between.
    """
    rows = _rows(box.children)
    if any((width + GAP) / len(row) < NARROWEST + GAP for row in rows):
        rows = [[chain] for row in rows for chain in row]
    parts: list[str] = []
    if not _is_same(rows[0][0][0].passage, box.passage, "x", "x"):
        bar, y = _bar(x, y + 5, width)
        parts += bar
    for i, row in enumerate(rows):
        drawn, y = _row(row, x, y, width)
        parts += drawn
        ends = len(row) == 1 and i == len(rows) - 1 and _is_same(row[0][-1].passage, box.passage, "y", "y")
        if not ends:
            bar, y = _bar(x, y, width)
            parts += bar
            if i == len(rows) - 1:
                edge, y = _edge(x + width / 2, y, EDGE, _norm(box.passage, "grad_output"))
                parts += edge
    return parts, y


def _rows(children: Sequence[Box]) -> list[list[list[Box]]]:
    """Return rows of chains that have the same input."""
    chains: list[list[Box]] = []
    for child in children:
        if chains and _is_same(chains[-1][-1].passage, child.passage, "y", "x"):
            chains[-1].append(child)
        else:
            chains.append([child])
    rows: list[list[list[Box]]] = []
    for chain in chains:
        if rows and _is_same(rows[-1][0][0].passage, chain[0].passage, "x", "x"):
            rows[-1].append(chain)
        else:
            rows.append([chain])
    return rows


def _is_same(one: Passage | None, other: Passage | None, of_one: str, of_other: str) -> bool:
    """Return whether two passages share a tensor; taken for granted for x after y where nothing is known."""
    if one is None or other is None:
        return (of_one, of_other) != ("x", "x") or one is other
    return getattr(one, of_one) is getattr(other, of_other)


def _row(row: list[list[Box]], x: float, y: float, width: float) -> tuple[list[str], float]:
    """Return the parts of chains side by side, each with an edge above and below, and the y below them."""
    each = (width - GAP * (len(row) - 1)) / len(row)
    drawn = [_chain(chain, x + i * (each + GAP), y, each) for i, chain in enumerate(row)]
    bottom = max(end for _, end in drawn)
    parts = [part for chain, _ in drawn for part in chain]
    for i, (chain, (_, end)) in enumerate(zip(row, drawn, strict=True)):
        passage = chain[-1].passage
        edge, _ = _edge(x + i * (each + GAP) + each / 2, end, bottom + EDGE - end, _norm(passage, "grad_output"))
        parts += edge
    return parts, bottom + EDGE


def _chain(chain: list[Box], x: float, y: float, width: float) -> tuple[list[str], float]:
    """Return the parts of boxes below each other, each with an edge above, and the y below the last."""
    parts: list[str] = []
    for box in chain:
        edge, y = _edge(x + width / 2, y, EDGE, _norm(box.passage, "grad_input"))
        drawn, y = _box(box, x, y, width)
        parts += [*edge, *drawn]
    return parts, y


def _edge(x: float, y: float, length: float, norm: float | None) -> tuple[list[str], float]:
    """Return an arrow downwards, the wider the greater the gradient that flows up it, and the y at its tip."""
    end = y + length
    width = 1.5 if not norm or not math.isfinite(norm) else min(4.0, max(0.75, 2.5 + 0.75 * math.log10(norm)))
    shown = "" if norm is None else f'<text class="grad" x="{x + 9:g}" y="{y + length / 2 + 3:g}">{norm:.2g}</text>'
    return [
        f'<path class="edge" stroke-width="{width:.2g}" d="M{x:g} {y:g}V{end - 6:g}"/>'
        f'<path class="tip" d="M{x - 4.5:g} {end - 8:g}h9l-4.5 8z"/>{shown}'
    ], end


def _norm(passage: Passage | None, which: str) -> float | None:
    return None if passage is None else getattr(passage, which)


def _bar(x: float, y: float, width: float) -> tuple[list[str], float]:
    """Return the bar that stands for other operations, and the y below it."""
    return [f'<path class="join" d="M{x + 4:g} {y + 1.5:g}h{width - 8:g}"/>'], y + 3
