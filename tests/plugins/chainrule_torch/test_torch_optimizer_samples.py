"""Test optimizers through the adapter by the samples that torch tests its own with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

import chainrule
from chainrule_torch import optimizer

common = pytest.importorskip("torch.testing._internal.common_optimizers")

RENAMED = {
    "alpha": "decay",
    "d": "clip_threshold",
    "initial_accumulator_value": "initial_accumulator",
    "lambd": "weight_decay",
}
"""Settings of torch's that have another name here."""

DECOUPLED = ("Adafactor", "AdamW", "Muon")
"""Those of torch's whose weight decay acts beside the gradient."""

NO_TWIN = {
    "LBFGS": "needs a line search over the whole loss",
    "SparseAdam": "is for sparse gradients, which are refused",
}

DIFFERENT = {("SGD", "dampening"): "sgd has no dampening, which scales the gradient beside the momentum"}
"""Why a sample of an optimizer differs, by one of its settings."""

SAMPLES = [
    pytest.param(info.optim_cls, sample.kwargs, id=f"{info.optim_cls.__name__}-{sample.desc}")
    for info in common.optim_db
    if info.optim_cls.__name__ not in NO_TWIN
    for sample in info.optim_inputs_func(device="cpu")
]


def twin(kind: Any, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings of the same rule here."""
    name = "amsgrad" if given.get("amsgrad") else kind.__name__.lower()
    theirs = dict(kind([torch.zeros(2, 2)], **given).defaults)
    own = optimizer(name, [torch.zeros(2, 2)]).defaults
    settings = {key: value for key, value in theirs.items() if key in own}
    settings |= {ours: theirs[key] for key, ours in RENAMED.items() if key in theirs and key not in own and ours in own}
    if name == "rprop":
        settings |= dict(zip(("eta_minus", "eta_plus"), theirs["etas"], strict=True))
        smallest, largest = theirs["step_sizes"]
        settings |= {"step_min": smallest / theirs["lr"], "step_max": largest / theirs["lr"]}
    if name == "asgd":
        settings["t0"] = int(theirs["t0"])
    if name == "muon":
        settings["bfloat16"] = True
    if name == "adafactor":
        settings["decay_rate"] = -theirs["beta2_decay"]
        settings["eps"] = torch.finfo(torch.float64).eps, theirs["eps"][1]
    return name, settings


def coupled_decay(kind: Any, name: str, settings: dict[str, Any]) -> float:
    """Return the weight decay that torch adds to the gradient, where the rule here decays otherwise."""
    theirs = kind([torch.zeros(2, 2)], **settings).defaults
    rule: Any = chainrule.get("optimizers", name)
    if kind.__name__ in DECOUPLED or theirs.get("decoupled_weight_decay") or rule.decay_kind == "coupled":
        return 0.0
    return float(theirs.get("weight_decay", 0.0))


@pytest.fixture
def float64() -> Iterator[None]:
    """Let the numbers that torch makes tensors of, such as ASGD's rate, be of float64 too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def walk(stepper_of: Any, decay: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)

    def normal() -> Tensor:
        return torch.randn(4, 3, dtype=torch.float64, generator=generator)

    parameter = torch.nn.Parameter(normal())
    stepper = stepper_of([parameter])
    sign = -1 if stepper.defaults.get("maximize") else 1
    for _ in range(20):
        parameter.grad = normal() + sign * decay * parameter.detach()
        stepper.step()
    return parameter.detach()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("kind", "given"), SAMPLES)
def test_follows_torchs_own(kind: Any, given: Mapping[str, Any]) -> None:
    given = {key: value.double() if isinstance(value, Tensor) else value for key, value in given.items()}
    name, settings = twin(kind, given)
    decay = coupled_decay(kind, name, dict(given))
    if decay and kind is not torch.optim.ASGD:  # whose lambd is the decay here
        settings["weight_decay"] = 0.0
    ours = walk(lambda params: optimizer(name, params, **settings), decay)
    theirs = walk(lambda params: kind(params, **given))
    reason = next((why for (of, key), why in DIFFERENT.items() if of == kind.__name__ and key in given), None)
    equal = torch.allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    assert equal == (reason is None), reason or (ours - theirs).abs().max()
