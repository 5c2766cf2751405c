"""``chainrule draw``: a network as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule import ChainruleError, ShapeError
from chainrule.cli.output import echo
from chainrule.cli.paths import expanded, write_whole

if TYPE_CHECKING:
    from chainrule import Network
    from chainrule.inspection import Passage


def draw(
    name: Annotated[
        str, typer.Argument(help="FILE.py:NAME of a network, a module, or a function without arguments that makes one.")
    ],
    input_shape: Annotated[
        str, typer.Option(help="Shape of one input, such as 1,8,8, where the first layer does not tell it.")
    ] = "",
    output: Annotated[Path, typer.Option(help="File to write: .html for the page, .svg for the picture alone.")] = Path(
        "network.html"
    ),
) -> None:
    """Draw a network: modules, shapes, parameters, and the gradient's norm on every edge, from one backward.

    Example: chainrule draw examples/nested_network.py:network --input-shape 1,8,8
    """
    if output.suffix not in (".html", ".svg"):
        raise ChainruleError(f"draw: --output must end in .html or .svg, got {output}. Choose one of the two.")
    given = _sizes(input_shape) if input_shape else None
    from chainrule.drawing import svg
    from chainrule_lab.network_page import network_page

    network = _network(name)
    shape, passed = _passed(network, given)
    title = name.rpartition(":")[2]
    text = svg(network, shape, passed) if output.suffix == ".svg" else network_page(title, network, shape, passed)
    path = expanded("draw", output)
    try:
        write_whole({path: text})
    except OSError as error:
        raise ChainruleError(
            f"draw: {path} must be a file that can be written, got {error.strerror or error}. "
            "Choose another with --output."
        ) from error
    echo(f"Wrote {path}.")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(size) for size in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ChainruleError(f"draw: --input-shape must be positive sizes with commas, got {text}. Write 1,8,8.")
    return sizes


def _network(name: str) -> Network:
    from chainrule import Module, Network
    from chainrule.arguments import is_foreign, shown
    from chainrule.cli.component_file import file_hint, object_in_file
    from chainrule.errors import one_line

    found = object_in_file(name, owner="draw", wanted=Network | Module, called="network")
    if found is None:
        fix = file_hint(name) or "Write my_network.py:network."
        raise ChainruleError(f"draw: a network must be given as FILE.py:NAME, got {name}. {fix}")
    where, value = f"{found.name} in {found.path}", found.value
    if not isinstance(value, Network | Module) and callable(value) and not is_foreign(value):
        try:
            value = value()
        except ChainruleError:
            raise
        except Exception as error:
            raise ChainruleError(
                f"draw: {where} raised {one_line(error).rstrip('.')}. Name a function that takes no arguments."
            ) from error
    if isinstance(value, Module):
        return value.build()
    if not isinstance(value, Network):
        fix = "Name what chainrule_torch.from_torch(…) returns." if is_foreign(value) else "Name one."
        raise ChainruleError(
            f"draw: {where} must be a network, a module or a function that returns one, got {shown(value)}. {fix}"
        )
    return value


def _passed(network: Network, given: tuple[int, ...] | None) -> tuple[tuple[int, ...], dict[str, Passage]]:
    """Return the shape of one input, and what passed through each module for it."""
    from chainrule.errors import one_line
    from chainrule.inspection import input_shape_of, passages

    shape: Any = given or input_shape_of(network)
    if shape is None:
        example = "32" if getattr(network.module, "integer_inputs", False) else "1,8,8"
        raise ChainruleError(
            "draw: no shape of one input, which the first layer does not tell. "
            f"Add it, such as --input-shape {example}."
        )
    try:
        return shape, passages(network, shape)
    except Exception as error:
        if given is not None and isinstance(error, ShapeError):  # whose fix is one of x
            said = str(error).partition(". ")[0]
            raise ChainruleError(
                f"draw: {said}. Change --input-shape, the sizes behind N, or declare the layer for it."
            ) from error
        if given is not None and isinstance(error, ChainruleError):
            raise
        why = one_line(error).rstrip(".")
        raise ChainruleError(
            f"draw: the network must take an input of shape {shape}, got {why}. Give its shape with --input-shape."
        ) from error
