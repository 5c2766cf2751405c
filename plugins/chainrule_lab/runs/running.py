"""Training a run in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import CallbackError, ShapeError, evaluate, fit
from chainrule_lab.figure_style import render
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.figure import draw
from chainrule_lab.runs.member_settings import in_words, member_settings
from chainrule_lab.runs.results import history_csv, results_of, state_bytes
from chainrule_lab.runs.run_folder import RESULTS, RunFolder
from chainrule_lab.runs.stopwatch import Stopwatch
from chainrule_lab.strict_json import to_json


def train(run: RunDescription, folder: RunFolder, title: str, callbacks: Sequence[object] = ()) -> dict[str, Any]:
    """Train a run to its end, from where its checkpoint is, write all that it leaves, and return its results.

    Args:
        run: the description.
        folder: its folder.
        title: that of the figure.
        callbacks: those to add to its own.
    """
    network, loss, splits, arguments = run.build(), run.loss(), run.splits(), run.fit_arguments()
    optimizer, stopwatch = run.optimizer(), Stopwatch()
    arguments["callbacks"] = [*arguments["callbacks"], *callbacks, stopwatch]
    try:
        history = fit(
            network,
            loss,
            optimizer,
            train=splits.train,
            validation=splits.validation,
            checkpoint=folder.checkpoint,
            **arguments,
        )
        test = evaluate(network, loss, splits.test, metrics=arguments["metrics"])
    except (ShapeError, CallbackError) as error:
        run.explain(error)
    results = results_of(
        network,
        history,
        test,
        settings=(settings := member_settings(optimizer)),
        epochs=arguments["epochs"],
        seconds=stopwatch.seconds,
        packages=run.packages(),
        digests=run.digests(splits),
    )
    figure = draw(title, dict(history), in_words(settings, network.members))
    folder.finish(
        {
            "history.csv": history_csv(network, history).encode(),
            "curves.png": render(figure, "png"),
            "curves.svg": render(figure, "svg"),
            "state.pt": state_bytes(network),
            RESULTS: to_json(results).encode(),
        }
    )
    return results
