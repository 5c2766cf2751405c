"""Training a run in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import evaluate, fit
from chainrule_lab.runs.description import RunDescription
from chainrule_lab.runs.figure import draw, render
from chainrule_lab.runs.results import history_csv, results_of, state_bytes, to_json
from chainrule_lab.runs.run_folder import RESULTS, RunFolder
from chainrule_lab.runs.stopwatch import Stopwatch


def train(run: RunDescription, folder: RunFolder, title: str, callbacks: Sequence[object] = ()) -> dict[str, Any]:
    """Train a run to its end, from where its checkpoint is, write all that it leaves, and return its results.

    Args:
        run: the description.
        folder: its folder.
        title: that of the figure.
        callbacks: those to add to its own.
    """
    network, loss, splits, arguments = run.build(), run.loss(), run.splits(), run.fit_arguments()
    stopwatch = Stopwatch()
    arguments["callbacks"] = [*arguments["callbacks"], *callbacks, stopwatch]
    history = fit(
        network,
        loss,
        run.optimizer(),
        train=splits.train,
        validation=splits.validation,
        checkpoint=folder.checkpoint,
        **arguments,
    )
    test = evaluate(network, loss, splits.test, metrics=arguments["metrics"])
    results = results_of(
        network,
        history,
        test,
        epochs=arguments["epochs"],
        seconds=stopwatch.seconds,
        packages=run.packages(),
    )
    figure = draw(title, dict(history), settings_of_members(run, network.members))
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


def settings_of_members(run: RunDescription, members: int) -> list[str]:
    """Return the numbers of the rule that each member has for itself, as text; empty where there are none."""
    given = _per_member("", run.complete()["optimizer"], members)
    return [", ".join(f"{key} {values[member]:.3g}" for key, values in given) for member in range(members)]


def _per_member(key: str, value: Any, members: int) -> list[tuple[str, list[float]]]:
    """Return the numbers of a rule that are given per member, with the last part of their keys."""
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in _per_member(name, inner, members)]
    if isinstance(value, list) and len(value) == members > 1 and key not in ("betas", "eps"):
        return [(key, value)] if all(isinstance(one, int | float) for one in value) else []
    return []
