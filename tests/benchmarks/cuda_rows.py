"""Training steps on a CUDA device, beside torch and JAX: ``python tests/benchmarks/cuda_rows.py ROUNDS [ROW …]``.

Times are of the wall clock, from steps that the device has finished. Products are of float32 throughout, for everyone:
none may use TF32, which JAX would by default.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import torch
from architecture_twins import TWINS
from peers.chainrule_loop import build
from rounds import Spread, alternate
from torch import Tensor, nn
from workloads import ENSEMBLE, LARGE, MEDIUM, SMALL, Workload

import chainrule
from chainrule.losses import cross_entropy
from chainrule.network import Network
from chainrule.optimizers import adam

SECONDS = 0.5
"""Least time of a round."""

CHECKED = 5
TOLERANCE = 1e-3
"""Largest relative difference of the losses of the first steps from torch's."""

ROWS = {
    "small": SMALL,
    "ensemble": dataclasses.replace(ENSEMBLE, members=1000, batches=4, title="the same, ensemble of 1,000, per member"),
    "medium": MEDIUM,
    "large": LARGE,
}

Step = Callable[[], Any]
"""Take a step, and return the loss as a tensor or an array, without waiting for it."""


def steps_of(workload: Workload) -> dict[str, Step]:
    """Return a step of each peer, by its title; torch's models are trained by it where there is one member."""
    x, y = (torch.from_numpy(each[0]) for each in workload.epoch())  # (M, B, …)
    single = workload.members == 1
    batch = (x[0].cuda(), y[0].cuda()) if single else (x.cuda(), y.cuda())
    steps = {
        title: ours(workload, batch, **options)
        for title, options in {"chainrule": {}, "chainrule, compile=True": {"compile": True}}.items()
    }
    first = (x[0].cuda(), y[0].cuda())
    steps |= torch_steps(lambda: torch_mlp(workload), *first, workload.lr)
    try:
        import jax
    except ImportError:
        return steps
    jax.config.update("jax_default_matmul_precision", "highest")
    return steps | jax_steps(workload)


def steps_of_transformer() -> dict[str, Step]:
    """Return a step of each peer on the transformer."""
    twins = TWINS["transformer"]
    torch.manual_seed(0)
    model, (x, y) = twins.theirs(), twins.batch()
    weights, batch = model.state_dict(), (x.cuda(), y.cuda())
    steps: dict[str, Step] = {}
    for title, options in {"chainrule": {}, "chainrule, compile=True": {"compile": True}}.items():
        network = twins.ours().build(seed=0, device="cuda")
        network.load_state_dict(weights)
        steps[title] = step_of(network, batch, 1e-3, **options)

    def made() -> nn.Module:
        model = twins.theirs()
        model.load_state_dict(weights)
        return model.cuda()

    return steps | torch_steps(made, *batch, 1e-3)


def ours(workload: Workload, batch: tuple[Tensor, Tensor], **options: bool) -> Step:
    return step_of(build(workload, "cuda"), batch, workload.lr, per_member=workload.members > 1, **options)


def step_of(
    network: Network, batch: tuple[Tensor, Tensor], lr: float, *, per_member: bool = False, **options: bool
) -> Step:
    step = chainrule.training_step(network, cross_entropy(), adam(lr=lr), **options)
    return lambda: step(*batch, per_member=per_member)


def torch_mlp(workload: Workload) -> nn.Module:
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(workload.sizes):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), workload.weights(), strict=True):
            parameter.copy_(torch.from_numpy(value[0]))
    return model.cuda()


def torch_steps(make: Callable[[], nn.Module], x: Tensor, y: Tensor, lr: float) -> dict[str, Step]:
    """Return steps of torch: eager, with the fused optimizer, and compiled with CUDA graphs."""

    def eager(**options: Any) -> Step:
        model, criterion = make(), nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, **options)

        def step() -> Tensor:
            optimizer.zero_grad()
            value = criterion(model(x), y)
            value.backward()
            optimizer.step()
            return value.detach()

        return step

    def compiled() -> Step:
        model, criterion = make(), nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, capturable=True)
        loss = torch.compile(lambda x, y: criterion(model(x), y), mode="reduce-overhead")
        update = torch.compile(optimizer.step, mode="reduce-overhead")

        def step() -> Tensor:
            torch.compiler.cudagraph_mark_step_begin()
            optimizer.zero_grad()
            value = loss(x, y)
            value.backward()
            update()
            return value.detach().clone()

        return step

    return {
        "torch, eager": eager(),
        "torch, fused=True": eager(fused=True),
        "torch.compile, reduce-overhead": compiled(),
    }


def jax_steps(workload: Workload) -> dict[str, Step]:
    """Return JAX's step, and that of an epoch as one scan."""
    import jax
    from peers.jax_adam import JitStep, Scan

    step, scan = JitStep(workload), Scan(workload)
    for each in (step, scan):
        each.reset()
    x, y = step.batches[0]

    def one() -> Any:
        step.state, step.optimizer_state = step.jitted_step(step.state, step.optimizer_state, x, y)
        return step.state

    def epoch() -> Any:
        scan.state, scan.optimizer_state = scan.epoch(scan.state, scan.optimizer_state, scan.x, scan.y)
        return scan.state

    wait = jax.block_until_ready
    return {"JAX, jit per step": _waiting(one, wait), "JAX, lax.scan": _waiting(epoch, wait, workload.batches)}


def _waiting(step: Step, wait: Callable[[Any], Any], steps: int = 1) -> Step:
    step.wait, step.steps = wait, steps  # type: ignore[attr-defined]
    return step


def fit_timer(workload: Workload) -> Callable[[], float]:
    """Return a function that gives the seconds of a step per member of `fit` on data that it shuffles itself."""
    x, y = (torch.from_numpy(each).cuda() for each in workload.data)
    network = build(workload, "cuda")

    def seconds() -> float:
        clock = Clock()
        chainrule.fit(
            network,
            cross_entropy(),
            adam(lr=workload.lr),
            train=(x, y),
            epochs=10**6,
            batch_size=workload.batch,
            compile=True,
            evaluate_train=False,
            callbacks=[clock],
        )
        return clock.seconds / (clock.epochs * workload.batches * workload.members)

    return seconds


class Clock:
    """A callback that lets a fit run for a while, and notes how long its epochs took, but for the first."""

    def __init__(self) -> None:
        self.epochs = -1
        self.seconds = 0.0
        self._start = 0.0

    @chainrule.hookimpl
    def chainrule_epoch_end(self, run: Any) -> None:
        """Note the time, and end the fit when it is over."""
        if self.epochs < 0:
            torch.cuda.synchronize()
            self._start = perf_counter()
        self.epochs += 1
        if perf_counter() - self._start > SECONDS:
            torch.cuda.synchronize()
            self.seconds = perf_counter() - self._start
            run.stop()


def timer(step: Step, members: int) -> Callable[[], float]:
    """Return a function that gives the seconds of a step per member, from as many as take a while."""
    wait, steps = getattr(step, "wait", lambda _: torch.cuda.synchronize()), getattr(step, "steps", 1)

    def seconds() -> float:
        for _ in range(3):
            result = step()
        wait(result)
        start, taken = perf_counter(), 0
        while perf_counter() - start < SECONDS:
            for _ in range(20):
                result = step()
            wait(result)
            taken += 20 * steps
        return (perf_counter() - start) / (taken * members)

    return seconds


def row(name: str, rounds: int) -> dict[str, Any]:
    """Check that ours and torch's train to the same losses, then time all in turns."""
    members = ROWS[name].members if name in ROWS else 1
    steps = steps_of(ROWS[name]) if name in ROWS else steps_of_transformer()
    losses = {
        title: torch.stack([step().clone().flatten()[0] for _ in range(CHECKED)])
        for title, step in steps.items()
        if not title.startswith("JAX")
    }
    difference = max((each / losses["torch, eager"] - 1).abs().max().item() for each in losses.values())
    if not difference < TOLERANCE:
        raise RuntimeError(f"{name}: losses differ from torch's by {difference:.1e}, more than {TOLERANCE:.0e}")
    per = {title: members if title.startswith(("chainrule", "JAX")) else 1 for title in steps}
    timers = {title: timer(step, per[title]) for title, step in steps.items()}
    if name in ROWS:
        timers["chainrule, fit(compile=True)"] = fit_timer(ROWS[name])
    times = alternate(timers, rounds)
    best = min((title for title in times if title.startswith("chainrule")), key=lambda title: min(times[title]))
    return {
        "loss_difference": difference,
        "headline": best,
        "seconds": {title: vars(Spread.of(values)) for title, values in times.items()},
        "times_as_fast": {title: vars(Spread.of_ratios(values, times[best])) for title, values in times.items()},
    }


def main() -> None:
    rounds, *names = sys.argv[1:]
    found = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    for name in names or [*ROWS, "transformer"]:
        found[name] = row(name, int(rounds))
        print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
