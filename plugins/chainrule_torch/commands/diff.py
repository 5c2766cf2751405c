"""``chainrule diff``: how the trajectories of a rule and of another library's optimizer part."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule import ChainruleError
from chainrule.arguments import number
from chainrule.cli.completion import complete_name
from chainrule.cli.output import echo, print_json, stdout_kept_for, styled

if TYPE_CHECKING:
    from torch import Tensor

    from chainrule import Optimizer
    from chainrule_torch.comparison.explanation import Explanation
    from chainrule_torch.comparison.peers import Peer
    from chainrule_torch.comparison.trajectory import Parting


def diff(
    name: Annotated[
        str,
        typer.Argument(help="An optimizer: NAME, or FILE.py:Class.", autocompletion=complete_name, show_default=False),
    ],
    against: Annotated[
        str, typer.Option(help="torch, optax, pytorch_optimizer, or torch:NAdam; a NAME, or FILE.py:Class.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Steps to take.")] = 50,
    tolerance: Annotated[float, typer.Option(min=0, help="Relative difference up to which values are equal.")] = 1e-12,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of both, such as lr=0.1; may be repeated.")
    ] = None,
    theirs: Annotated[
        list[str] | None, typer.Option("--their", help="A setting of the other alone, such as centered=true.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show step by step how a rule and another library's part, and which variant would close the gap.

    Both start alike and see alike gradients in float64. Exit with 1 if they differ.

    Example: chainrule diff optimizers:rmsprop --against torch
    """
    from chainrule_torch.comparison.explanation import explained_by
    from chainrule_torch.comparison.peers import peer_named
    from chainrule_torch.comparison.trajectory import by, parting, shapes_of, walk

    number("diff", "--tolerance", tolerance, at_least=0)
    with stdout_kept_for(as_json):
        short, rule = _rule(name, _values("--set", settings))
        peer = peer_named(against, short, rule, _values("--their", theirs))
        shapes = shapes_of(rule)
        ours, other = walk(by(rule), shapes, steps), _walked(peer, shapes, steps)
        found = parting(ours, other, shapes, tolerance)
        explanation = None
        if found.first is not None:
            explanation = explained_by(rule, other, found, shapes, tolerance=tolerance, their_decay=peer.weight_decay)
    if as_json:
        print_json(_record(rule, peer, found, explanation))
    else:
        _print(rule, peer, found, explanation)
    if found.first is not None:
        raise typer.Exit(1)


def _rule(name: str, settings: dict[str, Any]) -> tuple[str, Optimizer]:
    """Return the name of a rule without its kind, and its first example with the given settings."""
    from chainrule.cli.component_file import subject_named
    from chainrule_torch.first_example import first_example

    found = subject_named(name, owner="diff")
    if found.kind != "optimizers":
        raise ChainruleError(f"diff: the component must be an optimizer, got {found.label}. Name one.")
    example = first_example(found, "diff")
    return found.label.rpartition(":")[2], type(example)(**{**vars(example), **settings})


def _walked(peer: Peer, shapes: dict[str, tuple[int, ...]], steps: int) -> Tensor:
    from chainrule.errors import one_line
    from chainrule_torch.comparison.trajectory import walk

    try:
        return walk(peer.start, shapes, steps)
    except Exception as error:
        why = one_line(error).rstrip(".")
        sizes = " and ".join(map(str, shapes.values()))
        raise ChainruleError(
            f"diff: {peer.name} must step parameters of shape {sizes} by dense gradients, without a closure, got "
            f"{why}. Name another, or change --their."
        ) from error


def _values(option: str, given: Iterable[str] | None) -> dict[str, Any]:
    """Return settings by name of texts such as lr=0.1, betas=0.9,0.99 or nesterov=true."""
    values = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise ChainruleError(f"diff: {option} must be NAME=VALUE, got {text}. Write {option} lr=0.1.")
        values[name] = _value(value)
    return values


def _value(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError):
            continue
        return tuple(value) if isinstance(value, list) else value
    return text


def _record(rule: Optimizer, peer: Peer, found: Parting, explanation: Explanation | None) -> dict[str, Any]:
    from chainrule_torch.comparison.trajectory import PROBLEM

    record = {
        "rule": repr(rule),
        "against": peer.name,
        "left_out": {name: repr(value) for name, value in peer.left_out.items()},
        "problem": PROBLEM,
        "equal": found.first is None,
        "differences": found.differences.tolist(),
    }
    if explanation is not None:
        record |= {
            "first_step": found.first,
            "element": found.element,
            "ours": found.ours,
            "theirs": found.theirs,
            "closing_variants": dict(explanation.closing),
            "nearest_variant": explanation.nearest and explanation.nearest[0],
            "left_by_nearest": explanation.nearest and explanation.nearest[1],
            "variants_tried": explanation.tried,
        }
    return record


def _print(rule: Optimizer, peer: Peer, found: Parting, explanation: Explanation | None) -> None:
    from chainrule_torch.comparison.trajectory import PROBLEM

    steps = len(found.differences)
    echo(f"ours        {rule!r}\ntheirs      {peer.name}")
    if peer.left_out:
        echo(f"not theirs  {', '.join(f'{name}={value!r}' for name, value in peer.left_out.items())}")
    echo(f"problem     {PROBLEM}\n")
    if explanation is None:
        echo(
            styled(
                f"Equal over {steps} steps: they differ by at most {found.largest:.0e} of the value.", colour="green"
            )
        )
        return
    echo(styled("step  largest relative difference"))
    for step in _shown_steps(found.first or 1, steps):
        value = float(found.differences[step - 1])
        line = f"{step:4d}  {value:.2e}"
        echo(styled(f"{line}  first", colour="red") if step == found.first else line)
    echo(f"\nThey part at step {found.first}: {found.element} is {found.ours:.12g}, theirs {found.theirs:.12g}.")
    for name, left in explanation.closing.items():
        echo(styled(f"Closes the gap to {left:.0e}: ours with {name}.", colour="green"))
    if not explanation.closing:
        echo(f"None of {explanation.tried} variants of ours closes the gap.")
        if explanation.nearest is not None:
            name, left = explanation.nearest
            echo(f"Nearest, which leaves {left:.1e} of {found.largest:.1e}: ours with {name}.")


def _shown_steps(first: int, steps: int) -> list[int]:
    """Return the steps around the first that differs, and then ever fewer."""
    near = {1, 2, first - 1, first, first + 1, first + 2, 5, 10, 20, 50, 100, 200, 500, 1000, steps}
    return sorted(step for step in near if 1 <= step <= steps)
