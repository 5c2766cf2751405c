"""The results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

Result = Mapping[str, Any]


def tables(results: Result) -> Iterator[Table]:
    """Yield the tables of all that was measured."""
    for row in results.get("training", {}).values():
        yield training(row)
    for row in results.get("architectures", {}).values():
        yield architecture(row)
    shown = {
        "rules": rules,
        "matrices": matrices,
        "bridge": bridge,
        "threads": threads,
        "layers": layers,
        "startup": startup,
        "memory": memory,
        "paper": paper,
        "processes": processes,
        "halving": halving,
        "sweeps": sweeps,
    }
    for name, table in shown.items():
        if name in results:
            yield table(results[name])
    for profile in results.get("profiles", []):
        yield step(profile)


def training(row: Result) -> Table:
    title = f"{row['title']}: one step\nlosses agree within {row['loss_difference']:.0e}"
    headline = row["peers"][row["headline"]]["title"]
    table = Table("", "median", "least to greatest", f"times {headline}'s", "goal", "", title=title)
    for peer in row["peers"].values():
        seconds = peer["seconds"]
        table.add_row(
            peer["title"],
            duration(seconds["median"]),
            f"{duration(seconds['least'])} to {duration(seconds['greatest'])}",
            *ratio_cells(peer["times_as_fast"], peer["goal"]),
        )
    for comparison in row["comparisons"]:
        table.add_row(comparison["title"], "", "", *ratio_cells(comparison["times_as_fast"], comparison["goal"]))
    return table


def architecture(row: Result) -> Table:
    title = f"{row['title']}: one step with Adam\nlosses agree within {row['loss_difference']:.0e}"
    table = Table("", "median", "peak memory", "ratio", "goal", "", title=title)
    for who, peer in row["peers"].items():
        memory = f"{row['memory'][who] / 1e6:.0f} MB" if who in row["memory"] else ""
        table.add_row(peer["title"], duration(peer["seconds"]["median"]), memory)
    table.add_section()
    for comparison in row["comparisons"]:
        table.add_row(comparison["title"], "", "", *ratio_cells(comparison["times_as_fast"], comparison["goal"]))
    ratio, goal = row["memory"]["compiled"] / row["memory"]["torch"], row["memory_goal"]
    met = "met" if ratio <= goal else "not met"
    table.add_row("memory: compiled / torch, eager", "", "", f"{ratio:.2f}", f"≤ {goal:.2f}", met)
    return table


def rules(result: Result) -> Table:
    title = f"Compiled rules on {result['elements']:,} parameters, against torch's fused Adam per byte moved"
    table = Table("", "median", "vectors moved", "fused's time / ours", "goal", "", title=title)
    table.add_row("torch._fused_adam_", duration(result["fused_adam"]["median"]), "7")
    for name, rule in result["rules"].items():
        cells = ratio_cells(rule["times_as_fast"], rule["goal"])
        table.add_row(name, duration(rule["seconds"]["median"]), str(rule["passes"]), *cells)
    for name, reason in result["left_out"].items():
        table.add_row(name, reason)
    return table


def matrices(result: Result) -> Table:
    sizes = ", ".join(f"{name} {'-'.join(map(str, widths))}" for name, widths in result["sizes"].items())
    title = f"One update of an MLP by rules that are not elementwise, eager\n{sizes}"
    table = Table("", "", "median", "peer's time / ours", "goal", "", title=title)
    for row in result["rows"]:
        times = {who: duration(spent["median"]) for who, spent in row["seconds"].items()}
        table.add_row(f"{row['name']}, {row['size']}", "ours", times["ours"])
        for peer, ratio in row["times_as_fast"].items():
            table.add_row("", peer, times[peer], *ratio_cells(ratio, row["goals"][peer]))
        if row["members_to_one"]:
            cells = at_most_cells(row["members_to_one"], row["members_goal"])
            table.add_row("", f"{result['members']} members / one", times["members"], *cells)
        table.add_section()
    return table


def bridge(result: Sequence[Result]) -> Table:
    title = "One step on torch's parameters: 8 M in 100 tensors (large), 1 M in 1,000 (small)"
    table = Table("", "step", "made and first step", "times foreach's", "times fused's", "goal", "", title=title)
    for row in result:
        ratios, goals = row["times_as_long"], {peer: goal for peer, goal in row["goals"].items() if goal is not None}
        cells = [spread(ratios[peer]) for peer in ("foreach", "fused")]
        goal, met = "", ""
        for peer, most in goals.items():
            goal, met = f"≤ {most:.2f} × {peer}", "met" if ratios[peer]["median"] <= most else "not met"
        times = duration(row["seconds"]["median"]), duration(row["beginning"]["median"])
        table.add_row(f"{row['name']}, {row['size']}", *times, *cells, goal, met)
    return table


def threads(result: Sequence[Result]) -> Table:
    title = "One step on two threads beside one, by the clock, of an ensemble per member"
    table = Table("", "one", "two", "two / one", "goal", "", title=title)
    for row in result:
        times = [duration(spent["median"]) for spent in row["seconds"].values()]
        table.add_row(row["title"], *times, *at_most_cells(row["times_as_long"], row["goal"]))
    return table


def layers(result: Result) -> Table:
    title = "Forward and backward of components, beside torch's"
    table = Table("", "ours", "torch's", "ours / torch's", "goal", "", title=title)
    for name, sizes in result.items():
        for size, passes in sizes.items():
            for how, found in passes.items():
                times = [duration(found["seconds"][who]["median"]) for who in ("ours", "theirs")]
                label = ", ".join([name, size, *(["compiled"] if how == "compiled" else [])])
                table.add_row(label, *times, *at_most_cells(found["times_as_long"], found["goal"]))
    return table


def startup(result: Result) -> Table:
    table = Table("", "median", "", "goal", "", title="Start to exit")
    for name, seconds in result["seconds"].items():
        table.add_row(name, duration(seconds["median"]))
    table.add_row("list / imports", "", *at_most_cells(result["times_as_long"], result["goal"]))
    return table


def memory(result: Result) -> Table:
    table = Table("", "peak", "× parameters", "× torch's", "goal", "", title="Peak memory of training the large MLP")
    for peer, peak in (result["peak"] or {}).items():
        ratio, goal = result["times_torch"][peer], result["goal"]
        ours = peer in ("fit", "fit_compiled", "loop")
        met = ("met" if ratio <= goal else "not met") if ours else ""
        cells = (f"{peak / 1e6:.0f} MB", f"{peak / result['parameters']:.1f}", f"{ratio:.2f}")
        table.add_row(result["titles"][peer], *cells, f"≤ {goal:.2f}" if ours else "", met)
    return table


def paper(result: Result) -> Table:
    title = f"The paper: {result['settings']} settings × {result['seeds']} seeds × {result['epochs']} epochs"
    table = Table("", "median", "times ours", "goal", "", title=title, caption=result["measured"])
    table.add_row("ensembles", duration(result["seconds"]["chainrule"]["median"]))
    cells = ratio_cells(result["times_as_fast"], result["goal"])
    table.add_row("loop of torch runs", duration(result["seconds"]["torch"]["median"]), *cells)
    table.add_row("chainrule reproduce, figures and report too", duration(result["reproduce"]))
    return table


def processes(result: Result) -> Table:
    title = f"One ensemble of {result['members']} members on two processes, {result['epochs']} epochs, by the clock"
    table = Table("", "one", "two", "times as fast", "goal", "", title=title)
    for form, found in result["forms"].items():
        table.add_row(form, *medians(found, "1", "2"), *ratio_cells(found["times_as_fast"], result["goal"]))
    return table


def halving(result: Result) -> Table:
    title = f"Successive halving: {result['members']} members, {result['epochs']} epochs"
    table = Table("", "all to the end", "halved", "ratio", "goal", "", title=title)
    for form, found in result["forms"].items():
        table.add_row(form, *medians(found, "all", "halving"), *at_most_cells(found["ratio"], result["goal"]))
    return table


def sweeps(result: Result) -> Table:
    title = (
        f"A sweep of {result['trials']} trials, {result['steps']} steps\nlosses agree within {result['difference']:.0e}"
    )
    table = Table("", "one by one", "sweep", "times as fast", "goal", "", title=title)
    for form, found in result["forms"].items():
        goal = None if form == "fit_compiled" else result["goal"]
        table.add_row(form, *medians(found, "loop", "sweep"), *ratio_cells(found["ratio"], goal))
    return table


def step(profile: Result) -> Table:
    title = f"Where a step goes: {profile['workload']}, {profile['title']}"
    table = Table("", "calls", "time", "share", title=title)
    whole, floor = profile["step"], profile["floor"]
    table.add_row("step", "", duration(whole), "")
    table.add_row("in torch", f"{profile['calls']:.0f}", duration(profile["torch"]), f"{profile['torch'] / whole:.0%}")
    table.add_row(
        "in Python, and at the ends of epochs",
        "",
        duration(profile["python"]),
        f"{profile['python'] / whole:.0%}",
        end_section=True,
    )
    for function in profile["functions"]:
        seconds = function["seconds"]
        table.add_row(function["name"], f"{function['calls']:.0f}", duration(seconds), f"{seconds / whole:.0%}")
    table.add_section()
    for part in ("arithmetic", "bytes", "calls", "total"):
        table.add_row(f"floor: {part}", "", duration(floor[part]), f"{floor[part] / whole:.0%}")
    table.add_row("step / floor", "", f"{profile['times_the_floor']:.1f}", "")
    return table


def medians(found: Result, *names: str) -> list[str]:
    """Return the median times of these names, in words."""
    return [duration(found["seconds"][name]["median"]) for name in names]


def ratio_cells(ratio: Result, goal: float | None) -> tuple[str, str, str]:
    """Return the cells of a ratio, its goal and whether that is met."""
    if goal is None:
        return spread(ratio), "", ""
    return spread(ratio), f"≥ {goal:.2f}", "met" if ratio["median"] >= goal else "not met"


def at_most_cells(ratio: Result, goal: float) -> tuple[str, str, str]:
    """Return the cells of a ratio that should be at most the goal."""
    return spread(ratio), f"≤ {goal:.2f}", "met" if ratio["median"] <= goal else "not met"


def spread(ratio: Result) -> str:
    """Return the median and, in parentheses, least and greatest."""
    return f"{ratio['median']:.2f} ({ratio['least']:.2f} to {ratio['greatest']:.2f})"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
