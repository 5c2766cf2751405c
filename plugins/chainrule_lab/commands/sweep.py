"""``chainrule sweep``: many trials of a run that a file describes, trained as few ensembles."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chainrule import ChainruleError
from chainrule.cli.output import echo, print_json, stdout_kept_for
from chainrule.cli.paths import expanded
from chainrule_lab.commands.set_option import SetOption
from chainrule_lab.extra import lab_required

if TYPE_CHECKING:
    from chainrule_lab.sweep.over_seeds import OverSeeds
    from chainrule_lab.sweep.results import Results
    from chainrule_lab.sweep.store import Progress
    from chainrule_lab.sweep.sweep_file import SweepFile

FORMATS = ("csv", "json", "parquet", "html")


def sweep(
    description: Annotated[
        Path, typer.Argument(help="The file that describes the run and its search, in TOML.", metavar="SWEEP.toml")
    ],
    values: SetOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the page, the figures and exports.", show_default="sweeps/SWEEP")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="File of the results, which sweeps may share.", show_default="sweep.db in that folder"),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes to train in, of one thread each; 0 for this one.")] = 0,
    dask: Annotated[str, typer.Option(help="Address of a Dask scheduler, to train in its workers.")] = "",
    status: Annotated[bool, typer.Option("--status", help="Train nothing; print how far sweeps are.")] = False,
    export: Annotated[
        list[str] | None,
        typer.Option(
            help="Train nothing; write what is finished as csv, json, parquet or html; any number.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train every trial of a search as few ensembles; the same command goes on with what is missing.

    Example: chainrule sweep examples/sweeps/circle.toml --set epochs=20
    """
    with lab_required("sweep"):
        from chainrule_lab.atomic import check_folder, expect_unread
        from chainrule_lab.runs.toml_file import setting
        from chainrule_lab.sweep.executors import executor_of
        from chainrule_lab.sweep.runner import finished
        from chainrule_lab.sweep.store import Store
        from chainrule_lab.sweep.sweep_file import SweepFile

    path = expanded("sweep", description)
    folder = expanded("sweep", output or Path("sweeps") / path.stem)
    file = expanded("sweep", store or folder / "sweep.db")
    kinds = export or ["html", "csv"]
    _check_options(workers, dask, kinds)
    with stdout_kept_for(as_json):
        given = SweepFile.read(path, dict(setting(text) for text in values or []))
        if not status:
            check_folder("sweep", folder)
            written = [folder / f"{given.name}.{kind}" for kind in kinds]
            expect_unread("sweep", written, [path, *given.data_files])
        if export:
            results = finished(given.name, given.make, given.settings, file)
        elif not status:
            _make_folder(file.parent)
            with executor_of("sweep", workers, dask) as executor:
                results = _run(given, file, executor)
    if status:
        with Store(file, create=False) as opened:
            _print_status(opened.sweeps(), as_json)
        return
    written = _write(results, len(given.settings), folder, kinds)
    if as_json:
        print_json(_summary(results, len(given.settings), written))
    else:
        _announce(results, len(given.settings), written)


def _check_options(workers: int, dask: str, export: list[str]) -> None:
    if workers < 0:
        raise ChainruleError(f"sweep: --workers must be at least 0, got {workers}. Leave it out for this process.")
    if workers and dask:
        raise ChainruleError(f"sweep: --workers must be left out with --dask, got {workers}. Choose one of the two.")
    for kind in export:
        if kind not in FORMATS:
            raise ChainruleError(f"sweep: --export must be {', '.join(FORMATS)}, got {kind}. Choose one.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChainruleError(
            f"sweep: {folder} must be a folder that can be made, got {error.strerror or error}. Choose another."
        ) from error


def _run(given: SweepFile, file: Path, executor: Executor | None) -> Results:
    from chainrule_lab.sweep.runner import Workers, run

    workers = Workers(executor, given.memory, given.members)
    try:
        return run(given.name, given.make, given.settings, file, workers)
    except KeyboardInterrupt:
        echo(f"Stopped. The same command goes on from {file}.", err=True)
        raise


def _write(results: Results, trials: int, folder: Path, kinds: list[str]) -> list[Path]:
    """Write the results in some formats, the figures with the page, and return the paths."""
    from chainrule_lab.atomic import write_together
    from chainrule_lab.figure_style import render
    from chainrule_lab.sweep.export import EXPORTS
    from chainrule_lab.sweep.figures import figures
    from chainrule_lab.sweep.page import html

    files = {f"{results.name}.{kind}": EXPORTS[kind](results) for kind in kinds if kind != "html"}
    if "html" in kinds:
        drawn = figures(results)
        files[f"{results.name}.html"] = html(results, trials, drawn).encode()
        files |= {f"{results.name}_{name}.svg": render(figure, "svg") for name, (figure, _) in drawn.items()}
    try:
        write_together(folder, files)
    except OSError as error:
        raise ChainruleError(
            f"sweep: {folder} must be a folder with room for files, got {error.strerror or error}. "
            "Choose another with --output."
        ) from error
    return [folder / name for name in files]


def _summary(results: Results, trials: int, written: list[Path]) -> dict[str, Any]:
    from chainrule_lab.sweep.axes import main_curve
    from chainrule_lab.sweep.export import finite
    from chainrule_lab.sweep.over_seeds import over_seeds

    curve = main_curve(results)
    first = over_seeds(results, curve)[0] if results else None
    best = results.best(curve) if results else None
    ends = {name: finite(best.last(name)) for name in best.curves} if best else {}
    return {
        "name": results.name,
        "trials": trials,
        "finished": len(results),
        "diverged": sum(row.diverged for row in results),
        "best_settings": _means(first, curve) if first and first.count > 1 else None,
        "best": {"settings": best.settings, **ends} if best else None,
        "files": [str(path) for path in written],
    }


def _means(one: OverSeeds, curve: str) -> dict[str, Any]:
    from chainrule_lab.sweep.export import finite

    ends = {"curve": curve, "mean": finite(one.mean), "deviation": finite(one.deviation)}
    return {"settings": one.settings, **ends, "diverged": one.diverged, "seeds": one.count}


def _announce(results: Results, trials: int, written: list[Path]) -> None:
    summary = _summary(results, trials, written)
    of = "" if len(results) == trials else f" of {trials}"
    echo(f"{len(results)}{of} trials, {summary['diverged']} diverged, {sum(row.seconds for row in results):.3g} s.")
    if over := summary["best_settings"]:
        listed = _listed(over["settings"], results) or "the only ones"
        echo(f"Best settings by their mean over {over['seeds']} seeds: {listed}")
        spread = "" if over["deviation"] is None else f" ± {over['deviation']:.2g}"
        lost = f", {over['diverged']} diverged" if over["diverged"] else ""
        echo(f"  {over['curve']:<24} {_shown(over['mean'])}{spread}{lost}")
    if summary["best"]:
        settings = summary["best"]["settings"]
        echo(f"Best single trial: {_listed({name: settings[name] for name in results.searched or settings}, results)}")
        for name, value in summary["best"].items():
            if name != "settings":
                echo(f"  {name:<24} {_shown(value)}")
    echo(f"Wrote {written[0]}{f', and beside it {_names(written[1:])}' if written[1:] else ''}.")


def _listed(settings: Mapping[str, Any], results: Results) -> str:
    from chainrule_lab.sweep.axes import texts_in

    text = texts_in(results)
    return ", ".join(f"{name} {text(name, value)}" for name, value in settings.items())


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _print_status(sweeps: list[Progress], as_json: bool) -> None:
    if as_json:
        print_json([one._asdict() for one in sweeps])
        return
    width = max((len(one.name) for one in sweeps), default=0)
    for one in sweeps:
        started = datetime.fromtimestamp(one.started).astimezone()
        running = f", {one.claimed} in work" if one.claimed else ""
        echo(
            f"{one.name:<{width}}  {one.finished} of {one.trials} trials finished, {one.diverged} diverged{running}; "
            f"first started {started:%Y-%m-%d %H:%M}"
        )
