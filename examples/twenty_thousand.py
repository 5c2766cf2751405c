"""Train 20,000 of the paper's networks, one per seed, and draw how their test accuracies are distributed."""

import argparse
import resource
import sys
import time

import torch
from rich.progress import track

import chainrule
from chainrule.optimizers import adam
from chainrule.tasks import circle

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--networks", type=int, default=20_000)
parser.add_argument("--epochs", type=int, default=100)
parser.add_argument("--at-once", type=int, default=200, help="members of one ensemble: few enough for the cache")
parser.add_argument("--figure", help="where to save the distribution, such as accuracies.png; needs matplotlib")
arguments = parser.parse_args()

torch.set_num_threads(1)
task = circle()
data = task.splits(seed=0)
start, cpu_start = time.perf_counter(), time.process_time()
accuracies = []
for first in track(range(0, arguments.networks, arguments.at_once), description="networks", disable=None):
    seeds = range(first, min(first + arguments.at_once, arguments.networks))
    network = task.network().build(seeds=seeds)
    chainrule.fit(
        network,
        task.loss(),
        adam(lr=1e-3),
        train=data.train,
        epochs=arguments.epochs,
        batch_size=20,
        compile=arguments.networks * arguments.epochs > 10_000,  # it takes some seconds, once
        evaluate_train=False,
    )
    accuracies.append(chainrule.evaluate(network, task.loss(), data.test, metrics=["accuracy"])["accuracy"])
accuracy = torch.cat(accuracies)

seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
steps = arguments.networks * arguments.epochs * -(-len(data.train[0]) // 20)
print(f"{arguments.networks} networks, {arguments.epochs} epochs: {seconds:.0f} s, {cpu_seconds:.0f} s of CPU", end="")
print(f", {1e6 * cpu_seconds / steps:.2f} µs per step of one network; peak memory {peak / 2**30:.2f} GiB")
shares = torch.tensor([0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1.0])
quantiles = torch.quantile(accuracy, shares)
print("test accuracy:")
for share, value in zip(shares.tolist(), quantiles.tolist(), strict=True):
    print(f"  {share:6.1%} of the networks reach at most {value:.2%}")

if arguments.figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    rows = len(data.test[0])
    counts = torch.bincount((accuracy * rows).round().long())
    correct = torch.arange(int(counts.nonzero()[0]), len(counts))  # points, from the worst network to the best
    figure = Figure(figsize=(8.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.bar((correct / rows).tolist(), counts[correct].tolist(), width=1 / rows, color="#56B4E9")
    axes.set_yscale("log")
    low, median, high = torch.quantile(accuracy, torch.tensor([0.05, 0.5, 0.95])).tolist()
    axes.axvline(median, color="black", linewidth=1, label=f"median, {median:.2%}")
    axes.axvline(low, color="black", linewidth=1, linestyle="--", label=f"5% and 95%, {low:.2%} and {high:.2%}")
    axes.axvline(high, color="black", linewidth=1, linestyle="--")
    axes.legend(frameon=False, loc="upper left")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    axes.set_xlabel(f"Accuracy on {rows} test points")
    axes.set_ylabel("Networks")
    axes.set_title(f"{arguments.networks:,} seeds of one network, {arguments.epochs} epochs of Adam")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(arguments.figure, dpi=150)
