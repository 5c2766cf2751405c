"""A component's small pass in numbers, found by name, as JSON and as tables."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from chainrule.cli.component_file import subject_named
from chainrule.cli.description import plain
from chainrule.cli.output import echo, styled
from chainrule.errors import ChainruleError, one_line
from chainrule.formulas import formula
from chainrule.terminal import terminal_width
from chainrule.testing import CheckFailed, Subject
from chainrule.testing.check import apart, expect_examples
from chainrule.testing.compare import TO_AUTOGRAD, TO_DIFFERENCES
from chainrule.testing.numbers import Gradient, Numbers, numbers_of_loss, numbers_of_module

NUMBERS_OF: dict[str, Callable[[Sequence[Any]], Numbers]] = {
    "layers": numbers_of_module,
    "activations": numbers_of_module,
    "losses": numbers_of_loss,
}

FEW, WORST = 16, 8
"""The entries of a gradient up to which all are shown, and how many are where there are more."""

COLUMNS = ("entry", "hand", "central", "autograd", "error")


def numbers_named(name: str) -> tuple[Subject, Numbers]:
    """Return a layer, activation or loss, registered or in a file, and the numbers of one of its examples.

    Raises:
        ChainruleError: if it is of another kind, or raises.
    """
    component = subject_named(name, owner="show")
    if component.kind not in NUMBERS_OF:
        raise ChainruleError(
            f"show: --numbers must be for one of the {', '.join(NUMBERS_OF)}, got {component.label}. Leave it out."
        )
    try:
        with apart():
            examples = component.make_examples()
            expect_examples(examples)
            return component, NUMBERS_OF[component.kind](examples)
    except Exception as error:
        what = str(error) if isinstance(error, CheckFailed) else f"raised {one_line(error).rstrip('.')}."
        raise ChainruleError(f"show: {component.label}: {what} All that is wrong: chainrule check {name}") from error


def record_of(component: Subject, numbers: Numbers) -> dict[str, Any]:
    """Return what is printed, with all entries, in JSON's types."""
    groups = {name: getattr(numbers, name) for name in ("given", "saved", "returned")}
    return {
        "component": component.label,
        "example": numbers.example,
        "forward": formula(component.component, "Forward"),
        **{group: {name: _values(one) for name, one in tensors.items()} for group, tensors in groups.items()},
        "gradients": [
            {
                "name": gradient.name,
                "formula": gradient.formula,
                "by_hand": _values(gradient.hand),
                "difference": _values(gradient.difference),
                "autograd": None if gradient.autograd is None else _values(gradient.autograd),
                "error": _values(gradient.error),
                "agrees": bool(gradient.agrees.all()),
            }
            for gradient in numbers.gradients
        ],
        "notes": numbers.notes,
        "agree": numbers.agree,
    }


def _values(tensor: Tensor) -> Any:
    return plain(tensor.tolist())


def print_numbers(component: Subject, numbers: Numbers) -> None:
    """Print the pass and a table for each gradient, in the width of the terminal."""
    width = terminal_width()
    _paragraph(f"{component.label}:", numbers.example, width)
    _paragraph("Forward:", formula(component.component, "Forward") or "(not in the docstring)", width)
    _paragraph("", numbers.about, width)
    _print_tensors(numbers.given, width)
    for name, tensor in numbers.saved.items():
        same = next((key for key, one in numbers.given.items() if _equal(one, tensor)), None)
        echo("")
        source = "" if same is None else ", as above" if same == name else f", which is {same}"
        _paragraph("saved for backward:", f"{name} {tuple(tensor.shape)}{source}", width)
        if same is None:
            _print_values(tensor, width)
    _print_tensors(numbers.returned, width)
    for gradient in numbers.gradients:
        echo("")
        echo(styled(f"dL/d{gradient.name} {tuple(gradient.hand.shape)}"))
        if gradient.formula:
            _paragraph("", gradient.formula, width)
        _print_table(gradient, width)
    echo("")
    for note in numbers.notes:
        _paragraph("", note, width)
    _print_verdict(numbers, width)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())


def _print_tensors(tensors: Any, width: int) -> None:
    for name, tensor in tensors.items():
        echo("")
        echo(styled(f"{name} {tuple(tensor.shape)}"))
        _print_values(tensor, width)


def _print_values(tensor: Tensor, width: int) -> None:
    text = np.array2string(
        tensor.numpy(),
        max_line_width=width - 2 - tensor.dim(),
        precision=4,
        threshold=48,
        edgeitems=2,
        suppress_small=True,
    )
    echo(textwrap.indent(text, "  "))


def _print_table(gradient: Gradient, width: int) -> None:
    chosen = _chosen(gradient)
    largest = float(gradient.difference.abs().nan_to_num().max()) if chosen else 0.0
    form = "f" if 1e-2 <= largest < 1e5 else "e"
    gap = "  " if width >= 60 else " "
    for digits in range(9, 1, -1):  # as many as there is room for
        rows = [COLUMNS, *[_row(gradient, index, f".{digits}{form}") for index in chosen]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        if 2 + sum(widths) + len(gap) * (len(widths) - 1) <= width:
            break
    for index, row in zip([None, *chosen], rows, strict=True):
        agrees = index is None or bool(gradient.agrees[index])
        cells = [text.rjust(size) for text, size in zip(row[1:], widths[1:], strict=True)]
        line = gap.join([row[0].ljust(widths[0]), *cells])
        echo(f"  {line}" if agrees else styled(f"≠ {line}", colour="red"))
    if rest := gradient.hand.numel() - len(chosen):
        echo(f"  … and {rest} more, errors no greater")


def _chosen(gradient: Gradient) -> list[tuple[int, ...]]:
    """Return the indices of all entries or, if they are many, of those that disagree most, in their order."""
    entries = list(np.ndindex(*gradient.hand.shape))
    if len(entries) <= FEW:
        return entries
    errors, agrees = gradient.error.nan_to_num(nan=np.inf), gradient.agrees
    worst = sorted(entries, key=lambda index: (bool(agrees[index]), -float(errors[index])))
    return sorted(worst[:WORST])


def _row(gradient: Gradient, index: tuple[int, ...], form: str) -> tuple[str, ...]:
    values = (gradient.hand, gradient.difference, gradient.autograd)
    cells = ["-" if value is None else format(value[index].item() + 0.0, form) for value in values]
    return (",".join(map(str, index)) or "·", *cells, f"{gradient.error[index].item():.0e}".replace("0e+00", "0"))


def _print_verdict(numbers: Numbers, width: int) -> None:
    entries = sum(gradient.hand.numel() for gradient in numbers.gradients)
    wrong = sum(int((~gradient.agrees).sum()) for gradient in numbers.gradients)
    if not entries:
        return
    if wrong:
        names = ", ".join(f"dL/d{gradient.name}" for gradient in numbers.gradients if not gradient.agrees.all())
        text = f"{wrong} of {entries} entries disagree, in {names}: backward is not the derivative of forward."
        echo("\n".join(styled(line, colour="red") for line in textwrap.wrap(text, width)))
        return
    traced = any(gradient.autograd is not None for gradient in numbers.gradients)
    exact = f", and with autograd to {TO_AUTOGRAD:g}" if traced else ""
    text = f"All {entries} entries agree with central differences to {TO_DIFFERENCES:g}{exact}."
    echo("\n".join(styled(line, colour="green") for line in textwrap.wrap(text, width)))


def _paragraph(heading: str, text: str, width: int) -> None:
    """Print a text after a heading, broken into lines of at most this width."""
    first, *rest = textwrap.wrap(f"{heading} {text}".strip(), width, subsequent_indent="  ")
    echo("\n".join([styled(heading) + first.removeprefix(heading) if heading else first, *rest]))
