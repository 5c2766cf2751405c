"""``chainrule train``: a run that a file describes."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from chainrule.cli.output import echo, stdout_kept_for
from chainrule.cli.paths import expanded
from chainrule_lab.commands.set_option import SetOption
from chainrule_lab.extra import lab_required


def train(
    description: Annotated[Path, typer.Argument(help="The file that describes the run, in TOML.", metavar="RUN.toml")],
    values: SetOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for what the run leaves.", show_default="runs/RUN")
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the step, as compile = true does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Train what a file describes; the same command goes on with a run that was killed.

    Example: chainrule train examples/runs/digits.toml --set optimizer.lr=3e-4 --set epochs=20
    """
    with lab_required("train"):
        from chainrule_lab.atomic import expect_unread
        from chainrule_lab.runs.description import RunDescription
        from chainrule_lab.runs.run_folder import DESCRIPTION, RunFolder
        from chainrule_lab.runs.running import train as trained
        from chainrule_lab.runs.toml_file import setting, title, to_toml
        from chainrule_lab.strict_json import to_json

    path = expanded("train", description)
    given: dict[str, Any] = dict(setting(text) for text in values or [])
    if compiled:
        given["compile"] = True
    with stdout_kept_for(as_json):
        run = RunDescription.read(path, given)
        folder = RunFolder(expanded("train", output or Path("runs") / path.stem))
        is_complete = path.read_bytes() == to_toml("train", run.complete(folder.path)).encode()  # as a run left it
        if not folder.has_run and not is_complete:
            expect_unread("train", [folder.path / DESCRIPTION], [path])
        with folder.taken_for(run) as results:
            has_ended = results is not None
            if results is None:
                try:
                    results = trained(run, folder, title(path), _progress(run))
                except KeyboardInterrupt:
                    if folder.checkpoint.exists():
                        echo(f"Stopped. The same command goes on from {folder.checkpoint}.", err=True)
                    raise
    if as_json:
        typer.echo(to_json(results), nl=False)
        return
    if has_ended:
        echo(f"{path} has run to its end in {folder.path}. To run it again, delete that, or choose another --output.")
        return
    _announce(results, folder.path)


def _progress(run: Any) -> list[object]:
    """Return the callback that shows the progress, unless the run has it, or it is disabled."""
    from chainrule import create
    from chainrule.registry import names

    has_it = any(type(one).__name__ == "Progress" for one in run.fit_arguments()["callbacks"])
    return [] if has_it or "progress" not in names("callbacks") else [create("callbacks", "progress")]


def _announce(results: dict[str, Any], folder: Path) -> None:
    early = ", stopped early," if results["stopped_early"] else ""
    echo(f"{results['epochs']} epochs{early} in {results['seconds']:.3g} s.")
    for name, value in (*results.get("final", {}).items(), *((f"test_{k}", v) for k, v in results["test"].items())):
        echo(f"  {name:<24} {_shown(value, results['dropped'])}")
    if "best" in results:
        echo(_best(results))
    echo(f"Wrote {folder / 'results.json'}, and beside it history.csv, curves.png, curves.svg, state.pt and run.toml.")


def _shown(value: Any, dropped: list[int]) -> str:
    """Return a number, or the median and range over the members that were not dropped."""
    if not isinstance(value, list):
        return "not finite" if value is None else f"{value:.4g}"
    members = [one for member, one in enumerate(value) if member not in dropped]
    finite = [one for one in members if one is not None]
    lost = f", {len(members) - len(finite)} not finite" if len(finite) < len(members) else ""
    if not finite:
        return f"not finite in all of {len(members)} members"
    if len(members) == 1:
        return f"{finite[0]:.4g}"
    range_of = f"{min(finite):.4g} to {max(finite):.4g}"
    return f"{median(finite):<8.4g} median of {len(finite)} members, from {range_of}{lost}"


def _best(results: dict[str, Any]) -> str:
    """Return a sentence on the least loss, and on the member that has it."""
    from chainrule_lab.runs.member_settings import in_words

    best = results["best"]
    name, values, epochs = best["least"], best[best["least"]], best["epoch"]
    if not isinstance(values, list):
        return f"No {name} is finite." if values is None else f"Least {name}: {values:.4g}, at epoch {epochs}."
    finite = [member for member, value in enumerate(values) if value is not None]
    if not finite:
        return f"No {name} is finite."
    member = min(finite, key=lambda one: float(values[one]))
    seed = f"seed {results['seeds'][member]}" if len(set(results["seeds"])) > 1 else ""
    told = ", ".join(filter(None, [seed, in_words(results["settings"], len(values))[member]]))
    which = f"member {member}" + (f" ({told})" if told else "")
    return f"Least {name}: {values[member]:.4g}, at epoch {epochs[member]} of {which}."
