"""The style that the lab's figures share, and figures as bytes."""

from __future__ import annotations

import io
from collections.abc import Sized
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

FORMATS = ("png", "svg")
FEW_EPOCHS = 15

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "svg.hashsalt": "chainrule",  # identical curves give identical bytes
}


def marker(epochs: Sized) -> str:
    """Return the marker of points over epochs, which few of them need, since a line of one point is invisible."""
    return "." if len(epochs) <= FEW_EPOCHS else ""


def render(figure: Figure, kind: str) -> bytes:
    """Return the figure in one of FORMATS; identical curves give identical bytes."""
    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return file.getvalue()
