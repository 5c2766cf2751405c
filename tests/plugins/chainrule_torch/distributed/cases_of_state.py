"""The cases of what becomes of state: saved, loaded, copied, evaluated with."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint import state_dict as dcp_state
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from training import (
    Both,
    Held,
    Values,
    all_values,
    by_seed,
    of_example,
    of_rule,
    shapes_for,
    train,
    uncut,
    whole,
)

from chainrule.optimizers import ema, muon, sgd
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer


def evaluated(name: str, ranks: int) -> Values:
    module = Both([(5, 3), (1, 4)], fully_shard if ranks > 1 else uncut)
    inner = {"muon": muon(), "sgd": sgd(lr=0.1)}[name]
    stepper = of_rule(ema(inner=inner, decay=0.5), module)
    train(module, stepper, 3)
    stepper.eval()
    shown = all_values(module, stepper)
    stepper.train()
    return shown | {f"trained {name}": each for name, each in all_values(module, stepper).items()}


def checkpointed(name: str, ranks: int, folder: Path) -> Values:
    """Go on from checkpoints of one process and of two, and save one."""
    shapes = shapes_for(name)

    def begun() -> tuple[nn.Module, RuleOptimizer]:
        module = Both(shapes, fully_shard if ranks > 1 else uncut)
        by_seed(ranks)
        return module, of_example(name, module)

    def state_of(module: nn.Module, stepper: RuleOptimizer) -> dict[str, Any]:
        own, theirs = dcp_state.get_state_dict(module, stepper)
        return {"model": own, "optimizer": theirs}

    module, stepper = begun()
    train(module, stepper, 4)
    dcp.save(state_of(module, stepper), checkpoint_id=folder / f"{name} {ranks}")
    options = dcp_state.StateDictOptions(full_state_dict=True, broadcast_from_rank0=ranks > 1)
    in_one = copy.deepcopy(dcp_state.get_state_dict(module, stepper, options=options))
    train(module, stepper, 4, 4)
    found = all_values(module, stepper)
    for source in (1, 2):
        if not (folder / f"{name} {source}").exists():
            continue
        module, stepper = begun()
        with torch.no_grad():
            for each in module.parameters():
                each.fill_(7)
        state = state_of(module, stepper)
        dcp.load(state, checkpoint_id=folder / f"{name} {source}")
        dcp_state.set_state_dict(module, stepper, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        train(module, stepper, 4, 4)
        found |= {f"from {source}: {key}": each for key, each in all_values(module, stepper).items()}
    module, stepper = begun()
    own, theirs = in_one
    dcp_state.set_state_dict(module, stepper, model_state_dict=own, optim_state_dict=theirs, options=options)
    train(module, stepper, 4, 4)
    return found | {f"in one: {key}": each for key, each in all_values(module, stepper).items()}


def loaded(name: str, ranks: int) -> Values:
    """A state dict of the whole loaded into pieces, and one of pieces into the whole."""
    shapes = shapes_for(name)
    plain = Held(shapes)
    before = of_example(name, plain)
    train(plain, before, 4)
    module = copy.deepcopy(plain)
    if ranks > 1:
        fully_shard(module)
    after = of_example(name, module)
    after.load_state_dict(before.state_dict())
    train(module, after, 4, 4)
    again = Held(shapes)
    with torch.no_grad():
        for one, other in zip(again.parameters(), module.parameters(), strict=True):
            one.copy_(whole(other))
    last = of_example(name, again)
    last.load_state_dict(after.state_dict())
    train(again, last, 4, 8)
    return all_values(again, last)


def copies(name: str, ranks: int) -> Values:
    module = Both(shapes_for(name), fully_shard if ranks > 1 else uncut)
    stepper = of_example(name, module)
    train(module, stepper, 2)
    state = copy.deepcopy(stepper.state_dict())
    train(module, stepper, 2, 2)
    found = all_values(module, stepper)
    stepper.load_state_dict(state)
    train(module, stepper, 2, 2)
    return found | {f"back {key}": each for key, each in all_values(module, stepper).items()}


def memory(name: str, ranks: int) -> Values:
    """How many bytes of state all processes hold together, keys of random numbers and counts of steps apart."""
    module = Held(shapes_for(name))
    if ranks > 1:
        fully_shard(module)
    stepper = of_example(name, module)
    train(module, stepper, 1)
    kept = [
        each for state in stepper.state.values() for key, each in state.items() if each.dim() and key != "random_key"
    ]
    pieces = [each.to_local() if isinstance(each, DTensor) else each for each in kept]
    sizes = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in pieces}
    count = torch.tensor(sum(sizes.values()))
    if ranks > 1:
        dist.all_reduce(count)
    return {"bytes": count}
