"""The cases of how parameters are stepped.

A case is a function of a rule's name and the number of processes, of which one is the reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.placement_types import _StridedShard
from training import (
    SHAPES,
    Both,
    Held,
    Kinds,
    Lengths,
    Values,
    all_values,
    by_seed,
    of_example,
    of_rule,
    replicated,
    shapes_for,
    train,
    uncut,
    whole,
)

import chainrule
from chainrule_torch import optim, optimizer


def sharded(name: str, ranks: int) -> Values:
    """Some parameters cut by FSDP2, some whole, in one group."""
    module = Both(shapes_for(name), fully_shard if ranks > 1 else uncut)
    by_seed(ranks)
    stepper = of_example(name, module)
    train(module, stepper)
    return all_values(module, stepper)


def data_parallel(name: str, ranks: int) -> Values:
    module = Held(shapes_for(name))
    outer = replicated(module) if ranks > 1 else module
    by_seed(ranks)
    stepper = of_example(name, module)
    train(outer, stepper)
    return all_values(module, stepper)


def in_bfloat16(name: str, ranks: int) -> Values:
    """A rule and how its steps are rounded."""
    name, rounding = name.split()
    module = Held(shapes_for(name)).to(torch.bfloat16)
    if ranks > 1:
        fully_shard(module)
    by_seed(ranks)
    stepper = optimizer(name, module.parameters(), lr=0.01, rounding=rounding)
    train(module, stepper)
    return all_values(module, stepper)


def replicas_in_bfloat16(name: str, ranks: int) -> Values:
    """A rule, and whether its state, with the keys of random numbers, is cleared before the first step."""
    name, *cleared = name.split()
    module = Held(SHAPES).to(torch.bfloat16)
    by_seed(ranks)
    stepper = optimizer(name, module.parameters(), lr=0.01)
    if cleared:
        stepper.state.clear()
    train(replicated(module) if ranks > 1 else module, stepper)
    return all_values(module, stepper)


def halves_in_bfloat16(name: str, ranks: int) -> Values:
    """Whether the halves of a parameter that are equal, as their gradients are, are rounded by other bits."""
    module = nn.ParameterList([nn.Parameter(torch.ones(4096, dtype=torch.bfloat16))])
    if ranks > 1:
        fully_shard(module)
    stepper = optimizer(name, module.parameters(), lr=1e-3)
    module[0].grad = torch.ones_like(module[0])
    stepper.step()
    one, other = whole(module[0]).chunk(2)
    return {"differ": torch.tensor(not torch.equal(one, other))}


OTHERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sums of norms": partial(of_rule, Lengths(lr=0.1)),
    "state of several kinds": partial(of_rule, Kinds(lr=0.1)),
    "sums with state in float32": lambda module: optim.prodigy(module.parameters(), d0=0.1, state_dtype=torch.float32),
    "decay apart": lambda module: optim.adam(module.parameters(), lr=0.1, weight_decay=0.1, maximize=True),
}


def other(name: str, ranks: int) -> Values:
    module = Both(SHAPES, fully_shard if ranks > 1 else uncut)
    stepper = OTHERS[name](module)
    train(module, stepper)
    return all_values(module, stepper)


def over_mesh(name: str, ranks: int) -> Values:
    """Parameters replicated along one axis of a mesh and cut along the other: a rule, and the mesh's shape."""
    name, copies, pieces = name.split()

    def cut(module: nn.Module) -> None:
        fully_shard(
            module, mesh=init_device_mesh("cpu", (int(copies), int(pieces)), mesh_dim_names=("copies", "pieces"))
        )

    module = Both(shapes_for(name), cut if ranks > 1 else uncut)
    by_seed(ranks)
    stepper = of_example(name, module)
    train(module, stepper)
    return all_values(module, stepper)


def along_last_axis(name: str, ranks: int) -> Values:
    def cut(module: nn.Module) -> None:
        fully_shard(module, shard_placement_fn=lambda each: Shard(each.dim() - 1))

    module = Held([(5, 2), (4, 4), (3, 6)])
    if ranks > 1:
        cut(module)
    stepper = of_example(name, module)
    train(module, stepper)
    return all_values(module, stepper)


def halves(name: str, ranks: int) -> Values:
    """Each process with half of the rows."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1, bias=False)).double()
    parameters = [each for each in module.parameters() if each.dim() == 2]
    x = torch.randn(8, 4, dtype=torch.float64)
    if ranks > 1:
        for each in (module[0], module[2], module):
            fully_shard(each)
        x = x.chunk(2)[dist.get_rank()]
        parameters = [each for each in module.parameters() if each.dim() == 2]
    stepper = optimizer(name, parameters)
    for _ in range(5):
        stepper.zero_grad()
        module(x).square().mean().backward()
        nn.utils.clip_grad_norm_(parameters, 0.01)
        stepper.step()
    return {str(i): whole(each) for i, each in enumerate(parameters)}


def partial_gradients(name: str, ranks: int) -> Values:
    """A DTensor that every process has, with a gradient still to be added up, as tensor parallelism leaves them."""
    parameter = nn.Parameter(torch.arange(12.0, dtype=torch.float64).view(4, 3))
    if ranks > 1:
        mesh = init_device_mesh("cpu", (ranks,))
        parameter = nn.Parameter(distribute_tensor(parameter.detach(), mesh, [Replicate()]))
    stepper = optimizer(name, [parameter], lr=0.1)
    for t in range(3):
        grad = torch.cos(torch.arange(12.0, dtype=torch.float64) + t).view(4, 3)
        if ranks > 1:
            grad = DTensor.from_local(grad / ranks, mesh, [Partial()])
        parameter.grad = grad
        stepper.step()
    return {"parameter": whole(parameter)}


def zero(name: str, ranks: int) -> Values:
    from torch.distributed.optim import ZeroRedundancyOptimizer  # warns of a part of torch that it uses itself

    module = Held(shapes_for(name))
    if ranks > 1:
        stepper = ZeroRedundancyOptimizer(
            module.parameters(), optimizer_class=optim.optimizer_class(name), lr=0.1, parameters_as_bucket_view=False
        )
        train(replicated(module), stepper)
    else:
        train(module, optimizer(name, module.parameters(), lr=0.1))
    return {key: whole(each) for key, each in module.named_parameters()}


def collectives(name: str, ranks: int) -> Values:
    """How many all-reduces a step takes and how many other collectives: two in each of two rounds."""
    if ranks == 1:
        return {"counts": torch.tensor({"adamw": [0, 0], "prodigy": [1, 0], "muon": [0, 4]}[name])}
    module = Held(shapes_for(name))
    fully_shard(module)
    stepper = of_example(name, module)
    train(module, stepper, 1)
    with CommDebugMode() as seen:
        stepper.step()
    sums = seen.get_comm_counts().get(torch.ops.c10d_functional.all_reduce, 0)
    return {"counts": torch.tensor([sums, seen.get_total_counts() - sums])}


def compiled(name: str, ranks: int) -> Values:
    """How often a rule says that it is not compiled, and what it does then."""
    module = Both(shapes_for(name), fully_shard if ranks > 1 else uncut)
    with warnings.catch_warnings(record=True, action="always") as caught:
        stepper = optimizer(name, module.parameters(), lr=0.1, compile=ranks > 1)
        train(module, stepper, 2)
    said = [each for each in caught if "(parameters are cut among processes). It runs eagerly." in str(each.message)]
    return all_values(module, stepper) | {"said": torch.tensor(len(said) if ranks > 1 else 1)}


def exchanged(name: str, ranks: int) -> Values:
    """Parameters that take the place of others when they are cut after the optimizer is made."""
    module = Held(shapes_for(name))
    stepper = optimizer(name, module.parameters(), lr=0.1)
    if ranks > 1:
        fully_shard(module)
        stepper.param_groups[0]["params"] = list(module.parameters())
    train(module, stepper)
    return all_values(module, stepper)


def resting(name: str, ranks: int) -> Values:
    """A step without gradients before others."""
    module = Both(shapes_for(name), fully_shard if ranks > 1 else uncut)
    stepper = of_example(name, module)
    stepper.step()
    train(module, stepper, 2)
    return all_values(module, stepper)


def refused(name: str, ranks: int) -> Any:
    """The answers to parameters that are cut in ways that a rule cannot follow, or are to be flattened."""
    if ranks == 1:
        return {}
    if name == "flatten":
        module = Held([(4, 4)])
        fully_shard(module)
        try:
            optimizer("adamw", module.parameters(), flatten=True)
        except chainrule.ChainruleError as error:
            return str(error)
    flat = FullyShardedDataParallel(Held([(4, 4)]), use_orig_params=True, device_id=torch.device("cpu"))
    mesh, folded = init_device_mesh("cpu", (ranks,)), [_StridedShard(0, split_factor=2)]
    strided = DTensor.from_local(torch.ones(2, 4), mesh, folded, run_check=False, shape=(4, 4), stride=(4, 1))
    found = {}
    for kind, parameter in {"flat": flat.module.held[0], "strided": nn.Parameter(strided)}.items():
        try:
            optimizer(name, [parameter])
        except chainrule.ChainruleError as error:
            found[kind] = str(error)
    return found
