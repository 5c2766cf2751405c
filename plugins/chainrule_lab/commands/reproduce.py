"""``chainrule reproduce``: repeat the paper's experiments and write a report."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from chainrule import ChainruleError
from chainrule.cli.paths import expanded
from chainrule_lab.extra import lab_required


def reproduce(
    figure: Annotated[int | None, typer.Option(help="Only this figure of the paper, 1 to 3.")] = None,
    seeds: Annotated[int, typer.Option(help="Members per ensemble, with seeds 0, 1, …; at least 2.")] = 10,
    epochs: Annotated[int, typer.Option(help="Passes over the training data.")] = 100,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("reproduction"),
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json instead of the table.")] = False,
) -> None:
    """Reproduce the paper's figures and table, decide its claims, and write a report.

    Example: chainrule reproduce --figure 2 --out xavier
    """
    _check_options(figure, seeds, epochs)
    with lab_required("reproduce"):
        from chainrule_lab.atomic import check_folder, write_together
        from chainrule_lab.paper.experiment_settings import of_figure
        from chainrule_lab.paper.reproduction import FILES, reproduce_paper
        from chainrule_lab.paper.terminal import announce, training_progress
        from chainrule_lab.strict_json import to_json

    out = expanded("reproduce", out)
    check_folder("reproduce", out)
    start = perf_counter()
    with training_progress(len(of_figure(figure)) * epochs) as callbacks:
        reproduction = reproduce_paper(figure, range(seeds), epochs, callbacks)
    try:
        write_together(out, reproduction.files(), owned=FILES)
    except OSError as error:
        raise ChainruleError(
            f"reproduce: {out} must be a folder with room for files, got {error.strerror or error}. "
            "Choose another with --out."
        ) from error
    if as_json:
        typer.echo(to_json(reproduction.results()), nl=False)
    else:
        announce(reproduction, out, perf_counter() - start)


def _check_options(figure: int | None, seeds: int, epochs: int) -> None:
    if figure not in (None, 1, 2, 3):
        raise ChainruleError(f"reproduce: --figure must be 1, 2 or 3, got {figure}. Leave it out for all three.")
    if seeds < 2:
        raise ChainruleError(
            f"reproduce: --seeds must be at least 2, got {seeds}. Deviations and intervals over seeds need two."
        )
    if epochs < 1:
        raise ChainruleError(f"reproduce: --epochs must be at least 1, got {epochs}. The paper uses 100.")
