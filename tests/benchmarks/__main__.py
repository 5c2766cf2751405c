"""Measure chainrule beside its peers: ``python tests/benchmarks``."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import memory
import startup
import typer
from peers import PEERS
from rich.console import Console
from rounds import in_own_process, pin_to_one_core
from tables import tables
from training_rows import ROWS, measure
from workloads import WORKLOADS

SECTIONS = (
    *WORKLOADS,
    "architectures",
    "layers",
    "rules",
    "matrices",
    "bridge",
    "threads",
    "processes",
    "startup",
    "memory",
    "paper",
    "halving",
    "sweeps",
    "profile",
    "scaling",
)


def benchmark(
    row: Annotated[list[str] | None, typer.Option(help=f"Only these, from {', '.join(SECTIONS)}.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which all peers take turns.")] = 7,
    component: Annotated[list[str] | None, typer.Option(help="Only these of the layers, such as conv2d.")] = None,
    compiled: Annotated[bool, typer.Option("--compiled", help="Layers beside torch.compile too: 40 minutes.")] = False,
    rule: Annotated[list[str] | None, typer.Option(help="A further optimizer, as module:Class.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of benchmark.json and the figures.")] = Path("build/benchmarks"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON instead of tables.")] = False,
) -> None:
    """Measure chainrule beside its peers on one core, in turns.

    Times are CPU time of one thread. A ratio is formed in each round; its median, least and greatest are shown.

    Example: python tests/benchmarks --row small --row ensemble
    """
    chosen = row or list(SECTIONS)
    if unknown := [name for name in chosen if name not in SECTIONS]:
        raise typer.BadParameter(f"--row must be one of {', '.join(SECTIONS)}, got {', '.join(unknown)}.")
    console = Console(stderr=True)
    pin_to_one_core()
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"machine": machine(), "rounds": rounds}
    for name in chosen:
        console.print(f"[dim]{datetime.now().astimezone():%H:%M:%S} {name} …")
        more = {"rules": rule or [], "layers": [*(["--compiled"] if compiled else []), *(component or [])]}
        add(results, name, rounds, more.get(name, []), console)
        if name == "scaling":
            draw(results, out, console)
        (out / "benchmark.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    if as_json:
        print(json.dumps(results, indent=2))
    else:
        terminal = Console()
        for table in tables(results):
            terminal.print(table, width=None if terminal.is_terminal else 120)
    console.print(f"written to {out}")


def add(results: dict[str, Any], name: str, rounds: int, more: list[str], console: Console) -> None:
    """Measure one row or section, and put what it gives in its place."""
    if name in WORKLOADS:
        (chosen,) = (row for row in ROWS if row.workload.name == name)
        found = measure(chosen, rounds, lambda line: console.print(f"[dim]{line}"))
        results.setdefault("training", {})[name] = found
    elif name == "startup":
        results[name] = startup.measure(rounds)
    elif name == "memory":
        results[name] = memory.measure()
    elif name == "profile":
        profiles = [profile for workload in WORKLOADS for profile in in_own_process("step_profile", workload, rounds)]
        results["profiles"] = [{**profile, "title": PEERS[profile["peer"]].title} for profile in profiles]
    elif name == "scaling":
        results[name] = in_own_process("scaling")
    else:
        modules = {
            "architectures": "architectures",
            "layers": "layer_rows",
            "rules": "rule_rows",
            "matrices": "matrix_rows",
            "bridge": "bridge_rows",
            "threads": "thread_rows",
            "processes": "process_rows",
            "paper": "paper",
            "halving": "halving",
            "sweeps": "sweeps",
        }
        results[name] = in_own_process(modules[name], rounds, *more)


def draw(results: dict[str, Any], out: Path, console: Console) -> None:
    """Draw the scaling figures where matplotlib is installed."""
    try:
        from scaling_figures import draw as draw_figures
    except ImportError:
        console.print("no figures: matplotlib is not installed")
    else:
        draw_figures(results["scaling"], out)


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    packages = ("chainrule", "torch", "jax", "optax", "thinc", "numpy")
    installed = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages if name in installed},
    }


def processor() -> str:
    """Return the processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    typer.run(benchmark)
